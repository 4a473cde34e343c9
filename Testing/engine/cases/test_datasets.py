"""Datasets of the Medical Segmentation Decathlon and of nnU-Net: what is read, and what is said of a bad one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trainingdata import phantom, write_volume

from cmaformer.cases.case_list import CasesError
from cmaformer.cases.labels import read_labels
from cmaformer.cases.reading import parse, read_cases
from cmaformer.training.plan import create
from cmaformer.training.work import work

V2: dict[str, Any] = {
    "channel_names": {"0": "MRI"},
    "labels": {"background": 0, "ring": 1, "disc": 2},
    "numTraining": 3,
    "file_ending": ".nii.gz",
}


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def decathlon(folder: Path) -> Path:
    """Three training cases and two test cases, as the archives of the Decathlon hold them, macOS' files included."""
    names = ["disc_001", "disc_003", "disc_010"]
    touch(folder, *(f"{part}/{name}.nii.gz" for part in ("imagesTr", "labelsTr") for name in names))
    touch(folder, *(f"{part}/._{name}.nii.gz" for part in ("imagesTr", "labelsTr") for name in names))
    touch(folder, "imagesTs/disc_002.nii.gz", "imagesTs/disc_004.nii.gz", "imagesTs/._disc_002.nii.gz")
    training = [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in names]
    content = {
        "name": "Disc",
        "tensorImageSize": "3D",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "ring", "2": "disc"},
        "numTraining": 3,
        "numTest": 2,
        "training": training,
        "test": ["./imagesTs/disc_002.nii.gz", "./imagesTs/disc_004.nii.gz", "./imagesTs/._disc_002.nii.gz"],
    }
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def nnunet(folder: Path, **changes: Any) -> Path:
    """Three labeled cases and one without labels of nnU-Net 2."""
    touch(folder, *(f"imagesTr/case_{n}_0000.nii.gz" for n in range(4)))
    touch(folder, *(f"labelsTr/case_{n}.nii.gz" for n in range(3)))
    (folder / "dataset.json").write_text(json.dumps({**V2, **changes}))
    return folder


def roles(path: Path, fold: int | None = None) -> dict[str, str]:
    return {case.name: case.role for case in read_cases(path, fold).cases}


def test_decathlon(tmp_path):
    cases = read_cases(decathlon(tmp_path))
    assert [(s.value, s.name) for s in cases.structures] == [(1, "ring"), (2, "disc")]
    assert cases.label_map is None
    assert {case.name: case.role for case in cases.cases} == {
        **dict.fromkeys(["disc_001", "disc_003", "disc_010"], "labeled"),
        **dict.fromkeys(["disc_002", "disc_004"], "unlabeled"),
    }
    assert cases.cases[0].image == tmp_path / "imagesTr" / "disc_001.nii.gz"
    assert cases.cases[0].labels == tmp_path / "labelsTr" / "disc_001.nii.gz"
    assert [case.patient for case in cases.cases] == [case.name for case in cases.cases]
    assert read_cases(tmp_path / "dataset.json") == cases


def test_decathlon_with_labels_of_the_test_cases_and_further_images(tmp_path):
    decathlon(tmp_path)
    touch(tmp_path, "labelsTs/disc_004.nii.gz", "imagesTr/disc_020.nii.gz")
    touch(tmp_path, "imagesTr/disc_030.nii.gz", "labelsTr/disc_030.nii.gz")
    found = roles(tmp_path)
    assert (found["disc_002"], found["disc_004"], found["disc_020"]) == ("unlabeled", "held-out", "unlabeled")
    assert "disc_030" not in found  # it has labels, and the list leaves it out


def test_nnunet_1_lists_images_without_the_channel_in_their_names(tmp_path):
    decathlon(tmp_path)
    for part in ("imagesTr", "imagesTs"):
        for image in (tmp_path / part).glob("disc*"):
            image.rename(image.with_name(image.name.replace(".nii.gz", "_0000.nii.gz")))
    cases = read_cases(tmp_path)
    assert sorted(case.name for case in cases.cases) == ["disc_001", "disc_002", "disc_003", "disc_004", "disc_010"]
    assert cases.cases[0].image == tmp_path / "imagesTr" / "disc_001_0000.nii.gz"
    assert [case.role for case in cases.cases] == ["labeled"] * 3 + ["unlabeled"] * 2


