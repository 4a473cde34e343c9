"""A result as a DICOM SEG, through Slicer's own export."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from exports import choose
from fakes import end, submitted
from panels import status


def test_dicom_needs_slicer(result):
    panel, *_others = result
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
    panel, volumeNode, *_others = result
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

    panel, volumeNode, segmentationNode, _labels = result
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
