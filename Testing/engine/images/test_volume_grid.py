"""The way of a volume onto a model's slices and back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from geometries import CORONAL, GRIDS, SAGITTAL, blobs, dice, geometry

from cmaformer.images.geometry import Geometry
from cmaformer.images.grid import SliceGrid

AXES = ("axial", "acquired", "oriented")


def there_and_back(labels: np.ndarray, grid: SliceGrid) -> np.ndarray:
    """A label map through the engine's path, the network replaced by the identity on one-hot probabilities."""
    result = np.full(labels.shape, 255, np.uint8)
    for start in range(0, grid.count, 5):
        indices = np.arange(start, min(start + 5, grid.count))
        on_model = torch.from_numpy(grid.labels_to_model(labels, indices, 4)).long()
        probabilities = torch.nn.functional.one_hot(on_model, 4).permute(0, 3, 1, 2).float()
        grid.insert(result, indices, grid.to_source(probabilities).argmax(1).to(torch.uint8).numpy())
    return result


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", GRIDS)
def test_without_resampling_every_voxel_returns(name: str, axis: str) -> None:
    labels = blobs(GRIDS[name])
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    np.testing.assert_array_equal(there_and_back(labels, SliceGrid(GRIDS[name], axis)), labels)


@pytest.mark.parametrize("factor", [0.55, 0.8])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", GRIDS)
def test_resampled_labels_return_with_dice_097(name: str, axis: str, factor: float) -> None:
    plain = SliceGrid(GRIDS[name], axis)
    grid = SliceGrid(GRIDS[name], axis, [factor * v for v in plain.pixel_spacing])
    assert grid.resamples
    labels = blobs(GRIDS[name])
    result = there_and_back(labels, grid)
    for value in (1, 2, 3):
        assert dice(labels, result, value) >= 0.97


@pytest.mark.parametrize("name", ["standard", "oblique", "sagittal", "odd", "pixels not square"])
def test_a_coarser_model_grid_keeps_large_structures(name: str) -> None:
    """Pixels of 1.3 times the source's: what is large against a pixel comes back with Dice 0.97."""
    source = GRIDS[name]
    large = geometry([4 * n for n in source.size_ijk], source.spacing, np.reshape(source.direction, (3, 3)))
    plain = SliceGrid(large)
    grid = SliceGrid(large, "axial", [1.3 * v for v in plain.pixel_spacing])
    labels = blobs(large)
    result = there_and_back(labels, grid)
    for value in (1, 2, 3):
        assert dice(labels, result, value) >= 0.97


@pytest.mark.parametrize("name", GRIDS)
def test_axial_slices_show_the_patient_as_radiologists_expect(name: str) -> None:
    """Values are patient coordinates: rows grow to posterior, columns to left, slices to superior."""
    grid = GRIDS[name]
    direction = np.reshape(grid.direction, (3, 3))
    k, j, i = np.indices(grid.shape_kji)
    points = np.stack([i, j, k], -1) * grid.spacing @ direction.T + grid.origin
    slices = [SliceGrid(grid, "axial").oriented(points[..., world]) for world in range(3)]
    for axis, world in ((0, 2), (1, 1), (2, 0)):
        if slices[world].shape[axis] > 1:
            along = np.diff(slices[world], axis=axis)
            assert (along > 0).all()
    if slices[2].shape[0] > 1:
        across = abs(np.diff(slices[2], axis=0).mean()) / SliceGrid(grid).slice_spacing
        assert across >= np.abs(direction[2]).max() - 1e-9


@pytest.mark.parametrize(
    ("grid", "axis"),
    [
        (geometry(spacing=(1, 1, 6)), 0),
        (geometry(spacing=(1, 6, 1)), 1),
        (geometry(spacing=(6, 1, 1)), 2),
        (geometry(spacing=(1, 1, 1)), 0),
        (geometry(spacing=(1.0, 1.1, 1.05), direction=SAGITTAL), 0),
        (geometry(size=(1, 30, 30), spacing=(1, 1, 1)), 2),
        (geometry(size=(30, 30, 1), spacing=(1, 3, 1)), 0),
    ],
)
def test_acquired_cuts_the_thick_axis(grid, axis: int) -> None:
    slices = SliceGrid(grid, "acquired")
    assert slices.slice_axis == axis
    array = np.arange(np.prod(grid.shape_kji)).reshape(grid.shape_kji)
    np.testing.assert_array_equal(slices.oriented(array)[0], array.take(0, axis=axis))


def test_acquired_ignores_how_the_patient_lies() -> None:
    array = np.random.default_rng(0).normal(size=(12, 37, 41)).astype(np.float32)
    for direction in (np.eye(3), SAGITTAL, CORONAL, np.diag([-1, 1, 1])):
        grid = SliceGrid(geometry(direction=direction), "acquired")
        np.testing.assert_array_equal(grid.to_model(array, [3, 0]), array[[3, 0]])


