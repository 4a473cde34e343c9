"""A region of interest: inside the labels are those of the whole volume, outside there are none, and less is done."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from geometries import GRIDS, blobs, geometry, rotation
from tinymodel import Thresholds, save_tiny

from cmaformer import __main__ as cli
from cmaformer import segment as segment_function
from cmaformer.door import job as jobs
from cmaformer.door.errors import EngineError
from cmaformer.door.watcher import Watcher
from cmaformer.images.geometry import Volume
from cmaformer.images.grid import SliceGrid
from cmaformer.images.volume import read_volume, write_label_map
from cmaformer.models.model import load_model
from cmaformer.network.cmaformer import CMAformer, NetworkConfig
from cmaformer.network.sliding_window import predict
from cmaformer.segmenting import worker
from cmaformer.segmenting.region import Region, RegionOnGrid

RANGES = (12, 25, 9, 21, 3, 7)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_tiny(folder / "tiny-1.0.0", context=1)
    save_tiny(folder / "axial", id="axial", input={"slicing": "axial", "spacing_mm": [1.4, 1.6]})
    save_tiny(folder / "windows", id="windows", input={"slicing": "axial", "spacing_mm": [0.95, 0.95], "patch": 32})
    parts = {"largest_component": [1], "fill_holes": []}
    window = {"normalization": {"type": "window", "low": 0, "high": 3}, "spacing_mm": None}
    save_tiny(folder / "largest", id="largest", postprocessing=parts, input=window)
    return folder


def image_of(grid, seed: int = 0) -> Volume:
    noise = np.random.default_rng(seed).normal(size=grid.shape_kji)
    return Volume((300.0 * blobs(grid) + 100 * noise).astype(np.float32), grid)


def inside(ranges, shape) -> np.ndarray:
    mask = np.zeros(shape, bool)
    i0, i1, j0, j1, k0, k1 = ranges
    mask[k0 : k1 + 1, j0 : j1 + 1, i0 : i1 + 1] = True
    return mask


def oblique_box(seed: int, shape, center=(0.45, 0.5, 0.55), half=(9.0, 6.0, 2.5)) -> np.ndarray:
    """(3, 4) of a turned box around a point of a volume, in voxel indices."""
    rows = rotation(seed).T / np.array(half)[:, None]
    middle = np.array(center) * (np.array(shape[::-1]) - 1)
    return np.column_stack([rows, -rows @ middle])


def inside_box(to_box: np.ndarray, shape) -> np.ndarray:
    k, j, i = np.indices(shape)
    values = np.einsum("rn,n...->r...", to_box, np.stack([i, j, k, np.ones(shape)]))
    return (np.abs(values) <= 1 + 1e-6).all(axis=0)


@pytest.mark.parametrize("model", ["tiny-1.0.0", "axial", "windows"])
@pytest.mark.parametrize("name", ["oblique", "flipped oblique", "upside down", "sagittal", "permuted flipped"])
def test_inside_nothing_changes_and_outside_is_nothing(models: Path, model: str, name: str) -> None:
    grid = GRIDS[name]
    ranges = [value * n // 41 for value, n in zip(RANGES[:4], (*grid.size_ijk[:1] * 2, *grid.size_ijk[1:2] * 2))]
    ranges += [grid.size_ijk[2] // 4, grid.size_ijk[2] // 2]
    image = image_of(grid)
    steps: list[int] = []
    arguments = {"device": "cpu", "cleanup": False, "batch_size": 1}
    whole = segment_function(image, models / model, **arguments).labels
    part = segment_function(
        image, models / model, region=ranges, watcher=Watcher(lambda done, total, _: steps.append(total)), **arguments
    ).labels
    mask = inside(ranges, grid.shape_kji)
    assert len(np.unique(whole[mask])) > 1
    np.testing.assert_array_equal(part, np.where(mask, whole, 0))
    cut = SliceGrid(grid, load_model(models / model).description.input.slicing)
    first, last = np.reshape(ranges, (3, 2))[2 - cut.slice_axis]
    assert set(steps) == {last - first + 1} and last - first + 1 < cut.count


@pytest.mark.parametrize("seed", range(4))
def test_an_oblique_box_is_cut_at_its_faces(models: Path, seed: int) -> None:
    grid = GRIDS["flipped oblique"]
    image, to_box = image_of(grid), oblique_box(seed, grid.shape_kji)
    whole = segment_function(image, models / "axial", device="cpu", cleanup=False, batch_size=1).labels
    part = segment_function(
        image, models / "axial", device="cpu", cleanup=False, batch_size=1, region=Region(to_box)
    ).labels
    mask = inside_box(to_box, grid.shape_kji)
    assert 50 < mask.sum() < mask.size / 4
    np.testing.assert_array_equal(part, np.where(mask, whole, 0))


def test_a_box_that_is_partly_outside_of_the_volume() -> None:
    shape = (9, 14, 17)
    for center in ((0, 0, 0), (1, 1, 1), (-0.3, 0.5, 0.5), (0.5, 1.2, 0.5)):
        to_box = oblique_box(5, shape, center)
        labels = np.ones(shape, np.uint8)
        RegionOnGrid(Region(to_box), SliceGrid(geometry(shape[::-1]))).cut(labels)
        np.testing.assert_array_equal(labels, inside_box(to_box, shape))
        assert labels.any()


def test_a_voxel_on_a_face_is_inside_whatever_the_rounding() -> None:
    """Faces through voxel centers, of a box that is written in many ways: the same voxels are inside."""
    shape = (12, 13, 14)
    for factor in np.random.default_rng(0).uniform(0.1, 10, 20):
        rows = np.diag(1 / (np.array([3.0, 4.0, 2.0]) * factor)) * factor
        first, last = Region(np.column_stack([rows, -rows @ np.array([5.0, 6.0, 7.0])])).spans(shape)
        assert (first[7, 6], last[7, 6]) == (2, 8)
        assert [k for k in range(12) if first[k, 6] <= last[k, 6]] == [5, 6, 7, 8, 9]


def test_windows_that_do_not_touch_the_region_are_left_out(models: Path) -> None:
    model = load_model(models / "windows")
    network = CMAformer(NetworkConfig.from_dict(model.description.network)).eval()
    torch.manual_seed(0)
    images, seen = torch.randn(1, 1, 80, 110), []

    def counted(x, frames):
        seen.append(len(x))
        return network(x, frames)

    with torch.inference_mode():
        whole = predict(counted, images, 32).logits
        every = len(seen)
        rows, columns = slice(10, 20), slice(85, 100)
        part = predict(counted, images, 32, (rows, columns)).logits
    torch.testing.assert_close(part[..., rows, columns], whole[..., rows, columns], rtol=0, atol=0)
    assert torch.isfinite(part).all()
    assert len(seen) - every < every / 2


def test_the_largest_part_is_the_largest_inside(models: Path) -> None:
    grid = geometry()
    labels = np.zeros(grid.shape_kji, np.uint8)
    labels[:, 2:30, 2:14] = 1
    labels[4:7, 10:16, 25:30] = 1
    network = Thresholds(-0.5, 9.0, 9.0)
    found = segment_function(
        Volume(labels.astype(np.int16), grid),
        models / "largest",
        network=network,
        device="cpu",
        region=(20, 40, 0, 36, 0, 11),
    )
    expected = np.where(inside((20, 40, 0, 36, 0, 11), grid.shape_kji), labels, 0)
    np.testing.assert_array_equal(found.labels, expected)
    assert found.structures[0]["voxels"] == expected.sum() > 0


@pytest.mark.parametrize(
    ("region", "code"),
    [
        ((50, 60, 0, 5, 0, 5), "empty-region"),
        ((0, 5, 0, 5, -9, -1), "empty-region"),
        ((5, 3, 0, 5, 0, 5), "bad-region"),
        ((0, 5, 0, 5), "bad-region"),
        ((0, 5, 0, 5, 0, 5.5), "bad-region"),
    ],
)
def test_regions_that_are_none(models: Path, region, code: str) -> None:
    with pytest.raises(EngineError) as caught:
        segment_function(image_of(geometry()), models / "axial", device="cpu", region=region)
    assert caught.value.code == code


def make_job(folder: Path, region) -> Path:
    folder.mkdir()
    write_label_map(folder / "input.mha", blobs(geometry()), geometry())
    parameters = {"device": "cpu", "batch_size": 1, "cleanup": True, "region": region}
    jobs.write_job(
        folder,
        {
            "schema": 1,
            "kind": "segment",
            "id": jobs.new_id(),
            "inputs": {"image": "input.mha"},
            "model": {"id": "tiny-1.0.0"},
            "parameters": parameters,
            "seed": 0,
            "engine_version": "0.1.0",
        },
    )
    return folder


def test_a_job_has_a_region(tmp_path: Path, models: Path) -> None:
    to_box = oblique_box(2, geometry().shape_kji, half=(2.0, 3.0, 2.5))
    folder = make_job(tmp_path / "job", {"to_box": to_box.tolist()})
    assert worker.run_job(folder, [models], worker.NetworkCache()) == "finished"
    labels = read_volume(folder / "result" / "segmentation.mha").array
    mask = inside_box(to_box, labels.shape)
    assert labels[mask].any() and not labels[~mask].any()
    totals = {event["total"] for event in jobs.read_events(folder) if event["type"] == "progress"}
    assert totals == {np.count_nonzero(mask.any(axis=(1, 2)))} != {labels.shape[0]}


@pytest.mark.parametrize(
    ("region", "code"),
    [
        ([1, 2, 3], "bad-job"),
        ({"to_box": "all"}, "bad-region"),
        ({"to_box": [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]}, "bad-region"),
        ({"to_box": [[1, 0, 0, -900], [0, 1, 0, 0], [0, 0, 1, 0]]}, "empty-region"),
    ],
)
def test_a_job_with_a_region_that_is_none_fails_in_words(tmp_path: Path, models: Path, region, code: str) -> None:
    folder = make_job(tmp_path / "job", region)
    assert worker.run_job(folder, [models], worker.NetworkCache()) == "failed"
    (error,) = [event for event in jobs.read_events(folder) if event["type"] == "error"]
    assert error["code"] == code and error["message"]


def test_the_command(tmp_path: Path, models: Path, capsys: pytest.CaptureFixture) -> None:
    image = tmp_path / "image.nrrd"
    write_label_map(image, blobs(geometry()), geometry())
    arguments = ["segment", str(image), "--model", str(models / "tiny-1.0.0"), "--device", "cpu", "--no-cleanup"]
    region = ["--region", *map(str, RANGES)]
    assert cli.main([*arguments, "-o", str(tmp_path / "whole.nrrd"), "--batch-size", "1"]) == 0
    capsys.readouterr()
    assert cli.main([*arguments, "-o", str(tmp_path / "part.nrrd"), "--batch-size", "1", "--json", *region]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {event["total"] for event in events if event["type"] == "progress"} == {5}
    whole, part = (read_volume(tmp_path / f"{name}.nrrd") for name in ("whole", "part"))
    assert part.geometry == whole.geometry
    np.testing.assert_array_equal(part.array, np.where(inside(RANGES, whole.array.shape), whole.array, 0))
    assert cli.main(["segment", str(image), *arguments[1:], "-o", str(tmp_path / "many"), *region]) == 2
    assert "--region" in capsys.readouterr().err
    assert cli.main([*arguments, "-o", str(tmp_path / "none.nrrd"), "--region", "90", "99", *region[3:]]) == 1
    assert "outside of the image" in capsys.readouterr().err and not (tmp_path / "none.nrrd").exists()