def test_validation_list(tmp_path):
    content = json.loads((decathlon(tmp_path) / "dataset.json").read_text())
    content["validation"] = [content["training"].pop()]
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    assert roles(tmp_path)["disc_010"] == "held-out"


def test_nnunet_2(tmp_path):
    touch(nnunet(tmp_path), "imagesTs/test_1_0000.nii.gz", "imagesTs/test_2_0000.nii.gz", "labelsTs/test_2.nii.gz")
    touch(tmp_path, "imagesTr/._case_0_0000.nii.gz", "imagesTr/notes.txt")
    cases = read_cases(tmp_path)
    assert [(s.value, s.name) for s in cases.structures] == [(1, "ring"), (2, "disc")]
    assert {case.name: case.role for case in cases.cases} == {
        **dict.fromkeys(["case_0", "case_1", "case_2"], "labeled"),
        **dict.fromkeys(["case_3", "test_1"], "unlabeled"),
        "test_2": "held-out",
    }
    assert cases.cases[1].image == tmp_path / "imagesTr" / "case_1_0000.nii.gz"
    assert cases.cases[1].labels == tmp_path / "labelsTr" / "case_1.nii.gz"


def test_nnunet_2_with_explicit_files(tmp_path, monkeypatch):
    monkeypatch.setenv("ELSEWHERE", str(tmp_path / "elsewhere"))
    touch(tmp_path, "elsewhere/a.nrrd", "elsewhere/b.nrrd", "seg/a.nrrd")
    files = {"a": {"images": ["$ELSEWHERE/a.nrrd"], "label": "seg/a.nrrd"}, "b": {"images": ["elsewhere/b.nrrd"]}}
    (tmp_path / "dataset.json").write_text(json.dumps({**V2, "dataset": files}))
    cases = read_cases(tmp_path)
    assert [(case.name, case.role) for case in cases.cases] == [("a", "labeled"), ("b", "unlabeled")]
    assert cases.cases[0].image == tmp_path / "elsewhere" / "a.nrrd"


@pytest.mark.parametrize("beside", [True, False])
def test_fold(tmp_path, beside):
    folder = tmp_path / "nnUNet_raw" / "Dataset001_Disc"
    touch(nnunet(folder), "imagesTs/test_2_0000.nii.gz", "labelsTs/test_2.nii.gz")
    place = folder if beside else tmp_path / "nnUNet_preprocessed" / "Dataset001_Disc"
    place.mkdir(parents=True, exist_ok=True)
    folds = [{"train": ["case_0", "case_2"], "val": ["case_1"]}, {"train": ["case_1"], "val": ["case_2"]}]
    (place / "splits_final.json").write_text(json.dumps(folds))
    assert roles(folder, 0) == {
        "case_0": "labeled",
        "case_1": "held-out",
        "case_2": "labeled",
        "case_3": "unlabeled",
    }
    other = {case.name: case for case in read_cases(folder, 1).cases}
    assert (other["case_1"].role, other["case_2"].role) == ("labeled", "held-out")
    assert (other["case_0"].role, other["case_0"].labels) == ("unlabeled", None)
    assert roles(folder)["case_1"] == "labeled"
    with pytest.raises(CasesError, match="no fold 2"):
        read_cases(folder, 2)
    folds[0]["val"] = ["another"]
    (place / "splits_final.json").write_text(json.dumps(folds))
    with pytest.raises(CasesError, match="another dataset"):
        read_cases(folder, 0)


def test_folds_are_for_datasets(tmp_path):
    with pytest.raises(CasesError) as caught:
        read_cases(nnunet(tmp_path), 0)
    assert caught.value.code == "no-split"
    (tmp_path / "cases.json").write_text(json.dumps({"classes": {"1": "ring"}, "cases": []}))
    with pytest.raises(CasesError, match="role"):
        read_cases(tmp_path / "cases.json", 0)


