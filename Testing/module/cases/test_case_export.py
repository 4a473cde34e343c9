"""Cases of the scene become files for the engine: every label on the voxel where it lies in the scene."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from caseexports import case, exported, structures
from trainingnodes import makeSegmentation, makeVolume


def oblique() -> np.ndarray:
    """Rotated, flipped and anisotropic."""
    angle = np.deg2rad(25)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([[cos, 0, sin], [0, -1, 0], [-sin, 0, cos]]) * (1.5, 1.25, 6.0)
    matrix[:3, 3] = (12.5, -40.0, 7.25)
    return matrix


@pytest.mark.parametrize("matrix", [None, oblique()], ids=["plain", "oblique"])
def test_labels_lie_on_the_grid_of_the_image(scene, tmp_path, matrix):
    volumeNode, labels = makeVolume(matrix=matrix)
    content = exported(
        tmp_path / "x", [case(volumeNode, makeSegmentation(volumeNode, labels))], structures("ring", "disc")
    )
    image = sitk.ReadImage(str(tmp_path / "x" / content["cases"][0]["image"]))
    found = sitk.ReadImage(str(tmp_path / "x" / content["cases"][0]["labels"]))
    assert np.array_equal(sitk.GetArrayFromImage(found), labels)
    for one, other in zip(
        (image.GetSpacing(), image.GetOrigin(), image.GetDirection()),
        (found.GetSpacing(), found.GetOrigin(), found.GetDirection()),
        strict=True,
    ):
        assert one == other
    import slicer

    assert np.array_equal(sitk.GetArrayFromImage(image), slicer.util.arrayFromVolume(volumeNode))


def test_a_segmentation_on_another_grid_and_under_a_transform_lands_where_it_is_seen(scene, tmp_path):
    import slicer
    import vtk

    volumeNode, _labels = makeVolume(matrix=oblique())
    # A block in world coordinates, drawn on a finer, unrotated grid that is under a translation of its own.
    fineNode = slicer.util.addVolumeFromArray(
        np.zeros((60, 90, 90), np.uint8),
        np.array([[1.0, 0, 0, -20], [0, 1.0, 0, -95], [0, 0, 1.0, -20], [0, 0, 0, 1]]),
        "fine",
    )
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    toParent = vtk.vtkMatrix4x4()
    toParent.SetElement(0, 3, 4.0)
    transform.SetMatrixTransformToParent(toParent)
    fineNode.SetAndObserveTransformNodeID(transform.GetID())
    block = np.zeros((60, 90, 90), np.uint8)
    block[15:45, 30:70, 25:75] = 1
    segmentationNode = makeSegmentation(fineNode, block, names=("block",))
    segmentationNode.SetAndObserveTransformNodeID(transform.GetID())

    content = exported(tmp_path / "x", [case(volumeNode, segmentationNode)], structures("block"))
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "x" / content["cases"][0]["labels"])))

    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    ijk = np.indices(found.shape)[::-1].reshape(3, -1)
    ras = (slicer.util.arrayFromVTKMatrix(matrix) @ np.vstack([ijk, np.ones(ijk.shape[1])]))[:3]
    index = np.rint(ras - np.array([[-20 + 4.0], [-95], [-20]])).astype(int)
    inside = np.all((index >= 0) & (index < np.array([[90], [90], [60]])), axis=0)
    expected = np.zeros(ijk.shape[1], np.uint8)
    expected[inside] = block[index[2, inside], index[1, inside], index[0, inside]]
    assert expected.sum() > 500
    assert np.array_equal(found.ravel(), expected)


def test_segments_are_found_by_name_then_by_terminology_and_others_are_left_out(scene, tmp_path):
    volumeNode, labels = makeVolume()
    labels[0, :4, :4] = 3
    node = makeSegmentation(volumeNode, labels, names=("Ring ", "Scheibe", "something else"))
    import slicer

    tag = slicer.vtkSegment.GetTerminologyEntryTagName()
    liver = "Segmentation category and type~SCT^123037004^Anatomical Structure~SCT^10200004^Liver~^^~a~^^~^^"
    node.GetSegmentation().GetSegment("Scheibe").SetTag(tag, liver)
    from CMAformerSegmentationLib.models.catalog import StructureClass

    wanted = [
        StructureClass(1, "liver", (1, 0, 0), type=("SCT", "10200004", "Liver")),
        StructureClass(2, "ring", (1, 0, 0)),
    ]
    content = exported(tmp_path / "x", [case(volumeNode, node)], wanted)
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "x" / content["cases"][0]["labels"])))
    assert np.array_equal(found, np.choose(labels, [0, 2, 1, 0]))
    assert content["classes"]["1"]["terminology"]["type"] == ["SCT", "10200004", "Liver"]


def test_label_map_volumes_files_and_equal_names(scene, tmp_path):
    import slicer

    volumeNode, labels = makeVolume("same")
    labelNode = slicer.util.addVolumeFromArray(
        labels, np.diag([1.5, 1.5, 6.0, 1.0]), "labels", "vtkMRMLLabelMapVolumeNode"
    )
    other, _ = makeVolume("same", seed=1)
    file = tmp_path / "image.nrrd"
    file.touch()
    cases = [case(volumeNode, labelNode), case(other, role="unlabeled"), case(str(file), role="unlabeled")]
    content = exported(tmp_path / "x", cases, structures("ring", "disc"))
    assert [entry["name"] for entry in content["cases"]] == ["same", "same (2)", "image.nrrd"]
    assert [entry["role"] for entry in content["cases"]] == ["labeled", "unlabeled", "unlabeled"]
    assert content["cases"][2]["image"] == str(file.resolve()) and content["cases"][1]["labels"] is None
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "x" / "0001-labels.mha")))
    assert np.array_equal(found, labels)


def test_a_case_that_is_removed_meanwhile_is_named(scene, tmp_path):
    from CMAformerSegmentationLib.cases.export import CaseExport

    volumeNode, _labels = makeVolume("gone")
    export = CaseExport([case(volumeNode, role="unlabeled")], structures("ring"), tmp_path)
    scene.RemoveNode(volumeNode)
    export.poll()
    assert "gone" in str(export.error) and not export.done and not (tmp_path / "cases.json").exists()


def test_a_full_disk_is_told(scene, tmp_path, monkeypatch):
    from CMAformerSegmentationLib.cases import export as caseExport

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caseExport, "writeMetaImage", full)
    volumeNode, _labels = makeVolume()
    with pytest.raises(OSError, match="No space left"):
        exported(tmp_path / "x", [case(volumeNode, role="unlabeled")], structures("ring"))
    assert not (tmp_path / "x" / "cases.json").exists()


def test_what_is_learnt_keeps_the_base_and_adds_further_segments(scene, models):
    from CMAformerSegmentationLib.cases.structures import structuresToLearn
    from CMAformerSegmentationLib.models.catalog import findModels

    base = findModels([models]).entries[0]
    volumeNode, labels = makeVolume()
    labeled = case(volumeNode, makeSegmentation(volumeNode, labels, names=("Left Ventricle", "scar")))
    found = structuresToLearn([labeled], base)
    assert [(s.value, s.name) for s in found] == [(1, "left ventricle"), (2, "scar")]
    assert found[0].color == next(s.color for s in base.structures if s.name == "left ventricle")
    assert [s.name for s in structuresToLearn([labeled])] == ["Left Ventricle", "scar"]
    chosen = structuresToLearn([labeled], base, ["scar"])
    assert [(s.value, s.name) for s in chosen] == [(1, "scar")]
    with pytest.raises(ValueError, match="values of the label maps"):
        structuresToLearn([case("a.nrrd", "b.nrrd")])
    assert structuresToLearn([case("a.nrrd", "b.nrrd")], base) == base.structures


def test_the_user_says_which_structure_a_segment_is(scene, models, tmp_path):
    from CMAformerSegmentationLib.cases.structures import foundSegments, structuresToLearn
    from CMAformerSegmentationLib.models.catalog import findModels

    base = findModels([models]).entries[0]
    volumeNode, labels = makeVolume()
    labeled = case(volumeNode, makeSegmentation(volumeNode, labels, names=("Wall", "Blood")))
    assert [(s.name, s.cases) for s in foundSegments([labeled, labeled])] == [("Wall", 2), ("Blood", 2)]
    mapping = {"wall": "myocardium", "blood": ""}
    learned = structuresToLearn([labeled], base, mapping=mapping)
    assert [(s.value, s.name) for s in learned] == [(1, "myocardium")]
    assert learned[0].color == next(s.color for s in base.structures if s.name == "myocardium")
    both = {"wall": "left ventricle", "blood": "left ventricle"}
    for number, (said, expected) in enumerate(((mapping, labels == 1), (both, labels > 0))):
        folder = tmp_path / str(number)
        exported(folder, [labeled], structuresToLearn([labeled], base, mapping=said), said)
        written = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "0001-labels.mha")))
        assert np.array_equal(written, expected.astype(np.uint8))
