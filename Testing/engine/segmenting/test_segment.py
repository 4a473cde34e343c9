"""Volume + model -> label map: values, grid, batches, memory shortage, cancel, clean-up."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from geometries import GRIDS, blobs, dice, geometry
from segmentcases import KNOWN, WINDOW, image_of
from tinymodel import Thresholds, save_tiny

from cmaformer import segment as segment_function
from cmaformer.door.errors import CancelledError
from cmaformer.door.watcher import Watcher
from cmaformer.images.geometry import Volume
from cmaformer.images.volume import read_volume
from cmaformer.models.model import load_model


@pytest.mark.parametrize("name", GRIDS)
def test_the_label_map_lies_on_the_image(models: Path, name: str) -> None:
    labels = blobs(GRIDS[name])
    result = segment_function(image_of(labels, GRIDS[name]), models / "plain", device="cpu", network=Thresholds(*KNOWN))
    assert result.geometry == GRIDS[name]
    assert result.labels.dtype == np.uint8
    np.testing.assert_array_equal(result.labels, labels)


@pytest.mark.parametrize("name", ["oblique", "sagittal", "odd", "permuted flipped", "single slice"])
def test_resampled_slices_come_back_to_their_place(models: Path, name: str) -> None:
    """A linear network on resampled intensities keeps the border of a structure where it was."""
    labels = (blobs(GRIDS[name]) > 0).astype(np.uint8)
    image = Volume(labels * np.int16(3), GRIDS[name])
    result = segment_function(image, models / "axial", device="cpu", network=Thresholds(0.0, 9.0, 9.0))
    assert dice(labels, result.labels, 1) >= 0.97


def test_context_slices_are_channels_repeated_at_the_ends(models: Path) -> None:
    grid = geometry((8, 8, 5))
    image = Volume(np.broadcast_to(np.arange(5, dtype=np.float32)[:, None, None] / 2, (5, 8, 8)).copy(), grid)
    seen = []

    class Spy(Thresholds):
        def __call__(self, x):
            seen.append(x[:, :, 0, 0].clone())
            return super().__call__(x)

    segment_function(image, models / "context", device="cpu", network=Spy(*KNOWN), batch_size=2)
    expected = np.clip(np.arange(5)[:, None] + np.arange(-2, 3), 0, 4) / 2
    np.testing.assert_allclose(torch.cat(seen).numpy(), expected / 1.5 - 1, atol=1e-6)


def test_structures_are_measured_on_the_image(models: Path) -> None:
    labels = blobs(GRIDS["standard"])
    image = Volume(labels.astype(np.float32), GRIDS["standard"])
    image.array.flat[np.flatnonzero(labels == 2)[0]] = np.nan
    result = segment_function(image, models / "plain", device="cpu", network=Thresholds(*KNOWN))
    for entry in result.structures:
        inside = (result.labels == entry["value"]) & np.isfinite(image.array)
        assert entry["voxels"] == (result.labels == entry["value"]).sum()
        assert entry["mean"] == pytest.approx(image.array[inside].mean(), rel=1e-3)
    nothing = segment_function(image, models / "plain", device="cpu", network=Thresholds(1e9, 1e9, 1e9))
    assert [entry["mean"] for entry in nothing.structures] == [None] * 3


@pytest.mark.parametrize("batch", [1, 2, 5, 64, None])
def test_the_batch_size_changes_nothing(models: Path, batch: int | None) -> None:
    image = image_of(blobs(GRIDS["standard"]), GRIDS["standard"])
    reference = segment_function(image, models / "random", device="cpu", batch_size=3).labels
    result = segment_function(image, models / "random", device="cpu", batch_size=batch)
    assert (result.labels != reference).mean() < 1e-3  # sums in another order may turn a tie
    assert result.batch_size <= 12


def test_cancel_is_asked_before_every_batch(models: Path) -> None:
    network = Thresholds(*KNOWN)
    with pytest.raises(CancelledError):
        segment_function(
            image_of(blobs(geometry()), geometry()),
            models / "plain",
            device="cpu",
            batch_size=2,
            network=network,
            watcher=Watcher(cancelled=lambda: len(network.batches) == 3),
        )
    assert len(network.batches) == 3


def test_progress_tells_done_total_and_time_left(models: Path) -> None:
    calls = []
    segment_function(
        image_of(blobs(geometry()), geometry()),
        models / "plain",
        device="cpu",
        batch_size=5,
        network=Thresholds(*KNOWN),
        watcher=Watcher(lambda *values: calls.append(values)),
    )
    assert [(done, total) for done, total, _ in calls] == [(0, 12), (5, 12), (10, 12), (12, 12)]
    assert calls[0][2] is None
    assert calls[1][2] > 0
    assert calls[-1][2] == 0


def test_structures_are_measured(models: Path) -> None:
    grid = geometry(spacing=(2.0, 0.5, 3.0))
    labels = blobs(grid)
    result = segment_function(image_of(labels, grid), models / "plain", device="cpu", network=Thresholds(*KNOWN))
    assert [(s["value"], s["voxels"]) for s in result.structures] == [(v, int((labels == v).sum())) for v in (1, 2, 3)]
    assert result.structures[0]["volume_ml"] == pytest.approx((labels == 1).sum() * 3 / 1000)
    summary = result.summary()
    assert {"structures", "device", "precision", "batch_size", "steps", "seconds", "model", "engine_version"} == set(
        summary
    )
    assert {"read", "model", "prepare", "resample", "network", "cleanup"} <= set(summary["steps"])


def test_label_values_follow_the_description(tmp_path: Path) -> None:
    classes = [{"value": value, "name": str(value), "color": [0, 0, 0], "terminology": None} for value in (7, 200, 12)]
    save_tiny(tmp_path / "m", classes=classes, input={**WINDOW, "spacing_mm": None})
    labels = blobs(geometry())
    result = segment_function(image_of(labels, geometry()), tmp_path / "m", device="cpu", network=Thresholds(*KNOWN))
    np.testing.assert_array_equal(result.labels, np.array([0, 7, 200, 12], np.uint8)[labels])


@pytest.mark.parametrize("value", [0.0, -1000.0, np.nan])
def test_an_image_without_contrast_is_no_failure(models: Path, value: float) -> None:
    warnings = []
    image = Volume(np.full((12, 37, 41), value, np.float32), geometry())
    result = segment_function(
        image, models / "random", device="cpu", watcher=Watcher(warning=lambda *words: warnings.append(words[0]))
    )
    assert result.labels.shape == (12, 37, 41)
    assert "constant-image" in warnings
    assert ("not-finite" in warnings) == np.isnan(value)


def test_voxels_that_are_not_numbers_change_only_themselves(models: Path) -> None:
    labels = blobs(geometry())
    array = labels.astype(np.float32)
    array[5, 20, 18] = np.nan
    labels[5, 20, 18] = 0
    warnings = []
    result = segment_function(
        Volume(array, geometry()),
        models / "plain",
        device="cpu",
        network=Thresholds(*KNOWN),
        watcher=Watcher(warning=lambda *words: warnings.append(words)),
    )
    np.testing.assert_array_equal(result.labels, labels)
    assert warnings == [("not-finite", "1 voxels of the image are not numbers; they count as its minimum.", "")]


@pytest.mark.data
def test_a_real_volume_is_segmented_on_its_own_grid(models: Path) -> None:
    data = Path(__file__).resolve().parents[4] / "shared" / "data" / "cardiac_cine_mr" / "images"
    images = sorted(data.glob("*.nrrd"))
    if not images:
        pytest.skip("no real images in ../shared/data")
    volume = read_volume(images[0])
    result = segment_function(images[0], load_model(models / "random"), device="cpu")
    assert result.geometry == volume.geometry
    assert result.labels.shape == volume.array.shape
    assert sum(s["voxels"] for s in result.structures) == np.count_nonzero(result.labels)
    again = segment_function(os.fspath(images[0]), models / "random", device="cpu")
    np.testing.assert_array_equal(result.labels, again.labels)