@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        ({"channel_names": {"0": "T1", "1": "T2"}}, "several-channels", "T1, T2"),
        ({"channel_names": {"0": "T1", "2": "T2"}}, "bad-cases", "numbered 0, 1"),
        ({"labels": {"background": 0, "whole": [1, 2], "core": 2}}, "regions", "'whole'"),
        ({"labels": {"background": 0, "ring": 1, "ignore": 2}}, "ignore-label", "value 2"),
        ({"labels": {"background": 0, "ring": 1, "disc": 4}}, "label-gap", "1, 4"),
        ({"labels": {"background": 0, "ring": 2}}, "label-gap", "without gaps"),
        ({"labels": {"background": 0}}, "label-gap", "missing"),
        ({"labels": {"background": 0, "ring": 1, "disc": 1}}, "bad-cases", "two labels"),
        ({"labels": {"background": 0, "ring": 1.5}}, "bad-cases", "1.5"),
        ({"labels": None}, "bad-cases", "labels"),
        ({"dataset": {"a": {"label": "a.nii.gz"}}}, "bad-cases", "images"),
        ({"dataset": {"a": {"images": ["a.nii.gz", "b.nii.gz"]}}}, "several-channels", "2 image(s)"),
        ({"file_ending": ".mha"}, "no-labeled-case", "no labeled"),
    ],
)
def test_what_cannot_be_read_is_explained(tmp_path, changes, code, word):
    with pytest.raises(CasesError) as caught:
        read_cases(nnunet(tmp_path, **changes))
    assert caught.value.code == code
    assert word in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_further_channels_in_the_folder(tmp_path):
    touch(nnunet(tmp_path), "imagesTr/case_0_0001.nii.gz")
    with pytest.raises(CasesError, match="names one channel"):
        read_cases(tmp_path)


def test_missing_files_are_all_told(tmp_path):
    decathlon(tmp_path)
    (tmp_path / "labelsTr" / "disc_003.nii.gz").unlink()
    (tmp_path / "imagesTs" / "disc_004.nii.gz").unlink()
    assert [(p.code, p.case) for p in parse(tmp_path).problems] == [("no-labels", 2), ("no-image", 5)]
    with pytest.raises(CasesError, match="disc_003"):
        read_cases(tmp_path)


def test_folders_without_a_dataset(tmp_path):
    with pytest.raises(CasesError, match="no dataset"):
        read_cases(tmp_path)
    (tmp_path / "dataset.json").write_text("[")
    with pytest.raises(CasesError, match="not valid JSON"):
        read_cases(tmp_path)


def test_training_is_prepared_from_a_dataset(tmp_path):
    folder = nnunet(tmp_path / "data")
    for number in range(4):
        image, labels = phantom(number)
        write_volume(folder / f"imagesTr/case_{number}_0000.nii.gz", image)
        if number < 3:
            write_volume(folder / f"labelsTr/case_{number}.nii.gz", labels)
    create(read_cases(folder), tmp_path / "job", "Disc")
    slices = work(tmp_path / "job", "cpu", prepare_only=True)
    index = json.loads((slices / "index.json").read_text())
    assert [entry["role"] for entry in index["cases"]] == ["labeled"] * 3 + ["unlabeled"]
    assert read_cases(tmp_path / "job" / "cases.json").cases[3].name == "case_3"


def test_values_of_label_maps_become_classes(tmp_path):
    image, labels = phantom(0)
    write_volume(tmp_path / "image.nrrd", image)
    values = np.choose(labels, [0, 7, 300]).astype(np.int16)
    values[0, 0, 0] = 5
    write_volume(tmp_path / "labels.nrrd", values)
    content = {"classes": {"1": "ring", "2": "disc"}, "label_map": {"7": 1, "300": 2, "5": 0}}
    content["cases"] = [{"name": "one", "image": "image.nrrd", "labels": "labels.nrrd", "role": "labeled"}]
    (tmp_path / "cases.json").write_text(json.dumps(content))
    cases = read_cases(tmp_path / "cases.json")
    read = read_labels(cases.cases[0], cases).array
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, labels)

    create(cases, tmp_path / "job", "Disc", spacing_mm=(1.5, 1.5))
    assert read_cases(tmp_path / "job" / "cases.json").label_map == {7: 1, 300: 2, 5: 0}
    slices = work(tmp_path / "job", "cpu", prepare_only=True)
    np.testing.assert_array_equal(np.load(slices / "00000.labels.npy"), labels)

    del content["label_map"]["5"]
    (tmp_path / "cases.json").write_text(json.dumps(content))
    cases = read_cases(tmp_path / "cases.json")
    with pytest.raises(CasesError, match="value 5"):
        read_labels(cases.cases[0], cases)
    for wrong in ([1], {"7": 3}, {"x": 1}):
        (tmp_path / "cases.json").write_text(json.dumps({**content, "label_map": wrong}))
        with pytest.raises(CasesError, match="label_map"):
            read_cases(tmp_path / "cases.json")
