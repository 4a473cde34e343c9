"""Training from another model: what is taken of it, and before and after on the same held-out cases."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from tinymodel import describe
from trainingdata import write_cases

from cmaformer.cases.reading import read_cases
from cmaformer.door import job as jobs
from cmaformer.models.model import load_model, save_model
from cmaformer.network.cmaformer import CMAformer, NetworkConfig
from cmaformer.recipes.recipe import Recipe
from cmaformer.training.work import train

SHORT = Recipe(iterations=2, batch_size=2, patch=32, evaluate_every=0)


@pytest.fixture
def cases(tmp_path):
    return read_cases(write_cases(tmp_path, ["labeled", "held-out", "held-out"]))


def model(folder, names):
    """A base model with structures of these names, which calls every pixel a structure of the first name."""
    data = describe(len(names))
    for entry, name in zip(data["classes"], names):
        entry["name"] = name
    torch.manual_seed(0)
    state = CMAformer(NetworkConfig.from_dict(data["network"])).state_dict()
    state["logits.weight"].zero_()
    state["logits.bias"].zero_()[1] = 5.0
    return save_model(folder, data, state, "# Tiny\n")


def training(tmp_path, cases, base, recipe=SHORT):
    folder = train(cases, tmp_path / "job", "after", base, device="cpu", recipe=recipe)
    report = json.loads((folder.parent / "report.json").read_text())
    return load_model(folder), report, jobs.read_events(tmp_path / "job")


def test_measures_of_held_out_cases_are_in_mm_and_ml(tmp_path, cases):
    from cmaformer.data.slices import SliceStore, prepare
    from cmaformer.door.input_spec import InputSpec
    from cmaformer.training.prediction import DICE, HD95, VOLUME, measures_of_store

    prepare(cases, InputSpec(spacing_mm=(1.5, 1.5)), tmp_path / "slices")
    store = SliceStore(tmp_path / "slices")
    number = store.numbers("held-out")[0]
    labels = store.array(number, "labels")
    slices = iter(range(len(labels)))

    def network(images):  # the truth, but that each structure lies one row further
        planes = np.stack([np.roll(labels[next(slices)], 1, axis=0) for _ in images])
        return torch.nn.functional.one_hot(torch.from_numpy(planes).long(), store.classes).permute(0, 3, 1, 2).float()

    measures = measures_of_store(network, store, [number], 0, torch.device("cpu"))
    assert measures.shape == (1, store.classes - 1, 3)
    assert (measures[..., DICE] > 0.5).all() and (measures[..., DICE] < 1).all()
    assert measures[..., HD95] == pytest.approx(1.5) and measures[..., VOLUME] == pytest.approx(0)

    slices = iter(range(len(labels)))

    def blind(images):
        next(slices)
        return torch.zeros(len(images), store.classes, *images.shape[2:]).index_fill_(1, torch.tensor([0]), 1.0)

    (lost,) = measures_of_store(blind, store, [number], 0, torch.device("cpu"))
    voxel_ml = float(np.prod(store.cases[number].spacing_mm)) / 1000
    expected = [-voxel_ml * np.count_nonzero(labels == value) for value in range(1, store.classes)]
    assert lost[:, VOLUME] == pytest.approx(expected) and np.isnan(lost[:, HD95]).all()

    # Slices of a version that did not say how large their pixels are.
    index = json.loads((tmp_path / "slices" / "index.json").read_text())
    for entry in index["cases"]:
        entry.pop("spacing_mm")
    (tmp_path / "slices" / "index.json").write_text(json.dumps(index))
    (unknown,) = measures_of_store(blind, SliceStore(tmp_path / "slices"), [number], 0, torch.device("cpu"))
    assert (unknown[:, DICE] == 0).all() and np.isnan(unknown[:, [HD95, VOLUME]]).all()


def test_same_classes_are_compared_before_and_after(tmp_path, cases):
    new, report, events = training(tmp_path, cases, model(tmp_path / "base", ["Ring", "disc"]))
    assert report["warm_start"]["left"] == [] and report["warm_start"]["taken"] > 50
    assert report["before"]["classes"] == report["after"]["classes"] == ["ring", "disc"]
    before, after = np.array(report["before"]["dice"]), np.array(report["after"]["dice"])
    kept = report["held_out_hd95_mm"][report["kept"]], report["held_out_volume_error_ml"][report["kept"]]
    assert report["after"]["hd95_mm"] == kept[0] and report["after"]["volume_error_ml"] == kept[1]
    assert before.shape == after.shape == (2, 2)
    # Everything a ring: as good as the ring is large, and no disc at all.
    assert (before[:, 0] > 0.05).all() and (before[:, 1] == 0).all()
    assert new.description.metrics["parent_held_out_dice"]["ring"]["mean"] == pytest.approx(
        before[:, 0].mean(), abs=1e-4
    )
    assert "parent model, mean" in new.card and f"{before[:, 0].mean():.3f}" in new.card
    (values,) = [e["values"]["before"] for e in events if "before" in e.get("values", {})]
    assert values["dice"]["1"] == pytest.approx(before[:, 0].mean()) and values["dice"]["2"] == 0
    assert not {"warm-start", "nothing-to-compare"} & {e.get("code") for e in events}


def test_of_other_classes_those_of_the_same_name_are_compared(tmp_path, cases):
    new, report, events = training(tmp_path, cases, model(tmp_path / "base", ["disc", "liver", "spleen"]))
    assert {name.split(".")[0] for name in report["warm_start"]["left"]} == {"logits", "sdm"}
    assert "logits.weight" in report["warm_start"]["unplaced"]
    (warning,) = [e for e in events if e.get("code") == "warm-start"]
    assert "logits, sdm" in warning["message"]
    assert report["before"]["classes"] == report["after"]["classes"] == ["disc"]
    before = np.array(report["before"]["dice"])
    assert before.shape == (2, 1) and (before > 0.05).all()  # everything a disc
    assert list(new.description.metrics["parent_held_out_dice"]) == ["disc"]


def test_structure_that_no_held_out_case_has_is_no_number(tmp_path):
    path = write_cases(tmp_path, ["labeled", "held-out"])
    labels = sitk.ReadImage(str(tmp_path / "labels1.nrrd"))
    sitk.WriteImage(sitk.Cast(labels > 0, sitk.sitkUInt8), str(tmp_path / "labels1.nrrd"))
    new, report, _ = training(tmp_path, read_cases(path), model(tmp_path / "base", ["ring", "disc"]))
    assert report["before"]["dice"][0][0] > 0 and report["before"]["dice"][0][1] is None
    assert new.description.metrics["parent_held_out_dice"]["disc"] == {"mean": None, "std": None}
    assert "NaN" not in (tmp_path / "job" / "result" / "report.json").read_text()
    assert "| – |" in new.card


def test_unknown_classes_are_said_not_to_be_comparable(tmp_path, cases):
    new, report, events = training(tmp_path, cases, model(tmp_path / "base", ["liver", "spleen"]))
    assert "nothing-to-compare" in {e.get("code") for e in events}
    assert report["before"] is None and "parent_held_out_dice" not in new.description.metrics
    assert not (tmp_path / "job" / "base.pt").exists()


def test_teacher_and_student_are_looked_at(tmp_path, cases):
    _, report, events = training(tmp_path, cases, model(tmp_path / "base", ["ring", "disc"]))
    (look,) = [e for e in events if "student" in e.get("values", {})]
    assert look["phase"] == "supervised" and look["iteration"] == 2 and look["cases"] == 2
    assert set(look["values"]["dice"]) == set(look["values"]["student"]["dice"]) == {"1", "2"}
    assert report["history"][0]["student"]["mean"] == look["values"]["student"]["dice_mean"]
