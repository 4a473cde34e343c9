"""A result as files that other programs read, and as DICOM through Slicer's own export."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from fakes import end, submitted
from test_panel import apply, finishJob, panel, status  # noqa: F401 - a fixture
from test_scene import matrices, volumeOf

import standin

SUFFIXES = (".nrrd", ".nii", ".nii.gz", ".mha")


def itkImage(volumeNode):
    """The volume as its file has it."""
    from CMAformerSegmentationLib import scene

    geometry = scene.volumeGeometry(volumeNode).flippedXY()
    image = sitk.Image(*geometry.size, sitk.sitkInt16)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    return image


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", list(matrices()))
def test_a_label_map_lies_on_the_grid_of_its_image(scene, tmp_path, name, suffix):
    from CMAformerSegmentationLib.labelFiles import writeLabelMap
    from CMAformerSegmentationLib.scene import volumeGeometry

    matrix = matrices()[name]
    matrix[2, 3] = 100.7
    volumeNode = volumeOf(matrix)
    expected = itkImage(volumeNode)
    labels = (np.arange(120).reshape(4, 5, 6) % 200).astype(np.uint8)
    writeLabelMap(tmp_path / f"a.b{suffix}", labels[:, ::1], volumeGeometry(volumeNode))
    found = sitk.ReadImage(str(tmp_path / f"a.b{suffix}"))
    assert found.GetPixelID() == sitk.sitkUInt8
    assert (sitk.GetArrayFromImage(found) == labels).all()
    single = suffix.startswith(".nii")
    for one, other in (
        (found.GetSpacing(), expected.GetSpacing()),
        (found.GetOrigin(), expected.GetOrigin()),
        (found.GetDirection(), expected.GetDirection()),
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6 if single else 1e-14, atol=1e-6 if single else 1e-15)
    assert [path.name for path in tmp_path.iterdir()] == [f"a.b{suffix}"]


@pytest.mark.parametrize("seed", range(6))
def test_a_label_map_has_exactly_the_grid_of_a_nrrd_file(scene, tmp_path, seed):
    """An image of a file, oblique and with odd spacing: the label map is on its grid to the last bit."""
    from CMAformerSegmentationLib.labelFiles import writeLabelMap
    from CMAformerSegmentationLib.metaimage import Geometry

    random = np.random.default_rng(seed)
    q, _r = np.linalg.qr(random.normal(size=(3, 3)))
    image = sitk.Image(6, 5, 4, sitk.sitkInt16)
    image.SetSpacing(random.uniform(0.3, 4, 3).tolist())
    image.SetOrigin(random.normal(scale=100, size=3).tolist())
    image.SetDirection(q.ravel().tolist())
    sitk.WriteImage(image, str(tmp_path / "image.nrrd"))
    image = sitk.ReadImage(str(tmp_path / "image.nrrd"))
    lps = Geometry((6, 5, 4), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    writeLabelMap(tmp_path / "labels.nrrd", np.zeros((4, 5, 6), np.uint8), lps.flippedXY())
    labels = sitk.ReadImage(str(tmp_path / "labels.nrrd"))
    assert labels.GetSpacing() == image.GetSpacing() and labels.GetOrigin() == image.GetOrigin()
    assert labels.GetDirection() == image.GetDirection()


@pytest.mark.parametrize("fields", ["sform_code", "qform_code"])
def test_both_descriptions_of_a_nifti_file_are_right(scene, tmp_path, fields):
    """Programs read one or the other: with either switched off, the grid is the same."""
    from CMAformerSegmentationLib.labelFiles import writeLabelMap
    from CMAformerSegmentationLib.scene import volumeGeometry

    for name, matrix in matrices().items():
        matrix[2, 3] = 100.7
        volumeNode = volumeOf(matrix)
        expected, path = itkImage(volumeNode), tmp_path / "labels.nii"
        writeLabelMap(path, np.ones((4, 5, 6), np.uint8), volumeGeometry(volumeNode))
        data = bytearray(path.read_bytes())
        offset = {"qform_code": 252, "sform_code": 254}[fields]
        data[offset : offset + 2] = b"\0\0"
        path.write_bytes(data)
        found = sitk.ReadImage(str(path))
        np.testing.assert_allclose(found.GetDirection(), expected.GetDirection(), atol=1e-5, err_msg=name)
        np.testing.assert_allclose(found.GetOrigin(), expected.GetOrigin(), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(found.GetSpacing(), expected.GetSpacing(), rtol=1e-6)


def test_a_full_disk_leaves_the_old_file(scene, tmp_path, monkeypatch):
    from CMAformerSegmentationLib import labelFiles
    from CMAformerSegmentationLib.scene import volumeGeometry

    (tmp_path / "a.nrrd").write_text("what was there")

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(labelFiles.os, "replace", full)
    with pytest.raises(OSError):
        labelFiles.writeLabelMap(
            tmp_path / "a.nrrd", np.zeros((4, 5, 6), np.uint8), volumeGeometry(volumeOf(np.eye(4)))
        )
    assert [path.read_text() for path in tmp_path.iterdir()] == ["what was there"]


@pytest.fixture
def result(panel, fakeEngine):  # noqa: F811
    """The panel with a result: three structures. Returns (panel, volume node, segmentation node, labels)."""
    from CMAformerSegmentationLib.selftest import makeTestVolume

    volumeNode = makeTestVolume()
    volumeNode.SetName("Heart: 1/2")
    panel.enter()
    apply(panel, fakeEngine)
    fakeEngine.begin(6, 6)
    labels = fakeEngine.finish()
    standin.processUntil(lambda: panel.segmentPanel.task.ended)
    return panel, volumeNode, panel.ui.outputSelector.currentNode(), labels


def choose(panel, text):  # noqa: F811
    """Choose from the menu, and wait until it is done."""
    (action,) = [action for action in panel.segmentPanel.result.export.menu.actions() if text in action.text]
    action.trigger()
    standin.processUntil(lambda: not panel.segmentPanel.result.export.isBusy, 30)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_label_map(result, tmp_path, suffix):
    import slicer

    panel, volumeNode, segmentationNode, labels = result  # noqa: F811
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

    panel, volumeNode, segmentationNode, labels = result  # noqa: F811
    segmentation = segmentationNode.GetSegmentation()
    segmentId = segmentation.GetSegmentIdBySegmentName("left ventricle")
    segmentation.SeparateSegmentLabelmap(segmentId)
    slicer.util.updateSegmentBinaryLabelmapFromArray(np.ones_like(labels), segmentationNode, segmentId, volumeNode)
    standin.answer("getSaveFileName", str(tmp_path / "a.nrrd"))
    choose(panel, "Label map")
    assert status(panel) == "Exported to a.nrrd. Where structures overlap, it has only one of them."


def test_names_of_label_maps(result, tmp_path):
    panel, *_others = result  # noqa: F811
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

    panel, volumeNode, segmentationNode, labels = result  # noqa: F811
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
    panel, _volumeNode, segmentationNode, _labels = result  # noqa: F811
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
    panel, _volumeNode, _segmentationNode, labels = result  # noqa: F811
    standin.answer("getSaveFileName", str(tmp_path / "numbers"))
    choose(panel, "Table")
    assert status(panel) == "Exported to numbers.csv."
    with open(tmp_path / "numbers.csv", newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["Structure", "Volume (ml)", "Voxels", "Mean"]
    assert [(row[0], row[2]) for row in rows[1:]] == [
        (name, str((labels == value).sum()))
        for value, name in enumerate(("right ventricle", "myocardium", "left ventricle"), 1)
    ]


def test_the_button_follows_the_result(result, fakeEngine):
    import slicer

    panel, volumeNode, _segmentationNode, _labels = result  # noqa: F811
    assert panel.ui.exportButton.enabled
    apply(panel, fakeEngine)
    assert not panel.ui.exportButton.enabled
    finishJob(panel, fakeEngine)
    assert panel.ui.exportButton.enabled
    slicer.mrmlScene.RemoveNode(volumeNode)
    panel.segmentPanel.update()
    assert not panel.ui.exportButton.enabled


# --- DICOM ---------------------------------------------------------------------------------------------------------


def test_dicom_needs_slicer(result):
    panel, *_others = result  # noqa: F811
    choose(panel, "DICOM")
    assert status(panel).startswith("This Slicer cannot export DICOM segmentations.")


@pytest.fixture
def dicom(module, monkeypatch):
    """What Slicer's desktop has for DICOM, as far as it is asked: dialog, plugins, and a database with some files."""
    import slicer

    seen = []

    class Dialog:
        def __init__(self, parent):
            seen.clear()

        def setMRMLScene(self, scene):
            seen.append(scene)

        def execDialog(self, item):
            seen.append(item)
            return True

    files = {"1.2.3": "/database/1.dcm", "1.2.4": "/database/2.dcm"}
    database = SimpleNamespace(fileForInstance=lambda uid: files.get(uid, ""))
    monkeypatch.setattr(slicer, "qSlicerDICOMExportDialog", Dialog, raising=False)
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    monkeypatch.setattr(slicer.modules, "dicomPlugins", {"DICOMSegmentationPlugin": object}, raising=False)
    return seen


