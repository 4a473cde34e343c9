"""The paper's two tasks and ACDC, on tiny folders in the layouts in which their data are handed out."""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from taskdata import NUMBERS, acdc, lits, scan, synapse
from trainingdata import write_volume

from cmaformer.__main__ import main
from cmaformer.cases.case_list import CasesError
from cmaformer.cases.labels import read_labels
from cmaformer.cases.split import keep_labels
from cmaformer.cases.tasks import ACDC, LITS, SYNAPSE, TASKS
from cmaformer.commands.case_arguments import apply_task
from cmaformer.commands.train import add_arguments
from cmaformer.door.description import Description
from cmaformer.recipes.recipe import Recipe
from cmaformer.training.plan import create
from cmaformer.training.work import work

BTCV = [
    *("background", "spleen", "right kidney", "left kidney", "gallbladder", "esophagus", "liver", "stomach", "aorta"),
    *("inferior vena cava", "portal and splenic veins", "pancreas", "right adrenal gland", "left adrenal gland"),
]
KEPT = {"spleen", "right kidney", "left kidney", "gallbladder", "liver", "stomach", "aorta", "pancreas"}


def test_synapse_roles_are_those_of_the_published_split(tmp_path):
    cases = SYNAPSE.read(synapse(tmp_path))
    held_out = [case.name for case in cases.with_role("held-out")]
    assert held_out == [f"img{number:04d}" for number in (1, 2, 3, 4, 8, 22, 25, 29, 32, 35, 36, 38)]
    training = [case.name for case in cases.with_role("labeled")]
    assert len(training) == 18 and training[:3] == ["img0005", "img0006", "img0007"]
    assert len(cases.cases) == 30  # the challenge's own test images have no labels and are nobody's training data
    assert cases.cases[0].labels == tmp_path / "RawData" / "Training" / "label" / "label0001.nii.gz"
    assert SYNAPSE.read(tmp_path / "RawData" / "Training") == cases


def test_without_any_test_case_four_training_cases_are_held_out(tmp_path):
    """As in copies that hold the training cases alone; a part of the test cases is no such copy."""
    folder = synapse(tmp_path)
    for number in SYNAPSE.held_out - {1}:
        for path in folder.rglob(f"*{number:04d}.nii.gz"):
            path.unlink()
    with pytest.raises(CasesError, match="11 of the 30"):
        SYNAPSE.read(folder)
    for path in folder.rglob("*0001.nii.gz"):
        path.unlink()
    cases = SYNAPSE.read(folder)
    assert [case.name for case in cases.with_role("held-out")] == ["img0005", "img0021", "img0030", "img0039"]
    assert len(cases.with_role("labeled")) == 14 and len(cases.cases) == 18


def test_synapse_labels_become_the_eight_organs(tmp_path):
    cases = SYNAPSE.read(synapse(tmp_path, filled=(1,)))
    source, labels = scan(np.arange(14))[1], read_labels(cases.cases[0], cases).array
    names = {0: "background", **{s.value: s.name for s in cases.structures}}
    for value, organ in enumerate(BTCV):
        found = np.unique(labels[source == value])
        assert len(found) == 1
        assert names[int(found[0])] == (organ if organ in KEPT else "background")
    assert [s.name for s in cases.structures] == [
        *("aorta", "gallbladder", "left kidney", "right kidney", "liver", "pancreas", "spleen", "stomach")
    ]


def test_lits_roles_and_layouts(tmp_path):
    cases = LITS.read(lits(tmp_path / "batches"))
    assert [case.name for case in cases.with_role("labeled")] == [f"volume-{n}" for n in range(105)]
    assert [case.name for case in cases.with_role("held-out")] == [f"volume-{n}" for n in range(105, 131)]
    flat = tmp_path / "flat"
    flat.mkdir()
    for number in range(131):
        (flat / f"volume-{number}.nii.gz").touch()
        (flat / f"segmentation-{number}.nii.gz").touch()
    (flat / "test-volume-0.nii").touch()
    (flat / "._volume-0.nii.gz").touch()
    assert [(c.name, c.role) for c in LITS.read(flat).cases] == [(c.name, c.role) for c in cases.cases]


def test_acdc_as_distributed_has_two_frames_a_patient(tmp_path, capsys):
    """Whole cines, texts and the challenge's own test patients are left alone; both frames have the patient's role."""
    folder = acdc(tmp_path / "ACDC", filled=(3, 4, 7, 2))
    cases = ACDC.read(folder)
    assert len(cases.with_role("labeled")) == 140 and len(cases.with_role("held-out")) == 40
    assert [case.name for case in cases.cases[:2]] == ["patient001_frame01", "patient001_frame12"]
    assert {case.patient for case in cases.with_role("held-out")} >= {"1", "93"} and cases.cases[0].role == "held-out"
    assert not any(case.patient == "2" for case in cases.cases)  # of the validation
    (folder / "training" / "patient003" / "copy" / "patient003_frame01.nii").mkdir(parents=True)  # a folder, no image
    assert len(ACDC.read(folder).cases) == 180
    for number in ACDC.held_out:
        shutil.rmtree(folder / "training" / f"patient{number:03d}")
    cases = ACDC.read(folder)
    assert len(cases.with_role("labeled")) == 140 and {case.patient for case in cases.with_role("held-out")} >= {"2"}
    (folder / "training" / "patient004" / "patient004_frame12_gt.nii.gz").unlink()
    with pytest.raises(CasesError, match=r"1 of the 80 cases .* no label map: number 4.*patient001_frame01_gt.nii.gz"):
        ACDC.read(folder)