def test_model_grid_covers_the_same_field_of_view() -> None:
    """A linear ramp stays the same ramp: the physical position of model pixels is right to a fraction of a pixel."""
    source = geometry(size=(100, 80, 3), spacing=(0.7, 0.9, 3.0))
    grid = SliceGrid(source, "acquired", (1.4, 1.4))
    assert grid.model_shape == (51, 50)
    _, j, i = np.indices(source.shape_kji)
    for ramp, count, axis in (((j + 0.5) / 80, 51, 1), ((i + 0.5) / 100, 50, 2)):
        resampled = np.moveaxis(grid.to_model(ramp.astype(np.float32), [1]), axis, -1)
        expected = (np.arange(count) + 0.5) / count
        np.testing.assert_allclose(
            resampled[..., 2:-2], np.broadcast_to(expected[2:-2], resampled[..., 2:-2].shape), atol=2e-3
        )


def test_shrinking_averages() -> None:
    """A checkerboard seen with double pixels is gray, not a pattern that depends on where the pixels fall."""
    source = geometry(size=(64, 64, 1))
    _, j, i = np.indices(source.shape_kji)
    board = ((i + j) % 2).astype(np.float32)
    resampled = SliceGrid(source, "acquired", (2.0, 2.0)).to_model(board, [0])
    np.testing.assert_allclose(resampled[:, 2:-2, 2:-2], 0.5, atol=0.02)


def test_labels_are_resampled_alike_whatever_their_values() -> None:
    source = geometry(size=(40, 40, 1))
    labels = np.zeros(source.shape_kji, np.uint8)
    labels[:, :, 10:20], labels[:, :, 20:30] = 1, 2
    grid = SliceGrid(source, "acquired", (1.6, 1.6))
    swapped = np.array([0, 2, 1], np.uint8)
    first = grid.labels_to_model(labels, [0], 3)
    second = swapped[grid.labels_to_model(swapped[labels], [0], 3)]
    assert (first == second).mean() >= 0.96  # the one column on a border is a tie


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_any_number_type_gives_float32(dtype: type) -> None:
    array = np.arange(41 * 37 * 12, dtype=dtype).reshape(12, 37, 41) % 100
    for spacing in (None, (0.8, 0.8)):
        assert SliceGrid(geometry(), "axial", spacing).to_model(array, [2]).dtype == np.float32


def test_wrong_use_is_refused() -> None:
    grid = SliceGrid(geometry(), "axial", (2.0, 2.0))
    with pytest.raises(ValueError, match="axis must be"):
        SliceGrid(geometry(), "oblique")
    with pytest.raises(ValueError, match="spacing"):
        SliceGrid(geometry(), "axial", (0.0, 1.0))
    with pytest.raises(ValueError, match="not of the grid's shape"):
        grid.to_model(np.zeros((2, 2, 2)), [0])
    with pytest.raises(ValueError, match="model's shape"):
        grid.to_source(torch.zeros(1, 2, 37, 41))
    with pytest.raises(ValueError, match="do not fit 3 classes"):
        grid.labels_to_model(np.full((12, 37, 41), 3, np.uint8), [0], 3)


def stored_anyhow(array: np.ndarray, axes: tuple[int, int, int], signs: tuple[int, int, int], spacing):
    """The same anatomy stored with other axes (K, J, I order) and directions, with its geometry."""
    stored = array.transpose(axes)[tuple(slice(None, None, sign) for sign in signs)]
    direction = np.zeros((3, 3))
    for new, (old, sign) in enumerate(zip(axes, signs)):
        direction[2 - old, 2 - new] = sign  # array axis 0 is k
    sizes, mm = stored.shape[::-1], tuple(spacing[2 - axes[2 - n]] for n in range(3))
    return stored, Geometry(sizes, mm, (0.0, 0.0, 0.0), tuple(direction.ravel()))


@pytest.mark.parametrize("spacing", [(1.0, 1.5, 8.0), (8.0, 1.0, 1.5), (1.0, 8.0, 1.5), (1.0, 1.1, 1.2)])
def test_oriented_slices_are_the_same_from_any_storage(spacing) -> None:
    array = np.random.default_rng(0).integers(0, 99, (5, 6, 7))
    usual = SliceGrid(Geometry((7, 6, 5), spacing, (0.0, 0.0, 0.0), tuple(np.eye(3).ravel())), "oriented")
    wanted = usual.oriented(array)
    if spacing[2] == 8.0:
        np.testing.assert_array_equal(wanted, array)  # as stored, to the bit
    for axes in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            stored, geometry = stored_anyhow(array, axes, signs, spacing)
            grid = SliceGrid(geometry, "oriented", (1.3, 1.2))
            np.testing.assert_array_equal(grid.oriented(stored), wanted)
            assert grid.pixel_spacing == usual.pixel_spacing and grid.slice_spacing == usual.slice_spacing