def hierarchyNode():
    import slicer

    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def test_dicom_says_what_is_missing(result, dicom):
    panel, volumeNode, *_others = result  # noqa: F811
    choose(panel, "DICOM")
    assert status(panel).startswith("The volume was not loaded from DICOM")
    volumeNode.SetAttribute("DICOM.instanceUIDs", "1.2.3 9.9.9")
    choose(panel, "DICOM")
    assert "not in Slicer's DICOM database" in status(panel)
    volumeNode.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    choose(panel, "DICOM")
    assert "no study" in status(panel) and dicom == []


def test_dicom_export_opens_for_the_segmentation_in_the_study_of_its_volume(result, dicom):
    import slicer
    import vtk

    panel, volumeNode, segmentationNode, _labels = result  # noqa: F811
    hierarchy = hierarchyNode()
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Anonymous")
    study = hierarchy.CreateStudyItem(patient, "Study")
    hierarchy.CreateItem(hierarchy.CreateFolderItem(study, "Folder"), volumeNode)
    volumeNode.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), segmentationNode)
    segmentation = segmentationNode.GetSegmentation()
    corrected = segmentation.GetSegmentIdBySegmentName("myocardium")
    array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, corrected, volumeNode)
    array[:2] = 0
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, segmentationNode, corrected, volumeNode)
    choose(panel, "DICOM")
    assert dicom == [slicer.mrmlScene, item] and hierarchy.GetItemParent(item) == study
    assert status(panel) == "Exported to DICOM."
    tags = {}
    for segmentId in segmentation.GetSegmentIDs():
        kind, name = vtk.mutable(""), vtk.mutable("")
        segment = segmentation.GetSegment(segmentId)
        assert segment.GetTag("DICOM.SegmentAlgorithmType", kind)
        assert segment.GetTag("DICOM.SegmentAlgorithmName", name) and str(name) == "CMAformer tiny-1.0.0"
        tags[segment.GetName()] = str(kind)
    assert tags == {"right ventricle": "AUTOMATIC", "myocardium": "SEMIAUTOMATIC", "left ventricle": "AUTOMATIC"}