def test_a_training_on_acdc_has_its_grid_from_the_images(tmp_path):
    folder = acdc(tmp_path / "ACDC", filled=tuple(range(1, 101)))
    words = ["train", "--task", "acdc", "--cases", str(folder), "--name", "Hearts", "--job", str(tmp_path / "job")]
    assert main([*words, "--labeled", "3", "--prepare-only", "--iterations", "2"]) == 0
    parameters = json.loads((tmp_path / "job" / "job.json").read_text())["parameters"]
    source = parameters["description"]["input"]
    assert (source["slicing"], source["spacing_mm"]) == ("oriented", [1.5, 1.5])
    assert source["normalization"]["type"] == "percentile" and parameters["recipe"]["patch"] < 192
    listed = json.loads((tmp_path / "job" / "cases.json").read_text())["cases"]
    labeled = [case["name"] for case in listed if case["role"] == "labeled"]
    assert labeled == [f"patient00{n}_frame{f}" for n in (3, 4, 5) for f in ("01", "12")]
    assert sum(case["role"] == "unlabeled" for case in listed) == 134


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_structures_have_terminology_and_colors(task):
    assert [s.value for s in task.structures] == list(range(1, len(task.structures) + 1))
    codes = []
    for structure in task.structures:
        terminology = structure.terminology
        assert terminology["category"][1] == ("49755003" if "tumor" in structure.name else "123037004")
        assert terminology["category"][0] == terminology["type"][0] == "SCT"
        assert all(len(terminology[key]) == 3 and all(terminology[key]) for key in ("category", "type"))
        assert ("kidney" in structure.name) == (terminology["modifier"] is not None)
        if terminology["modifier"]:
            assert terminology["modifier"][2].lower() == structure.name.split()[0]
        codes.append(json.dumps(terminology))
    assert len(set(codes)) == len(codes)
    assert not task.training & task.held_out


@pytest.mark.parametrize("task", [SYNAPSE, LITS], ids=["synapse", "lits"])
def test_left_and_right_are_never_mirrored(task):
    recipe = task.recipe(Recipe(iterations=7))
    assert (recipe.augmentation.flip, recipe.augmentation.right_angle, recipe.iterations) == (0, 0, 7)
    assert (recipe.patch, recipe.whole) == ((256, True) if task is SYNAPSE else (192, False))


@pytest.mark.parametrize(
    ("task", "window", "low", "high"),
    [(SYNAPSE, (-125, 275), -1.0, (130 - 75) / 200), (LITS, (-150, 250), -1.0, (20 - 50) / 200)],
    ids=["synapse", "lits"],
)
def test_training_is_prepared_with_the_window_and_the_classes(tmp_path, task, window, low, high):
    numbers = (1, 5) if task is SYNAPSE else (0, 130)
    cases = task.read((synapse if task is SYNAPSE else lits)(tmp_path / "data", filled=numbers))
    chosen = [case for case in cases.cases if case.image.stat().st_size]
    assert sorted(case.role for case in chosen) == ["held-out", "labeled"]
    cases = replace(cases, cases=tuple(chosen))
    create(cases, tmp_path / "job", task.title, normalization=dict(task.normalization), slicing=task.slicing)
    slices = work(tmp_path / "job", "cpu", prepare_only=True)
    description = json.loads((tmp_path / "job" / "job.json").read_text())["parameters"]["description"]
    assert description["input"]["normalization"] == {"type": "window", "low": window[0], "high": window[1]}
    checked = Description.from_dict(
        {**description, "schema": 1, "weights_sha256": "0" * 64, "training": {}, "metrics": {}}
    )
    assert checked.classes == task.structures
    image = np.load(slices / "00000.images.npy").astype(float)
    assert image.min() == low
    assert image.max() == pytest.approx(high, abs=1e-3)
    labels = np.load(slices / "00000.labels.npy")
    assert np.unique(labels).tolist() == list(range(len(task.structures) + 1))


def test_incomplete_and_doubled_data_are_refused(tmp_path):
    folder = synapse(tmp_path)
    extra = folder / "copy" / "img0001.nii.gz"
    extra.parent.mkdir()
    extra.touch()
    with pytest.raises(CasesError, match="two files img0001"):
        SYNAPSE.read(folder)
    extra.unlink()
    (folder / "RawData" / "Training" / "label" / "label0040.nii.gz").unlink()
    with pytest.raises(CasesError, match=r"1 of the 30 .* no label map: number 40.* label0001\.nii\.gz") as caught:
        SYNAPSE.read(folder)
    assert caught.value.code == "incomplete-dataset"
    with pytest.raises(CasesError, match=r"131 of the 131 .* no image"):
        LITS.read(folder)
    with pytest.raises(CasesError, match="no such folder"):
        LITS.read(folder / "nowhere")


