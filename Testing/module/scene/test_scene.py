"""Between the scene and the engine: exact geometry, and a result that leaves the user's own work alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scenenodes import matrices, volumeOf

pytestmark = pytest.mark.usefixtures("scene")

structures = [
    (1, "right ventricle", (0.0, 0.5, 1.0)),
    (2, "myocardium", (1.0, 0.5, 0.0)),
    (3, "left ventricle", (1, 0, 0)),
]


def classes():
    from CMAformerSegmentationLib.models.catalog import StructureClass

    return [StructureClass(value, name, color) for value, name, color in structures]


def elements(matrix):
    return [matrix.GetElement(row, column) for row, column in itertools.product(range(4), range(4))]


def labelmapOf(segmentationNode, name="myocardium"):
    segmentation = segmentationNode.GetSegmentation()
    return segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName(name)).GetRepresentation("Binary labelmap")


def adopt(volumeNode, segmentationNode=None, fill=None):
    from CMAformerSegmentationLib.scene import nodes as scene

    image, labels = scene.newLabelImage(scene.volumeGeometry(volumeNode))
    labels[:] = 0 if fill is None else fill
    return scene.adoptLabels(image, volumeNode, classes(), "tiny-1.0.0", {"ModelId": "tiny-1.0.0"}, segmentationNode)


@pytest.mark.parametrize("name", list(matrices()))
def test_geometry_of_the_result_is_the_volumes_to_the_last_bit(name):
    import slicer
    import vtk

    volumeNode = volumeOf(matrices()[name])
    expected, found, reference = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(expected)
    segmentationNode = adopt(volumeNode)
    labelmapOf(segmentationNode).GetImageToWorldMatrix(found)
    assert elements(found) == elements(expected)
    text = segmentationNode.GetSegmentation().GetConversionParameter(
        slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    )
    extent = [0] * 6
    assert slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, reference, extent)
    assert elements(reference) == elements(expected) and extent == [0, 5, 0, 4, 0, 3]


@pytest.mark.parametrize("name", list(matrices()))
def test_the_engine_gets_the_same_place_in_lps(tmp_path, name):
    import SimpleITK as sitk

    from CMAformerSegmentationLib.scene import nodes as scene
    from CMAformerSegmentationLib.scene.metaimage import writeMetaImage

    volumeNode = volumeOf(matrices()[name])
    snapshot = scene.snapshotVolume(volumeNode)
    snapshot.array[:] = np.arange(120).reshape(4, 5, 6)
    writeMetaImage(tmp_path / "input.mha", snapshot.array, snapshot.geometry.flippedXY())
    image = sitk.ReadImage(str(tmp_path / "input.mha"))
    assert (sitk.GetArrayFromImage(image) == snapshot.array).all()
    ras = [0.0] * 3
    import vtk

    m = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(m)
    for ijk in [(0, 0, 0), (5, 4, 3), (1, 2, 3)]:
        ras = m.MultiplyPoint([*ijk, 1.0])
        lps = image.TransformIndexToPhysicalPoint(ijk)
        np.testing.assert_allclose([-lps[0], -lps[1], lps[2]], ras[:3], rtol=1e-12, atol=1e-10)


def test_names_colors_terminology_and_one_shared_layer():
    import slicer
    import vtk

    segmentationNode = adopt(volumeOf(matrices()["oblique"]), fill=2)
    segmentation = segmentationNode.GetSegmentation()
    segments = [segmentation.GetSegment(i) for i in segmentation.GetSegmentIDs()]
    assert [(s.GetLabelValue(), s.GetName(), s.GetColor()) for s in segments] == structures
    assert segmentation.GetNumberOfLayers() == 1
    tag = vtk.mutable("")
    assert segments[0].GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), tag)
    entry = slicer.vtkSlicerTerminologyEntry()
    assert slicer.modules.terminologies.logic().DeserializeTerminologyEntry(str(tag), entry)
    assert entry.GetCategoryObject().GetCodeMeaning() == "Anatomical Structure"
    counts = [
        int((slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, i) != 0).sum())
        for i in segmentation.GetSegmentIDs()
    ]
    assert counts == [0, 120, 0]
    assert segmentationNode.GetDisplayNode() is not None


@pytest.mark.parametrize("linear", [True, False])
def test_parent_transform_is_followed(linear):
    import slicer

    kind = "vtkMRMLLinearTransformNode" if linear else "vtkMRMLBSplineTransformNode"
    transform = slicer.mrmlScene.AddNewNodeByClass(kind)
    volumeNode = volumeOf(matrices()["oblique"])
    volumeNode.SetAndObserveTransformNodeID(transform.GetID())
    segmentationNode = adopt(volumeNode)
    assert segmentationNode.GetTransformNodeID() == transform.GetID()
    volumeNode.SetAndObserveTransformNodeID(None)
    adopt(volumeNode, segmentationNode)
    assert segmentationNode.GetTransformNodeID() is None


def addOwnSegment(segmentationNode, shared: bool):
    import slicer
    import vtk

    segmentation = segmentationNode.GetSegmentation()
    segment = slicer.vtkSegment()
    segment.SetName("My lesion")
    image = labelmapOf(segmentationNode)
    if not shared:
        copy = slicer.vtkOrientedImageData()
        copy.DeepCopy(image)
        image = copy
    segment.SetLabelValue(7)
    vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())[:9] = 7
    segment.AddRepresentation("Binary labelmap", image)
    segmentation.AddSegment(segment, "mine")


@pytest.mark.parametrize("shared", [True, False])
def test_users_own_segment_is_kept_and_ours_are_replaced(shared):
    import slicer
    import vtk.util.numpy_support

    volumeNode = volumeOf(matrices()["flipped"])
    segmentationNode = adopt(volumeNode, fill=2)
    addOwnSegment(segmentationNode, shared)
    before = slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, "mine").copy()
    assert before.sum() == 9
    assert adopt(volumeNode, segmentationNode, fill=3) is segmentationNode
    segmentation = segmentationNode.GetSegmentation()
    names = sorted(segmentation.GetSegment(i).GetName() for i in segmentation.GetSegmentIDs())
    assert names == ["My lesion", "left ventricle", "myocardium", "right ventricle"]
    assert (slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, "mine") == before).all()
    image = segmentation.GetSegment("mine").GetRepresentation("Binary labelmap")
    voxels = vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
    # No label of a removed segment may be left, or the next segment that the user adds would show it.
    assert set(np.unique(voxels)) <= ({0, 7} if shared else {2, 7})


def test_provenance_is_readable():
    import json

    from CMAformerSegmentationLib.scene import nodes as scene

    segmentationNode = adopt(volumeOf(np.eye(4)))
    scene.recordProvenance(segmentationNode, {"Parameters": {"device": "cpu", "cleanup": True}, "EngineVersion": "1"})
    assert json.loads(segmentationNode.GetAttribute("CMAformer.Parameters")) == {"cleanup": True, "device": "cpu"}
    assert segmentationNode.GetAttribute("CMAformer.EngineVersion") == "1"


def test_show_3d_stays_on():
    volumeNode = volumeOf(np.eye(4))
    fill = np.zeros((4, 5, 6), np.uint8)
    fill[1:3, 1:4, 1:5] = 2
    segmentationNode = adopt(volumeNode, fill=fill)
    segmentationNode.CreateClosedSurfaceRepresentation()
    adopt(volumeNode, segmentationNode, fill=fill)
    segmentation = segmentationNode.GetSegmentation()
    assert segmentation.ContainsRepresentation("Closed surface")
    surface = segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName("myocardium")).GetRepresentation(
        "Closed surface"
    )
    assert surface.GetNumberOfPolys() > 0


def test_what_cannot_be_segmented_is_said_before_any_work():
    import slicer

    from CMAformerSegmentationLib.scene import nodes as scene

    assert "Choose a volume" in scene.volumeProblem(None)
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert "empty" in scene.volumeProblem(empty)
    assert "3 values per voxel" in scene.volumeProblem(volumeOf(np.eye(4), components=3))
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    labels.SetAndObserveImageData(volumeOf(np.eye(4)).GetImageData())
    assert "label map" in scene.volumeProblem(labels)
    with pytest.raises(ValueError, match="empty"):
        scene.snapshotVolume(empty)


def test_own_segments_under_another_transform_are_never_moved():
    import slicer

    from CMAformerSegmentationLib.scene import nodes as scene

    volumeNode = volumeOf(np.eye(4))
    segmentationNode = adopt(volumeNode)
    addOwnSegment(segmentationNode, shared=False)
    assert scene.outputProblem(segmentationNode, volumeNode) == ""
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volumeNode.SetAndObserveTransformNodeID(transform.GetID())
    assert "another transform" in scene.outputProblem(segmentationNode, volumeNode)
    other = adopt(volumeNode, segmentationNode)  # it came to that while the engine worked
    assert other is not segmentationNode and segmentationNode.GetTransformNodeID() is None
    assert segmentationNode.GetSegmentation().GetNumberOfSegments() == 4


def test_a_segmentation_of_surfaces_is_refused():
    import slicer

    from CMAformerSegmentationLib.scene import nodes as scene

    segmentationNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentationNode.GetSegmentation().SetSourceRepresentationName("Closed surface")
    segmentationNode.GetSegmentation().AddEmptySegment("", "Printed")
    assert "surfaces" in scene.outputProblem(segmentationNode, volumeOf(np.eye(4)))


def test_snapshot_survives_the_volume_and_notices_changes():
    import slicer

    from CMAformerSegmentationLib.scene import nodes as scene

    volumeNode = volumeOf(np.eye(4))
    slicer.util.arrayFromVolume(volumeNode)[:] = 5
    snapshot = scene.snapshotVolume(volumeNode)
    assert not snapshot.isOutdated(volumeNode)
    slicer.util.arrayFromVolume(volumeNode)[0] = 6
    slicer.util.arrayFromVolumeModified(volumeNode)
    assert snapshot.isOutdated(volumeNode)
    slicer.util.updateVolumeFromArray(volumeNode, np.zeros((2, 2, 2), np.int16))
    slicer.mrmlScene.RemoveNode(volumeNode)
    assert snapshot.array.shape == (4, 5, 6) and snapshot.array[1:].min() == 5


def test_a_saved_segmentation_keeps_names_terminology_and_who_made_it(tmp_path):
    import slicer
    import vtk

    from CMAformerSegmentationLib.scene import nodes as scene

    segmentationNode = adopt(volumeOf(matrices()["oblique"]), fill=2)
    path = str(tmp_path / "heart.seg.nrrd")
    assert slicer.util.saveNode(segmentationNode, path)
    segmentation = slicer.util.loadSegmentation(path).GetSegmentation()
    assert segmentation.GetNumberOfSegments() == 3 and segmentation.GetNumberOfLayers() == 1
    segment = segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName("myocardium"))
    madeBy, terminology = vtk.mutable(""), vtk.mutable("")
    assert segment.GetTag(scene.madeByTag, madeBy) and str(madeBy) == "tiny-1.0.0"
    assert segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminology)
    assert str(terminology) == scene.terminologyTag(classes()[1])
