"""Where a model is unsure, and how good its answer is by its own probabilities."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from tinymodel import save_tiny

from cmaformer.door.errors import EngineError
from cmaformer.images.geometry import Geometry, Volume
from cmaformer.images.grid import SliceGrid
from cmaformer.models.model import load_model
from cmaformer.segmenting.segment import segment
from cmaformer.segmenting.uncertainty import Uncertainty

SHAPE = (5, 40, 48)
# Slices stored from the top down: the grid of a model runs the other way.
GEOMETRY = Geometry((48, 40, 5), (1.5, 1.5, 8.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, -1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny-1.0.0"
    save_tiny(path)
    return path


@pytest.fixture(scope="module")
def volume():
    return Volume(np.random.default_rng(0).normal(100, 20, SHAPE).astype(np.float32), GEOMETRY)


def probabilities(seed=1, classes=3):
    return torch.from_numpy(np.random.default_rng(seed).dirichlet(np.ones(classes), SHAPE)).float().movedim(-1, 1)


def test_scores_are_what_their_formulas_say():
    p, grid = probabilities(), SliceGrid(GEOMETRY, "acquired")
    found = Uncertainty(SHAPE, grid.slice_axis, 3)
    for part in (slice(0, 2), slice(2, 5)):  # batch by batch
        found.add(grid, np.arange(5)[part], p[part])
    answer, p = p.numpy().argmax(1), p.numpy().astype(np.float64)
    entropy = -(p * np.log(p)).sum(1) / np.log(3)
    assert np.abs(found.percent - 100 * entropy).max() <= 0.51
    for value, dice in enumerate(found.expected_dice(), 1):
        taken = p[:, value][answer == value].sum()
        assert dice == pytest.approx(2 * taken / ((answer == value).sum() + p[:, value].sum()), rel=1e-5)
    each = [(answer == v) * (1 - p[:, v]) + (answer != v) * p[:, v] for v in (1, 2)]
    wrong = np.sum(each, axis=(0, 2, 3))
    assert found.wrong_voxels() == pytest.approx(wrong, rel=1e-5)
    assert found.worst_slices(2) == np.argsort(-wrong)[:2].tolist()


def test_slices_are_counted_as_they_are_stored():
    grid = SliceGrid(GEOMETRY, "oriented")
    p = torch.zeros(5, 2, 40, 48)
    p[:, 0] = 1
    p[0, :, :10, :10] = 0.5  # of the grid's first slice, which is stored last
    found = Uncertainty(SHAPE, grid.slice_axis, 2)
    found.add(grid, np.arange(5), p)
    assert found.worst_slices() == [4]
    assert (found.percent[4] == 100).sum() == 100 and not found.percent[:4].any()


def test_a_sure_model_has_nothing_to_look_at():
    p = torch.zeros(5, 2, 40, 48)
    p[:, 0] = 1
    found = Uncertainty(SHAPE, 0, 2)
    found.add(SliceGrid(GEOMETRY, "acquired"), np.arange(5), p)
    assert found.worst_slices() == [] and found.expected_dice() == [None] and found.mean_expected_dice() is None


@pytest.mark.parametrize("slicing", ["oriented", "orthogonal"])
@pytest.mark.parametrize("spacing", [[1.5, 1.5], [2.0, 2.0]])
def test_the_label_map_is_the_same_with_and_without(tmp_path, volume, slicing, spacing):
    save_tiny(tmp_path / "tiny-1.0.0")
    path = tmp_path / "tiny-1.0.0" / "model.json"
    content = json.loads(path.read_text())
    content["input"].update(slicing=slicing, spacing_mm=spacing)
    path.write_text(json.dumps(content))
    model = load_model(path.parent)
    plain = segment(volume, model, device="cpu")
    asked = segment(volume, model, device="cpu", uncertainty=True)
    assert np.array_equal(plain.labels, asked.labels) and plain.uncertainty is None
    percent = asked.uncertainty.percent
    assert percent.shape == SHAPE and percent.dtype == np.uint8 and 0 < percent.max() <= 100
    summary = asked.summary()["uncertainty"]
    assert set(summary["expected_dice"]) == {item["name"] for item in asked.structures}
    assert 0 < summary["mean_expected_dice"] <= 1 and summary["slice_axis"] == "k"
    json.dumps(summary)
    assert "uncertainty" not in plain.summary()


def test_it_is_told_of_whole_volumes(folder, volume):
    with pytest.raises(EngineError, match="whole volume"):
        segment(volume, folder, device="cpu", region=(0, 9, 0, 9, 0, 4), uncertainty=True)


def test_the_command_writes_it_beside_the_label_map(tmp_path, folder, volume):
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(GEOMETRY.spacing)
    image.SetDirection([float(x) for x in GEOMETRY.direction])
    (tmp_path / "images").mkdir()
    for name in ("a", "b"):
        sitk.WriteImage(image, str(tmp_path / "images" / f"{name}.nrrd"))

    def run(*arguments):
        command = [sys.executable, "-m", "cmaformer", "segment", *arguments, "--model", str(folder), "--uncertainty"]
        return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout

    text = run(tmp_path / "images" / "a.nrrd", "-o", tmp_path / "out.nii.gz", "--device", "cpu")
    assert "Expected Dice" in text and "Slices to look at first, along k from 0:" in text
    made = sitk.ReadImage(str(tmp_path / "out-uncertainty.nii.gz"))
    assert made.GetSize() == image.GetSize() and np.allclose(made.GetDirection(), image.GetDirection())
    run(tmp_path / "images", "-o", tmp_path / "images", "--device", "cpu")
    names = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert names == [
        *("a-labels.nrrd", "a-uncertainty.nrrd", "a.nrrd", "b-labels.nrrd", "b-uncertainty.nrrd", "b.nrrd"),
        "volumes.csv",
    ]
    assert (tmp_path / "images" / "volumes.csv").read_text().count("Expected Dice") == 2
    run(tmp_path / "images", "-o", tmp_path / "images", "--device", "cpu")  # none of them is taken for an image
    assert len(list((tmp_path / "images").iterdir())) == 7


def test_a_small_structure_counts_where_it_was_found_and_a_trace_of_it_does_not():
    grid = SliceGrid(GEOMETRY, "acquired")
    p = torch.zeros(5, 3, 40, 48)
    p[:, 2] = 2e-4  # 1.9 voxels in all, of a class that is nowhere the strongest
    p[:, 0] = 1 - 2e-4
    p[2, :, 7, 7] = torch.tensor([0.2, 0.8, 0.0])  # one voxel
    found = Uncertainty(SHAPE, 0, 3)
    found.add(grid, np.arange(5), p)
    assert found.expected_dice()[0] == pytest.approx(2 * 0.8 / 1.8, rel=1e-4)
    assert found.expected_dice()[1] == 0.0  # more than a voxel of it is to be expected, and none was found
    p[:, 2] = 1e-5
    found = Uncertainty(SHAPE, 0, 3)
    found.add(grid, np.arange(5), p)
    assert found.expected_dice()[1] is None