def test_keeping_the_labels_of_a_few_patients(tmp_path):
    cases = SYNAPSE.read(synapse(tmp_path))
    few = keep_labels(cases, 3)
    assert [case.name for case in few.with_role("labeled")] == ["img0005", "img0006", "img0007"]
    assert len(few.with_role("unlabeled")) == 15
    assert all(case.labels is None for case in few.with_role("unlabeled"))
    assert few.with_role("held-out") == cases.with_role("held-out")
    assert few.label_map == cases.label_map
    assert keep_labels(cases, 18) == cases
    twice = replace(cases, cases=tuple(replace(case, patient=f"p{i // 2}") for i, case in enumerate(cases.cases)))
    assert {case.patient for case in keep_labels(twice, 2).with_role("labeled")} == {"p2", "p3"}
    for wrong in (0, 19):
        with pytest.raises(CasesError, match="18 labeled"):
            keep_labels(cases, wrong)


def test_command_trains_and_evaluates_on_synapse(tmp_path, capsys):
    folder = synapse(tmp_path / "data", filled=tuple(NUMBERS))
    command = ["train", "--task", "synapse", "--cases", str(folder), "--labeled", "2", "--prepare-only"]
    assert main([*command, "--job", str(tmp_path / "job"), "--name", "Organs"]) == 0
    parameters = json.loads((tmp_path / "job" / "job.json").read_text())["parameters"]
    about = parameters["description"]
    assert about["input"]["spacing_mm"] == [1.5, 1.5] and about["input"]["slicing"] == "axial"
    assert about["input"]["normalization"] == {"type": "window", "low": -125, "high": 275}
    assert (about["modality"], about["task"], about["title"]) == ("CT", "abdominal organs", SYNAPSE.title)
    assert (parameters["recipe"]["augmentation"]["flip"], parameters["recipe"]["augmentation"]["right_angle"]) == (0, 0)
    assert parameters["recipe"]["whole"] and parameters["network"]["layout"] == "pyramid"
    index = json.loads((tmp_path / "job" / "slices" / "index.json").read_text())
    roles = [case["role"] for case in index["cases"]]
    assert [roles.count(role) for role in ("labeled", "unlabeled", "held-out")] == [2, 16, 12]

    cases = SYNAPSE.read(folder)
    for case in cases.with_role("held-out"):
        write_volume(tmp_path / f"{case.name}.nii.gz", read_labels(case, cases).array, (0.8, 0.8, 3))
    capsys.readouterr()
    command = ["evaluate", "--task", "synapse", "--cases", str(folder), "--predictions", str(tmp_path), "--json"]
    assert main(command) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["cases"]) == 12 * 8
    assert {row["dice"] for row in result["cases"]} == {1.0}
    assert {row["structure"] for row in result["cases"]} == {s.name for s in SYNAPSE.structures}


def test_arguments_change_what_the_task_says():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    command = ["--task", "synapse", "--cases", ".", "--window", "-100", "200", "--title", "Mine"]
    args = parser.parse_args(command)
    assert apply_task(args) is SYNAPSE
    assert (args.window, args.title) == ([-100, 200], "Mine")
    assert (args.spacing, args.slicing, args.finds) == ([1.5, 1.5], "axial", "abdominal organs")
    args = parser.parse_args([*command, "--base", "liver-1.0.0"])
    assert apply_task(args) is SYNAPSE and args.slicing is None
    args = parser.parse_args(["--finds", "two structures", "--cases", "."])
    assert apply_task(args) is None
    assert (args.window, args.spacing, args.slicing, args.finds) == (None, None, None, "two structures")


def test_check_tells_of_incomplete_data(tmp_path, capsys):
    folder = lits(tmp_path)
    next(folder.rglob("segmentation-77.nii")).unlink()
    assert main(["check", "--task", "lits", "--cases", str(folder), "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert [finding["code"] for finding in findings] == ["incomplete-dataset"]
    assert main(["check", "--task", "lits", "--fold", "0", "--cases", str(folder), "--json"]) == 1
    assert "folds" in capsys.readouterr().out


def test_liver_is_compared_with_its_tumors(tmp_path, capsys):
    numbers = tuple(range(105, 131))
    cases = LITS.read(lits(tmp_path / "data", filled=numbers))
    for case in cases.with_role("held-out"):
        labels = read_labels(case, cases).array
        write_volume(tmp_path / f"{case.name}.nii.gz", np.minimum(labels, 1), (0.8, 0.8, 3))  # every tumor called liver
    command = ["evaluate", "--task", "lits", "--cases", str(tmp_path / "data"), "--predictions", str(tmp_path)]
    assert main([*command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["cases"]
    assert [(row["structure"], row["dice"]) for row in rows[:2]] == [("liver and liver tumor", 1), ("liver tumor", 0)]
    assert len(rows) == 26 * 2
