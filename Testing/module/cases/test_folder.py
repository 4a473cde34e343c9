"""Which files of a folder are cases, and which label map belongs to which image, by their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from caseexports import case, exported, structures
from trainingnodes import makeVolume

from dicomseries import write_series

LAYOUTS = {
    "LiTS": (
        ["volume-0.nii", "segmentation-0.nii", "volume-10.nii", "segmentation-10.nii"],
        {"volume-0.nii": "segmentation-0.nii", "volume-10.nii": "segmentation-10.nii"},
        [],
    ),
    "channels": (
        ["imagesTr/b_0000.nii.gz", "imagesTr/b_0001.nii.gz", "labelsTr/b.nii.gz"],
        {"b_0000.nii.gz": "b.nii.gz"},
        ["b_0001.nii.gz"],
    ),
    "own results": (
        ["Heart.nrrd", "Heart segmentation.seg.nrrd", "Lung.nrrd"],
        {"Heart.nrrd": "Heart segmentation.seg.nrrd", "Lung.nrrd": None},
        [],
    ),
    "endings": (
        ["images/a.nrrd", "images/b.nrrd", "labels/a_seg.nrrd", "labels/b.seg.nrrd", "labels/c.nrrd"],
        {"a.nrrd": "a_seg.nrrd", "b.nrrd": "b.seg.nrrd"},
        ["c.nrrd"],
    ),
    "BIDS": (["sub-01_T1w.nii.gz", "sub-01_dseg.nii.gz"], {"sub-01_T1w.nii.gz": "sub-01_dseg.nii.gz"}, []),
    "ACDC": (
        [f"patient001/patient001_{end}.nii.gz" for end in ("frame01", "frame01_gt", "4d")],
        {"patient001_frame01.nii.gz": "patient001_frame01_gt.nii.gz"},
        ["patient001_4d.nii.gz"],
    ),
    "a beginning alone": (["label-free.nrrd"], {"label-free.nrrd": None}, []),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_label_maps_find_their_images(module, tmp_path, layout):
    from CMAformerSegmentationLib.cases.folder import casesInFolder

    files, expected, notUsed = LAYOUTS[layout]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    cases = casesInFolder(tmp_path)
    found = {Path(case.image).name: Path(case.labels).name if case.labels else None for case in cases}
    assert (found, cases.notUsed) == (expected, notUsed)
    assert [case.role for case in cases] == ["labeled" if labels else "unlabeled" for labels in found.values()]


def test_frames_belong_to_their_patient(module, tmp_path):
    from CMAformerSegmentationLib.cases.folder import casesInFolder

    for name in ("patient001_frame01.nrrd", "patient001_frame12.nrrd", "patient002_ED.nrrd"):
        (tmp_path / name).touch()
    assert [case.patient for case in casesInFolder(tmp_path)] == ["patient001", "patient001", "patient002"]


def test_dicom_images_are_found_beside_other_files_deep_in_folders_and_once(module, tmp_path):
    from CMAformerSegmentationLib.cases.folder import casesInFolder

    write_series(tmp_path / "a" / "DICOM" / "ST0" / "SE0", [0, 3, 6], "1")
    write_series(tmp_path / "b", [0, 3, 6, 9], "2")
    (tmp_path / "b" / "AUTORUN.INF").write_text("[autorun]\n" * 30)
    write_series(tmp_path / "b" / "000001", [12, 15, 18], "2")  # the series goes on there
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "notes.txt").write_text("nothing")
    cases = casesInFolder(tmp_path)
    assert [(case.name, Path(case.image).name) for case in cases] == [("a", "SE0"), ("b", "b")]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([0, 4, 5], np.int16), "holds 4, 5, which are no structures"),
        (np.array([0, 0.9, 1.8], np.float32), "no whole numbers"),
    ],
    ids=["foreign", "fractions"],
)
def test_values_of_label_map_volumes_that_nobody_named_are_refused(scene, tmp_path, values, words):
    import slicer

    volumeNode, labels = makeVolume("heart")
    matrix = np.diag([1.5, 1.5, 6.0, 1.0])
    labelNode = slicer.util.addVolumeFromArray(values[labels], matrix, "labels", "vtkMRMLLabelMapVolumeNode")
    with pytest.raises(ValueError, match=f"heart: the label map .*{words}"):
        exported(tmp_path / "x", [case(volumeNode, labelNode)], structures("ring", "disc"))
    assert not (tmp_path / "x" / "cases.json").exists()


def test_segments_that_overlap_are_refused(scene, tmp_path):
    import slicer

    volumeNode, labels = makeVolume("heart")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    for name, mask in (("whole", labels > 0), ("disc", labels == 2)):
        segment = node.GetSegmentation().AddEmptySegment(name, name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, segment, volumeNode)
    count = int((labels == 2).sum())
    with pytest.raises(ValueError, match=f"heart: its segments overlap in {count} voxels"):
        exported(tmp_path / "x", [case(volumeNode, node)], structures("whole", "disc"))
    content = exported(tmp_path / "y", [case(volumeNode, node)], structures("disc"))  # the other one is left out
    assert content["classes"]["1"]["name"] == "disc"
