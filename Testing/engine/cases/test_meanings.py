"""What names, values and files mean: segments by name, patients by name, texts from Windows, label maps by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from trainingdata import phantom, write_volume

from cmaformer.cases.case_list import CasesError
from cmaformer.cases.labels import read_labels
from cmaformer.cases.reading import read_cases
from cmaformer.door.patients import patient_of
from cmaformer.preflight.check import check
from cmaformer.segmenting.many import images_of


def write_segmentation(path: Path, labels: np.ndarray, names: dict[int, str]) -> None:
    """A Slicer segmentation of one layer."""
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing((1.5, 1.5, 6.0))
    for number, (value, name) in enumerate(names.items()):
        for key, text in (("ID", name), ("Name", name), ("LabelValue", str(value)), ("Layer", "0")):
            image.SetMetaData(f"Segment{number}_{key}", text)
    sitk.WriteImage(image, str(path))


@pytest.fixture
def segmented(tmp_path):
    """Two cases with the same structures, whose segments have other values and another order."""
    entries = []
    for number, names in enumerate(({1: "ring", 2: "disc"}, {1: "Disc", 2: "ring "})):
        image, labels = phantom(number)
        write_volume(tmp_path / f"{number}.nrrd", image)
        swapped = labels if number == 0 else np.array([0, 2, 1], np.uint8)[labels]
        write_segmentation(tmp_path / f"{number}.seg.nrrd", swapped, names)
        entries.append({"name": f"p{number}", "image": f"{number}.nrrd", "labels": f"{number}.seg.nrrd"})
    (tmp_path / "cases.json").write_text(json.dumps({"classes": {"1": "ring", "2": "disc"}, "cases": entries}))
    return tmp_path


def test_segments_are_known_by_their_names(segmented):
    cases = read_cases(segmented / "cases.json")
    for number, case in enumerate(cases.cases):
        np.testing.assert_array_equal(read_labels(case, cases).array, phantom(number)[1])
    report = check(segmented / "cases.json")
    assert [finding.severity for finding in report.findings if finding.severity == "error"] == []
    counted = [facts.voxels for facts in report.cases]
    assert counted == [{v: int((phantom(n)[1] == v).sum()) for v in (1, 2)} for n in range(2)]


def test_a_segment_that_is_no_class_among_others_is_refused(segmented):
    write_segmentation(segmented / "1.seg.nrrd", phantom(1)[1], {1: "ring", 2: "something"})
    cases = read_cases(segmented / "cases.json")
    with pytest.raises(CasesError, match="segment 'something' is no class") as caught:
        read_labels(cases.cases[1], cases)
    assert caught.value.code == "unknown-segment"
    assert [f.code for f in check(segmented / "cases.json").findings if f.severity == "error"] == ["unknown-segment"]


def test_segments_without_such_names_count_by_value(segmented):
    write_segmentation(segmented / "1.seg.nrrd", phantom(1)[1], {1: "Segment_1", 2: "Segment_2"})
    cases = read_cases(segmented / "cases.json")
    np.testing.assert_array_equal(read_labels(cases.cases[1], cases).array, phantom(1)[1])


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("patient001_frame01", "patient001"),
        ("patient001_ED", "patient001"),
        ("P7_ses-2_run-1", "P7"),
        ("sub-02_ses-1_T1w", "sub-02"),
        ("case 3 phase 10", "case 3"),
        ("knee_t2", "knee"),
        ("hippocampus_001", "hippocampus_001"),
        ("img0005", "img0005"),
        ("red", "red"),
        ("timed", "timed"),
        ("_ED", "_ED"),
    ],
)
def test_the_patient_of_a_name(name, patient):
    assert patient_of(name) == patient


def test_frames_of_a_patient_are_never_on_both_sides(tmp_path):
    entries = []
    for number, (frame, role) in enumerate((("ED", "labeled"), ("ES", "held-out"))):
        image, labels = phantom(number)
        write_volume(tmp_path / f"{number}.nrrd", image)
        write_volume(tmp_path / f"{number}-l.nrrd", labels)
        files = {"image": f"{number}.nrrd", "labels": f"{number}-l.nrrd"}
        entries.append({"name": f"heart1_{frame}", "role": role, **files})
    content = {"classes": {"1": "ring", "2": "disc"}, "cases": entries}
    (tmp_path / "cases.json").write_text(json.dumps(content))
    with pytest.raises(CasesError, match="another image of the same patient is held out"):
        read_cases(tmp_path / "cases.json")
    entries[0]["patient"], entries[1]["patient"] = "a", "b"  # the list knows better
    (tmp_path / "cases.json").write_text(json.dumps(content))
    assert [case.patient for case in read_cases(tmp_path / "cases.json").cases] == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_from_windows_are_read(tmp_path, encoding):
    image, labels = phantom(0)
    (tmp_path / "data").mkdir()
    write_volume(tmp_path / "data" / "0.nrrd", image)
    write_volume(tmp_path / "data" / "0-l.nrrd", labels)
    entry = {"name": "Löwe", "image": "data\\0.nrrd", "labels": "data\\0-l.nrrd"}
    text = json.dumps({"classes": {"1": "ring", "2": "disc"}, "cases": [entry]}, ensure_ascii=False)
    (tmp_path / "cases.json").write_bytes(text.encode(encoding))
    (case,) = read_cases(tmp_path / "cases.json").cases
    assert case.name == "Löwe" and case.image.is_file() and case.labels.is_file()


def test_a_label_map_of_a_dataset_may_have_another_ending(tmp_path):
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
    for number, ending in enumerate((".nrrd", ".seg.nrrd", ".nii.gz")):
        image, labels = phantom(number)
        write_volume(tmp_path / "imagesTr" / f"c{number}_0000.nrrd", image)
        write_volume(tmp_path / "labelsTr" / f"c{number}{ending}", labels)
    about = {"channel_names": {"0": "MR"}, "labels": {"background": 0, "ring": 1, "disc": 2}, "file_ending": ".nrrd"}
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    assert [case.role for case in read_cases(tmp_path).cases] == ["labeled"] * 3
    write_volume(tmp_path / "labelsTr" / "c2.mha", phantom(2)[1])
    with pytest.raises(CasesError, match=r"several label maps of one image: c2\.nii\.gz, c2\.mha"):
        read_cases(tmp_path)


def test_label_maps_of_a_folder_are_no_images(tmp_path):
    names = ["a.nrrd", "a.seg.nrrd", "b.nii.gz", "b_gt.nii.gz", "c.nrrd", "c segmentation.seg.nrrd", "d-label.nrrd"]
    for name in [*names, "a-labels.nrrd"]:
        (tmp_path / name).touch()
    found = [path.name for path in images_of([tmp_path])]
    assert found == ["a.nrrd", "b.nii.gz", "c.nrrd", "d-label.nrrd"]  # the last belongs to nothing there
    assert [path.name for path in images_of([tmp_path / "a.seg.nrrd"])] == ["a.seg.nrrd"]  # named by the user
