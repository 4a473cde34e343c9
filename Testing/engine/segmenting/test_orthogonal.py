"""Models that look along three directions: what they see, how it is averaged, and what they are trained on."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from geometries import GRIDS, blobs, geometry, rotation
from segmentcases import KNOWN, WINDOW, image_of
from tinymodel import Thresholds, save_tiny
from trainingdata import SHORT, write_cases

from cmaformer import segment as segment_function
from cmaformer.__main__ import main
from cmaformer.cases.reading import read_cases
from cmaformer.data.slices import SliceStore, prepare
from cmaformer.door.errors import EngineError
from cmaformer.door.input_spec import ImageSpec, InputSpec
from cmaformer.door.slicing import PLANES
from cmaformer.door.watcher import Watcher
from cmaformer.images.geometry import Volume
from cmaformer.images.grid import SliceGrid, grids_of
from cmaformer.images.volume import read_volume
from cmaformer.models.model import load_model
from cmaformer.segmenting import votes
from cmaformer.training import leave_one_out
from cmaformer.training.plan import create
from cmaformer.training.work import train, work


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "three"
    save_tiny(folder, input={**WINDOW, "slicing": "orthogonal", "spacing_mm": None})
    return folder


@pytest.mark.parametrize("name", GRIDS)
def test_three_views_show_the_patient_as_radiologists_expect(name: str) -> None:
    grid = GRIDS[name]
    direction = np.reshape(grid.direction, (3, 3))
    seen = {plane: SliceGrid(grid, plane) for plane in PLANES}
    assert sorted(view.slice_axis for view in seen.values()) == [0, 1, 2]
    # Positions along L, P and S of every voxel, and how they grow with slices, rows and columns of a view.
    kji = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape_kji), indexing="ij"), -1)
    lps = kji[..., ::-1] * grid.spacing @ direction.T
    for plane, view in seen.items():
        for dimension, (world, sign) in enumerate(PLANES[plane]):
            along = view.oriented(lps[..., world]).astype(float)
            if along.shape[dimension] > 1 and abs(direction[world, 2 - view._order[dimension]]) > 0.1:
                assert sign * np.diff(along, axis=dimension).mean() > 0


def test_a_half_turned_volume_is_still_cut_along_three_axes() -> None:
    for seed in range(50):
        grids = grids_of(geometry(direction=rotation(seed)), "orthogonal")
        assert sorted(grid.slice_axis for grid in grids) == [0, 1, 2]


@pytest.mark.parametrize("name", GRIDS)
def test_the_label_map_lies_on_the_image(model: Path, name: str) -> None:
    labels = blobs(GRIDS[name])
    result = segment_function(image_of(labels, GRIDS[name]), model, device="cpu", network=Thresholds(*KNOWN))
    assert result.geometry == GRIDS[name]
    np.testing.assert_array_equal(result.labels, labels)


@pytest.mark.parametrize("coronal, expected", [(0.9, 0), (0.6, 1)])
def test_probabilities_are_averaged_and_not_votes_counted(model: Path, coronal: float, expected: int) -> None:
    """Two directions say class 1 with 0.6; the third says background, more or less certainly."""

    def network(x: torch.Tensor) -> SimpleNamespace:
        background = coronal if tuple(x.shape[2:]) == (8, 14) else 0.4
        answer = torch.tensor([background, 1 - background, 1e-6, 1e-6]).log()
        return SimpleNamespace(logits=answer[None, :, None, None].expand(len(x), 4, *x.shape[2:]))

    image = Volume(np.arange(1344, dtype=np.float32).reshape(8, 12, 14), geometry((14, 12, 8)))
    steps: list[tuple[int, int]] = []
    result = segment_function(
        image,
        model,
        device="cpu",
        network=network,
        cleanup=False,
        watcher=Watcher(lambda done, all_, _: steps.append((done, all_))),
    )
    assert (result.labels == expected).all()
    assert steps[0] == (0, 8 + 12 + 14) and steps[-1] == (34, 34)


def test_views_of_a_few_slices_from_the_side_are_left_out(model: Path) -> None:
    seen: list[tuple[int, int]] = []

    def network(x: torch.Tensor) -> SimpleNamespace:
        seen.append((x.shape[2], x.shape[3]))
        return SimpleNamespace(logits=torch.zeros(len(x), 4, *x.shape[2:]))

    for size in ((40, 30, 3), (40, 5, 4)):  # in the second no direction has wide slices
        image = Volume(np.arange(np.prod(size), dtype=np.float32).reshape(size[::-1]), geometry(size))
        segment_function(image, model, device="cpu", network=network)
    assert set(seen) == {(30, 40), (5, 40)}


@pytest.mark.parametrize("slices, views", [(26, 3), (21, 3), (20, 1)])
def test_strips_of_a_volume_that_is_cut_do_not_outvote_whole_slices(
    model: Path, tmp_path: Path, slices: int, views: int
) -> None:
    """The volumes of the training measured 26 mm or more across; the network finds nothing in much narrower slices."""
    shutil.copytree(model, tmp_path / "learned")
    description = json.loads((tmp_path / "learned" / "model.json").read_text())
    description.setdefault("training", {})["images"] = {"shortest_mm": [26.0, 41.0]}
    (tmp_path / "learned" / "model.json").write_text(json.dumps(description))
    size = (40, 30, slices)

    def network(x: torch.Tensor) -> SimpleNamespace:
        logits = torch.zeros(len(x), 4, *x.shape[2:])
        logits[:, 1 if min(x.shape[2:]) >= 21 else 0] = 9
        return SimpleNamespace(logits=logits)

    image = Volume(np.arange(np.prod(size), dtype=np.float32).reshape(size[::-1]), geometry(size, spacing=(1, 1, 1)))
    steps: list[int] = []
    result = segment_function(
        image,
        tmp_path / "learned",
        device="cpu",
        network=network,
        watcher=Watcher(lambda done, total, eta: steps.append(total)),
    )
    assert steps[0] == (slices if views == 1 else slices + 40 + 30)
    assert [code for code, _ in result.warnings] == ["fewer-directions"] * (views == 1)
    assert (result.labels == 1).all()


def test_inside_of_a_region_nothing_changes(model: Path) -> None:
    labels = blobs(GRIDS["oblique"])
    image = image_of(labels, GRIDS["oblique"])
    whole = segment_function(image, model, device="cpu", cleanup=False).labels
    part = segment_function(image, model, device="cpu", cleanup=False, region=(8, 30, 9, 25, 2, 9)).labels
    inside = np.zeros(labels.shape, bool)
    inside[2:10, 9:26, 8:31] = True
    assert not part[~inside].any()
    assert (part[inside] != whole[inside]).mean() < 1e-3


def test_a_volume_that_does_not_fit_into_the_memory_is_told(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(votes.np, "zeros", full)
    with pytest.raises(EngineError, match="memory of this computer") as caught:
        votes.Votes(4, (6, 8, 10))
    assert caught.value.code == "out-of-memory"


def test_cases_to_learn_from_are_cut_three_times_and_held_out_ones_once(tmp_path: Path) -> None:
    cases = read_cases(write_cases(tmp_path, ["labeled", "unlabeled", "held-out"]))
    prepare(cases, InputSpec((ImageSpec("", WINDOW["normalization"]),), slicing="orthogonal"), tmp_path / "slices")
    store = SliceStore(tmp_path / "slices")
    assert [(entry.number, entry.of_case) for entry in store.cases] == [
        (0, None), (1, None), (2, None), (3, 0), (4, 1), (5, 0), (6, 1)
    ]  # fmt: skip
    assert [store.count(role) for role in ("labeled", "unlabeled", "held-out")] == [1, 1, 1]
    assert store.numbers("labeled") == [0, 3, 5] and store.numbers("held-out") == [2]
    labels = read_volume(cases.cases[0].labels).array  # the volume lies along L, P and S
    np.testing.assert_array_equal(store.array(0, "labels"), labels)
    np.testing.assert_array_equal(store.array(3, "labels"), labels.transpose(1, 0, 2)[:, ::-1])
    np.testing.assert_array_equal(store.array(5, "labels"), labels.transpose(2, 0, 1)[:, ::-1])
    assert store.cases[0].facts and store.cases[3].facts is None


def test_a_training_along_three_directions_leaves_a_model_that_looks_along_them(tmp_path: Path) -> None:
    cases = read_cases(write_cases(tmp_path, ["labeled", "unlabeled", "held-out"]))
    base = save_tiny(tmp_path / "base", structures=2, input={"slicing": "axial"})
    recipe = replace(SHORT, iterations=2, semi_iterations=2)
    folder = train(cases, tmp_path / "job", "model", base, device="cpu", recipe=recipe, slicing="orthogonal")
    model = load_model(folder)
    assert model.description.input.slicing == "orthogonal"
    counts = [model.description.training[f"{role}_cases"] for role in ("labeled", "unlabeled", "held_out")]
    assert counts == [1, 1, 1]
    report = json.loads((folder.parent / "report.json").read_text())
    assert len(report["held_out_dice"]["supervised"]) == 1
    assert segment_function(cases.cases[2].image, model, device="cpu").labels.shape == (5, 48, 40)


def test_no_direction_of_a_patient_who_is_left_out_is_trained_on(tmp_path: Path) -> None:
    cases = read_cases(write_cases(tmp_path, ["labeled", "labeled", "labeled"]))
    base = save_tiny(tmp_path / "base", structures=2, input={"slicing": "orthogonal"})
    job = create(cases, tmp_path / "job", "model", base, recipe=replace(SHORT, iterations=1), leave_one_out=True)
    slices = work(job.folder, "cpu", prepare_only=True)
    roles = leave_one_out.roles_of({"test": [1], "unused": []})
    found = {entry.number: roles(entry) for entry in SliceStore(slices).cases}
    assert [number for number, role in found.items() if role == "held-out"] == [1]
    assert [number for number, role in found.items() if role == "labeled"] == [0, 2, 3, 5, 6, 8]


def test_command_changes_the_directions_of_an_axial_base(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_cases(tmp_path, ["labeled", "held-out"])
    for name in ("axial", "acquired"):
        save_tiny(tmp_path / "models" / name, id=name, structures=2, input={"slicing": name})
    arguments = ["train", "--cases", str(path), "--name", "m", "--models", str(tmp_path / "models"), "--prepare-only"]
    for wanted, expected in (([], "axial"), (["--slicing", "orthogonal"], "orthogonal")):
        job = tmp_path / expected
        assert main([*arguments, "--base", "axial", "--job", str(job), *wanted]) == 0
        description = json.loads((job / "job.json").read_text())["parameters"]["description"]
        assert description["input"]["slicing"] == expected
    refused = ["--base", "acquired", "--slicing", "orthogonal", "--job", str(tmp_path / "no")]
    assert main([*arguments, *refused]) == 1
    assert "are acquired, and cannot become orthogonal" in capsys.readouterr().err
    assert not (tmp_path / "no" / "job.json").exists()
