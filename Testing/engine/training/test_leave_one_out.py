"""Leave-one-out evaluation: each labeled patient is tested by a training that has not seen it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tinymodel import save_tiny
from trainingdata import write_cases

from cmaformer.__main__ import main
from cmaformer.cases.case_list import CaseList, CasesError
from cmaformer.cases.reading import read_cases
from cmaformer.data.slices import SliceStore, share
from cmaformer.door import job as jobs
from cmaformer.door.errors import CancelledError
from cmaformer.models.model import load_model
from cmaformer.recipes.recipe import Recipe
from cmaformer.training import leave_one_out
from cmaformer.training.plan import create
from cmaformer.training.work import work

SHORT = Recipe(iterations=2, semi_iterations=1, batch_size=2, patch=32, evaluate_every=1, checkpoint_every=2)


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> CaseList:
    """Two labeled patients, the first with two labeled frames and an unlabeled one; and another without labels."""
    folder = tmp_path_factory.mktemp("cases")
    listed = read_cases(write_cases(folder, ["labeled", "labeled", "labeled", "unlabeled", "unlabeled"]))
    patients = ["one", "one", "two", "one", "three"]
    return replace(listed, cases=tuple(replace(case, patient=p) for case, p in zip(listed.cases, patients)))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("model") / "base", structures=2)


@pytest.fixture(scope="module")
def whole(cases, base, tmp_path_factory):
    """Folder of a job that ran to its end in one go."""
    folder = tmp_path_factory.mktemp("whole")
    create(cases, folder, "model", base, recipe=SHORT, seed=3, leave_one_out=True)
    work(folder, "cpu")
    return folder


def weights(job: Path) -> dict[str, torch.Tensor]:
    return torch.load(job / "result" / "model-1.0.0" / "weights.pt", weights_only=True)


def test_every_labeled_patient_is_tested_once_and_with_all_images(cases):
    assert leave_one_out.plan(cases) == [{"test": [0, 1], "unused": [3]}, {"test": [2], "unused": []}]
    third = replace(cases.cases[4], role="held-out", labels=cases.cases[0].labels)
    listed = replace(cases, cases=(*cases.cases[:4], third))
    assert leave_one_out.plan(listed) == [{"test": [0, 1], "unused": [3, 4]}, {"test": [2], "unused": [4]}]


def test_one_labeled_patient_is_refused_before_any_work(cases, tmp_path, base):
    alone = replace(cases, cases=cases.cases[:2])
    with pytest.raises(CasesError, match="at least two labeled patients") as caught:
        create(alone, tmp_path / "job", "model", base, recipe=SHORT, leave_one_out=True)
    assert caught.value.code == "too-few-patients"
    assert not (tmp_path / "job" / jobs.JOB).exists()


def test_shared_slices_have_other_roles_and_the_same_voxels(cases, tmp_path, base):
    create(cases, tmp_path / "job", "model", base, recipe=SHORT)
    slices = work(tmp_path / "job", "cpu", prepare_only=True)
    share(slices, tmp_path / "job" / "a" / "b", lambda entry: "held-out" if entry.number == 2 else entry.role)
    (tmp_path / "job").rename(tmp_path / "moved")
    shared, store = (SliceStore(tmp_path / "moved" / name) for name in ("a/b", "slices"))
    assert shared.numbers("held-out") == [2] and shared.numbers("labeled") == [0, 1]
    assert store.numbers("held-out") == [] and store.numbers("labeled") == [0, 1, 2]
    assert np.array_equal(shared.array(2, "labels"), store.array(2, "labels"))
    assert len(list((tmp_path / "moved" / "a").rglob("*.npy"))) == 0


def test_folds_are_tested_and_the_model_is_the_one_trained_on_all(cases, tmp_path, base, whole):
    create(cases, tmp_path / "plain", "model", base, recipe=SHORT, seed=3)
    work(tmp_path / "plain", "cpu")
    one, two = weights(tmp_path / "plain"), weights(whole)
    assert all(torch.equal(one[name], two[name]) for name in one)

    found = json.loads((whole / "result" / "report.json").read_text())["leave_one_out"]
    assert found["cases"] == [1, 2, 3]
    dice = np.array(found["dice"], float)
    assert dice.shape == (3, 2) and np.nanmax(dice) <= 1
    model = load_model(whole / "result" / "model-1.0.0")
    metrics = model.description.metrics
    assert set(metrics["leave_one_out_dice"]) == {"ring", "disc"}
    assert metrics["leave_one_out_dice"]["disc"]["mean"] == pytest.approx(np.nanmean(dice[:, 1]), abs=1e-4)
    assert "held_out_dice" not in metrics and metrics["grid"] == "model"
    assert "left out" in model.card

    files = {path.name for path in (whole / "folds").rglob("*") if path.is_file()}
    assert files == {"scores.json"}
    events = jobs.read_events(whole)
    assert {event.get("fold") for event in events if event["type"] == "started"} == {1, 2, None}
    assert events[-1]["type"] == "finished" and "fold" not in events[-1]


def test_each_fold_learns_without_its_patient(cases, tmp_path, base, whole):
    """A fold is the same as a training on a list in which that patient is held out."""
    found = json.loads((whole / "folds" / "01" / "scores.json").read_text())["dice"]
    roles = ["held-out", "held-out", "labeled", None, "unlabeled"]
    listed = [replace(case, role=role) for case, role in zip(cases.cases, roles) if role]
    create(replace(cases, cases=tuple(listed)), tmp_path / "list", "model", base, recipe=SHORT, seed=3)
    work(tmp_path / "list", "cpu")
    report = json.loads((tmp_path / "list" / "result" / "report.json").read_text())
    assert report["held_out_dice"]["semi-supervised"] == found


@pytest.mark.parametrize(("part", "stop"), [(1, 2), (2, 1), (3, 1)])
def test_stopped_evaluation_goes_on_where_it_was(cases, tmp_path, base, whole, part, stop, monkeypatch):
    monkeypatch.setattr("cmaformer.training.loop.PROGRESS_S", 0.0)  # hear of every iteration
    create(cases, tmp_path / "job", "model", base, recipe=SHORT, seed=3, leave_one_out=True)
    seen = []

    def watch(line: str) -> None:
        seen.append(json.loads(line))
        event = seen[-1]
        if event["type"] == "progress" and event["unit"] == "iterations" and event["done"] == (part - 1) * 3 + stop:
            jobs.request_cancel(tmp_path / "job")

    with pytest.raises(CancelledError):
        work(tmp_path / "job", "cpu", jobs.Events(watch))
    assert seen[-1]["type"] == "cancelled" and not jobs.has_result(tmp_path / "job")
    progress = [event for event in seen if event["type"] == "progress" and event["unit"] == "iterations"]
    assert [event["done"] for event in progress] == list(range(1, len(progress) + 1))
    assert all(event["total"] == 9 for event in progress)

    again = []
    work(tmp_path / "job", "cpu", jobs.Events(lambda line: again.append(json.loads(line))))
    started = [event for event in again if event["type"] == "started" and event["resumed_at"]]
    assert [(event.get("fold"), event["resumed_at"]) for event in started] == [(part if part < 3 else None, stop)]
    reports = [json.loads((folder / "result" / "report.json").read_text()) for folder in (whole, tmp_path / "job")]
    assert reports[0]["leave_one_out"] == reports[1]["leave_one_out"]
    one, two = weights(whole), weights(tmp_path / "job")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_command_evaluates_on_request(tmp_path, base, capsys):
    path = write_cases(tmp_path, ["labeled", "labeled", "unlabeled"])
    arguments = ["--cases", str(path), "--name", "model", "--base", str(base.folder), "--device", "cpu"]
    arguments += ["--iterations", "1", "--semi-iterations", "0", "--batch-size", "1", "--patch", "32"]
    assert main(["train", *arguments, "--job", str(tmp_path / "job"), "--leave-one-out"]) == 0
    report = json.loads((tmp_path / "job" / "result" / "report.json").read_text())
    assert report["leave_one_out"]["cases"] == [1, 2]
    assert "leave-one-out" not in capsys.readouterr().err  # nobody need be told to ask for it
    assert main(["train", *arguments, "--job", str(tmp_path / "other")]) == 0
    assert "leave-one-out" in capsys.readouterr().err
    assert "leave_one_out" not in json.loads((tmp_path / "other" / "result" / "report.json").read_text())
