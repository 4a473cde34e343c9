"""A result as files that other programs read, and as DICOM through Slicer's own export."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from exports import SUFFIXES, choose, itkImage
from panels import apply, finishJob, status

import standin


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_label_map(result, tmp_path, suffix):
    import slicer

    panel, volumeNode, segmentationNode, labels = result
    segmentation = segmentationNode.GetSegmentation()
    segmentationNode.GetSegmentation().AddEmptySegment("", "My lesion")
    corrected = segmentation.GetSegmentIdBySegmentName("myocardium")
    array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, corrected, volumeNode)
    array[2, :10, 60:] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, segmentationNode, corrected, volumeNode)
    labels[2, :10, 60:] = 2
    path = tmp_path / f"heart{suffix}"
    standin.answer("getSaveFileName", str(path))
    choose(panel, "Label map")
    name, arguments = standin.asked()[-1]
    assert name == "getSaveFileName" and "Heart_ 1_2 segmentation.nrrd" in arguments
    found = sitk.ReadImage(str(path))
    assert (sitk.GetArrayFromImage(found) == labels).all()
    expected = itkImage(volumeNode)
    np.testing.assert_allclose(found.GetOrigin(), expected.GetOrigin(), rtol=1e-6)
    np.testing.assert_allclose(found.GetDirection(), expected.GetDirection(), atol=1e-6)
    assert status(panel) == f"Exported to heart{suffix}. Not in it, as they are not of the model: My lesion."
    assert panel.ui.exportButton.enabled


def test_structures_that_overlap_are_told(result, tmp_path):
    import slicer

    panel, volumeNode, segmentationNode, labels = result
    segmentation = segmentationNode.GetSegmentation()
    segmentId = segmentation.GetSegmentIdBySegmentName("left ventricle")
    segmentation.SeparateSegmentLabelmap(segmentId)
    slicer.util.updateSegmentBinaryLabelmapFromArray(np.ones_like(labels), segmentationNode, segmentId, volumeNode)
    standin.answer("getSaveFileName", str(tmp_path / "a.nrrd"))
    choose(panel, "Label map")
    assert status(panel) == "Exported to a.nrrd. Where structures overlap, it has only one of them."


def test_names_of_label_maps(result, tmp_path):
    panel, *_others = result
    standin.answer("getSaveFileName", str(tmp_path / "v1.2"))
    choose(panel, "Label map")
    assert (tmp_path / "v1.2.nrrd").exists() and status(panel) == "Exported to v1.2.nrrd."
    standin.answer("getSaveFileName", str(tmp_path / "v1.2"))
    choose(panel, "Label map")
    assert status(panel) == "v1.2.nrrd is there already. Choose another name."
    standin.answer("getSaveFileName", str(tmp_path / "a.dcm"))
    choose(panel, "Label map")
    assert "Choose a name that ends in .nrrd" in status(panel)
    standin.answer("getSaveFileName", "")
    choose(panel, "Label map")
    standin.answer("getSaveFileName", str(tmp_path / "missing" / "a.nrrd"))
    choose(panel, "Label map")
    assert status(panel) == "a.nrrd cannot be written (No such file or directory). Choose another folder."
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["v1.2.nrrd"]


def triangles(path: Path) -> np.ndarray:
    """(n, 3, 3) of a binary STL file."""
    data = path.read_bytes()
    count = int(np.frombuffer(data, "<u4", 1, 80)[0])
    record = np.dtype([("normal", "<f4", 3), ("points", "<f4", (3, 3)), ("attribute", "<u2")])
    assert len(data) == 84 + count * record.itemsize
    return np.frombuffer(data, record, count, 84)["points"]


def test_surfaces(result, tmp_path):
    """Each lies where its voxels are in the patient, in LPS."""
    import slicer

    panel, volumeNode, segmentationNode, labels = result
    segmentationNode.GetSegmentation().AddEmptySegment("", "My lesion")
    standin.answer("getExistingDirectory", str(tmp_path))
    choose(panel, "Surfaces")
    assert status(panel) == f"Exported 3 surfaces to {tmp_path.name}."
    names = ("left ventricle", "myocardium", "right ventricle")
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"Heart_ 1_2 segmentation_{name}.stl" for name in names]
    assert not segmentationNode.GetSegmentation().ContainsRepresentation("Closed surface")
    toLps = slicer.util.arrayFromVTKMatrix(volumeNode.GetParentTransformNode().GetMatrixTransformToParent())
    matrix = np.diag([-1.0, -1.0, 1.0, 1.0]) @ toLps
    image = itkImage(volumeNode)
    for value, name in ((1, "right ventricle"), (2, "myocardium"), (3, "left ventricle")):
        points = triangles(tmp_path / f"Heart_ 1_2 segmentation_{name}.stl")
        assert len(points) > 20
        k, j, i = np.nonzero(labels == value)
        lps = [image.TransformIndexToPhysicalPoint([int(v) for v in index]) for index in zip(i[::37], j[::37], k[::37])]
        ras = np.array(lps) * [-1, -1, 1]
        center = (matrix @ [*ras.mean(axis=0), 1.0])[:3]
        np.testing.assert_allclose(points.reshape(-1, 3).mean(axis=0), center, atol=3.0)


def test_surfaces_that_cannot_be_written(result, tmp_path):
    panel, _volumeNode, segmentationNode, _labels = result
    standin.answer("getExistingDirectory", str(tmp_path / "missing"))
    choose(panel, "Surfaces")
    assert "missing cannot be written" in status(panel)
    segmentation = segmentationNode.GetSegmentation()
    segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName("myocardium")).SetName("a/b")
    standin.answer("getExistingDirectory", str(tmp_path))
    choose(panel, "Surfaces")
    assert status(panel) == "The surface of a/b cannot be written to the folder."
    assert [p.name for p in tmp_path.iterdir()] == ["Heart_ 1_2 segmentation_right ventricle.stl"]
    for segmentId in segmentation.GetSegmentIDs():
        segmentation.RemoveSegment(segmentId)
    standin.answer("getExistingDirectory", str(tmp_path))
    choose(panel, "Surfaces")
    assert status(panel) == "There is nothing to export: all structures are empty."


def test_table(result, tmp_path):
    panel, _volumeNode, _segmentationNode, labels = result
    standin.answer("getSaveFileName", str(tmp_path / "numbers"))
    choose(panel, "Table")
    assert status(panel) == "Exported to numbers.csv."
    with open(tmp_path / "numbers.csv", newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["Structure", "Volume (ml)", "Voxels", "Mean intensity"]
    assert [(row[0], row[2]) for row in rows[1:]] == [
        (name, str((labels == value).sum()))
        for value, name in enumerate(("right ventricle", "myocardium", "left ventricle"), 1)
    ]


def test_report_with_the_real_engine(result, tmp_path, trainings):
    panel, volumeNode, _segmentationNode, labels = result
    standin.answer("getSaveFileName", str(tmp_path / "heart"))
    choose(panel, "Report")
    assert status(panel) == "Exported to heart.html.", status(panel)
    text = (tmp_path / "heart.html").read_text(encoding="utf-8")
    assert str((labels == 2).sum()) in text and "myocardium" in text and "tiny-1.0.0" in text
    assert volumeNode.GetName() not in text and "corrected" not in text
    assert trainings.is_dir() and list(trainings.iterdir()) == []  # the copies of the images are gone

    standin.answer("getSaveFileName", str(tmp_path / "no such folder" / "heart.html"))
    choose(panel, "Report")
    assert "cannot be written" in status(panel) and not (tmp_path / "no such folder").exists()


def test_the_button_follows_the_result(result, fakeEngine):
    import slicer

    panel, volumeNode, _segmentationNode, _labels = result
    assert panel.ui.exportButton.enabled
    apply(panel, fakeEngine)
    assert not panel.ui.exportButton.enabled
    finishJob(panel, fakeEngine)
    assert panel.ui.exportButton.enabled
    slicer.mrmlScene.RemoveNode(volumeNode)
    panel.segmentPanel.update()
    assert not panel.ui.exportButton.enabled


# --- DICOM ---------------------------------------------------------------------------------------------------------