def test_the_next_result_on_a_dicom_volume_is_in_its_study(fakeLogic, fakeEngine, volume):
    import slicer
    import vtk

    hierarchy = hierarchyNode()
    study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Anonymous"), "Study")
    hierarchy.CreateItem(study, volume)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def register(caller, event, node):  # as the application does for every node
        if node.IsA("vtkMRMLSegmentationNode"):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    tag = slicer.mrmlScene.AddObserver(slicer.mrmlScene.NodeAddedEvent, register)
    task = submitted(fakeLogic.startSegmentation(volume), fakeEngine)
    fakeEngine.begin(total=6)
    fakeEngine.finish()
    end(task)
    slicer.mrmlScene.RemoveObserver(tag)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(task.segmentationNode)) == study


def test_what_the_exporter_reads_is_complete(result):
    """Reference geometry, and codes of category and type of every segment, by Slicer's own terminology logic."""
    import slicer
    import vtk

    _panel, volumeNode, segmentationNode, _labels = result
    role = segmentationNode.GetReferenceImageGeometryReferenceRole()
    assert segmentationNode.GetNodeReference(role) is volumeNode
    assert segmentationNode.GetDisplayNode() is not None
    segmentation = segmentationNode.GetSegmentation()
    text = segmentation.GetConversionParameter(slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName())
    matrix, extent, expected = vtk.vtkMatrix4x4(), [0] * 6, vtk.vtkMatrix4x4()
    assert slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, matrix, extent)
    volumeNode.GetIJKToRASMatrix(expected)
    assert (slicer.util.arrayFromVTKMatrix(matrix) == slicer.util.arrayFromVTKMatrix(expected)).all()
    assert tuple(extent[1::2]) == tuple(n - 1 for n in volumeNode.GetImageData().GetDimensions())
    for segmentId in segmentation.GetSegmentIDs():
        segment, tag, entry = segmentation.GetSegment(segmentId), vtk.mutable(""), slicer.vtkSlicerTerminologyEntry()
        assert segment.GetTag(segment.GetTerminologyEntryTagName(), tag)
        assert slicer.modules.terminologies.logic().DeserializeTerminologyEntry(str(tag), entry)
        for code in (entry.GetCategoryObject(), entry.GetTypeObject()):
            assert code.GetCodingSchemeDesignator() and code.GetCodeValue() and code.GetCodeMeaning()
        assert segment.GetRepresentation("Binary labelmap").GetPointData().GetArray("ImageScalars") is not None
