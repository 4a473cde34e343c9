"""A region of interest: the same voxels as in the views, nothing else is touched, and less is done."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from fakes import end, segmentations, submitted
from test_scene import matrices, rotation, volumeOf

import standin

NAMES = ["right ventricle", "myocardium", "left ventricle"]
SLABS, OTHERS = (1, 2, 3, 1, 2, 3, 1, 2), (3, 1, 2, 3, 3, 1, 2, 3)  # what the fake engine finds, from left to right


def makeRoi(matrix, size, transformNode=None):
    """A ROI with an orientation and center in its own frame."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Miller's region")
    node.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(np.asarray(matrix, float)))
    node.SetSize(*size)
    if transformNode is not None:
        node.SetAndObserveTransformNodeID(transformNode.GetID())
    return node


def roiOn(volumeNode, seed=None, half=(12.0, 10.0, 9.0), at=(0.5, 0.5, 0.5)):
    """A ROI around a point of a volume, in the volume's own frame: turned by a seed, or along the volume's axes."""
    import slicer
    import vtk

    m = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(m)
    toRas = slicer.util.arrayFromVTKMatrix(m)
    matrix = np.eye(4)
    directions = toRas[:3, :3] / np.linalg.norm(toRas[:3, :3], axis=0) if seed is None else rotation(seed)
    if np.linalg.det(directions) < 0:
        directions = directions * [1, 1, -1]
    matrix[:3, :3] = directions
    dimensions = np.array(volumeNode.GetImageData().GetDimensions())
    matrix[:3, 3] = (toRas @ [*((dimensions - 1) * at), 1])[:3]
    return makeRoi(matrix, 2 * np.array(half), volumeNode.GetParentTransformNode())


def linear(seed):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(seed), (13.0, -4.0, 7.0)
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    return node


def insideByVtk(roiNode, volumeNode):
    """bool (K, J, I): which voxel centers the planes of the ROI in the world enclose."""
    import slicer
    import vtk

    planes = vtk.vtkPlanes()
    roiNode.GetPlanesWorld(planes)
    toRas, toWorld = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(toRas)
    if volumeNode.GetParentTransformNode() is not None:
        volumeNode.GetParentTransformNode().GetMatrixTransformToWorld(toWorld)
    matrix = slicer.util.arrayFromVTKMatrix(toWorld) @ slicer.util.arrayFromVTKMatrix(toRas)
    i, j, k = volumeNode.GetImageData().GetDimensions()
    result = np.zeros((k, j, i), bool)
    for index in np.ndindex(result.shape):
        result[index] = planes.EvaluateFunction((matrix @ [*index[::-1], 1.0])[:3]) <= 0
    return result


def insideByUs(roiNode, volumeNode):
    from CMAformerSegmentationLib.region import regionOf

    first, last = regionOf(roiNode, volumeNode).spans()
    i = np.arange(volumeNode.GetImageData().GetDimensions()[0])
    return (i >= first[..., None]) & (i <= last[..., None])


@pytest.mark.parametrize("transforms", ["none", "volume", "roi", "both", "same"])
@pytest.mark.parametrize("name", ["lps", "negative determinant", "permuted", "oblique and mirrored"])
def test_the_voxels_are_those_inside_of_the_box_in_the_world(scene, name, transforms):
    matrix = matrices()[name]
    matrix[:3, 3] = (-12.3, 45.6, 7.8)
    volumeNode = volumeOf(matrix, (7, 11, 13))
    for seed, at in ((None, (0.5, 0.5, 0.5)), (3, (0.4, 0.5, 0.6)), (4, (0.0, 0.1, 1.0))):
        roiNode = roiOn(volumeNode, seed, (2.4, 1.3, 9.0), at)
        shared = linear(1)
        for node, seeds in ((volumeNode, 11), (roiNode, 12)):
            kind = "volume" if node is volumeNode else "roi"
            under = {"both": True, "none": False, "same": True}.get(transforms, kind == transforms)
            parent = shared if transforms == "same" else linear(seeds)
            node.SetAndObserveTransformNodeID(parent.GetID() if under else None)
        found = insideByUs(roiNode, volumeNode)
        if seed is None and transforms in ("none", "same"):
            assert found.any()
        assert (found == insideByVtk(roiNode, volumeNode)).all() and not found.all()


def test_a_stretching_transform_stretches_the_box(scene):
    import slicer

    volumeNode = volumeOf(np.eye(4), (20, 20, 20))
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([2.0, 1.0, 0.5, 1.0])))
    centered = np.eye(4)
    centered[:3, 3] = (4, 9, 18)
    found = insideByUs(makeRoi(centered, (4.2, 6.2, 8.2), transform), volumeNode)
    expected = np.zeros((20, 20, 20), bool)
    expected[7:12, 6:13, 4:13] = True
    assert (found == expected).all()


def test_what_is_no_region_is_said_before_any_work(fakeLogic, volume):
    import slicer

    from CMAformerSegmentationLib.region import regionProblem

    assert regionProblem(None, volume) == ""
    assert regionProblem(roiOn(volume), volume) == ""
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    assert "not placed" in regionProblem(empty, volume)
    assert "outside of the volume" in regionProblem(roiOn(volume, 3, at=(3.0, 0.5, 0.5)), volume)
    assert "outside of the volume" in regionProblem(roiOn(volume, None, (9, 9, 0.1), at=(0.5, 0.5, 0.5)), volume)
    bent = roiOn(volume)
    bent.SetAndObserveTransformNodeID(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode").GetID())
    assert "not linear" in regionProblem(bent, volume)
    with pytest.raises(ValueError, match="not placed"):
        fakeLogic.startSegmentation(volume, roi=empty)


def test_an_oblique_box_beside_a_corner_touches_nothing(scene):
    """Its upright hull would touch the volume."""
    from CMAformerSegmentationLib.region import regionProblem

    volumeNode = volumeOf(np.eye(4), (20, 20, 20))
    turned = np.eye(4)
    turned[:2, :2] = [[math.sqrt(0.5), -math.sqrt(0.5)], [math.sqrt(0.5), math.sqrt(0.5)]]
    turned[:3, 3] = (-8, -8, 10)
    assert "outside" in regionProblem(makeRoi(turned, (20, 40, 10)), volumeNode)
    assert regionProblem(makeRoi(turned, (24, 40, 10)), volumeNode) == ""


@pytest.mark.parametrize("name", list(matrices()))
def test_a_new_region_is_the_whole_volume(scene, name):
    import slicer

    from CMAformerSegmentationLib.region import fitRegion

    volumeNode = volumeOf(matrices()[name])
    volumeNode.SetAndObserveTransformNodeID(linear(5).GetID())
    roiNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    fitRegion(roiNode, volumeNode)
    assert insideByUs(roiNode, volumeNode).all()
    expected = np.prod(volumeNode.GetSpacing()) * 4 * 5 * 6
    assert math.isclose(np.prod(roiNode.GetSize()), expected, rel_tol=1e-9)


def labelsOf(node, volumeNode):
    """uint8 (K, J, I) on the volume's grid."""
    import slicer

    result = np.zeros(slicer.util.arrayFromVolume(volumeNode).shape, np.uint8)
    for value, name in enumerate(NAMES, 1):
        segmentId = node.GetSegmentation().GetSegmentIdBySegmentName(name)
        array = slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId, volumeNode)
        result[array != 0] = value
    return result


def segmented(fakeLogic, fakeEngine, volumeNode, values=SLABS, **arguments):
    """A segmentation by the fake engine, which knows nothing of regions. Returns the task and what the engine said."""
    task = submitted(fakeLogic.startSegmentation(volumeNode, **arguments), fakeEngine)
    fakeEngine.begin(done=1, total=6)
    labels = fakeEngine.finish(values)
    return end(task), labels


def test_a_new_result_is_empty_outside(fakeLogic, fakeEngine, volume):
    import slicer

    roiNode = roiOn(volume, 3)
    inside = insideByVtk(roiNode, volume)
    task = submitted(fakeLogic.startSegmentation(volume, roi=roiNode), fakeEngine)
    content = (fakeEngine.jobs[-1] / "job.json").read_text()
    assert "Miller" not in content
    rows = np.array(json.loads(content)["parameters"]["region"]["to_box"])
    assert rows.shape == (3, 4)
    k, j, i = np.indices(inside.shape)
    assert ((np.abs(np.einsum("rn,n...->r...", rows, [i, j, k, np.ones(i.shape)])) <= 1).all(axis=0) == inside).all()
    roiNode.SetCenter(0, 0, 900)  # what is done later does not matter
    slicer.mrmlScene.RemoveNode(roiNode)
    fakeEngine.begin(total=6)
    labels = fakeEngine.finish(SLABS)
    end(task)
    assert task.state == "finished" and "Only the region was segmented." in task.notices
    found = labelsOf(task.segmentationNode, volume)
    assert 0 < inside.sum() < inside.size / 3
    assert (found == np.where(inside, labels, 0)).all() and found.any()
    parameters = json.loads(task.segmentationNode.GetAttribute("CMAformer.Parameters"))
    assert parameters["region"] == {"to_box": rows.tolist()} and parameters["kept_outside"] is False
    assert "Miller" not in json.dumps(parameters)


def corrected(node, name, where):
    """Add voxels to a segment, as a user does. Returns what it is then."""
    import slicer

    segmentId = node.GetSegmentation().GetSegmentIdBySegmentName(name)
    array = slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId)
    array[where] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, segmentId)
    return array


@pytest.mark.parametrize("seed", [None, 3])
def test_an_earlier_result_stays_outside(fakeLogic, fakeEngine, volume, seed):
    import slicer

    task, labels = segmented(fakeLogic, fakeEngine, volume)
    node = task.segmentationNode
    segmentation = node.GetSegmentation()
    ownId = segmentation.AddEmptySegment("", "My lesion")
    mine = np.zeros(labels.shape, np.uint8)
    mine[1:4, 10:50, 10:60] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mine, node, ownId, volume)
    before = labelsOf(node, volume)
    roiNode = roiOn(volume, seed)
    inside = insideByVtk(roiNode, volume)
    task, labels = segmented(fakeLogic, fakeEngine, volume, OTHERS, segmentation=node, roi=roiNode)
    assert task.state == "finished" and task.segmentationNode is node and len(segmentations()) == 1
    found = labelsOf(node, volume)
    expected = np.where(inside, labels, before)
    assert (found == expected).all()
    assert (found != before).any() and before[~inside].any()
    assert (slicer.util.arrayFromSegmentBinaryLabelmap(node, ownId, volume) == mine).all()
    assert segmentation.GetNumberOfSegments() == 4
    gray = slicer.util.arrayFromVolume(volume)
    for item in task.summary["structures"]:
        where = expected == item["value"]
        assert item["voxels"] == where.sum()
        assert item["mean"] == pytest.approx(gray[where].mean(), rel=1e-6)
        assert item["volume_ml"] == pytest.approx(where.sum() * np.prod(volume.GetSpacing()) / 1000, rel=1e-3)
    assert any("earlier result was kept" in notice for notice in task.notices)
    assert json.loads(node.GetAttribute("CMAformer.Parameters"))["kept_outside"] is True


def test_corrections_that_overlap_stay_outside(fakeLogic, fakeEngine, volume):
    """Two structures on the same voxels, as the Segment Editor can make them: one label map cannot hold them."""
    import slicer

    task, labels = segmented(fakeLogic, fakeEngine, volume)
    node = task.segmentationNode
    segmentation = node.GetSegmentation()
    both = np.zeros(labels.shape, np.uint8)
    both[:, 20:40, 2:30] = 1
    for name in ("myocardium", "left ventricle"):
        segmentId = segmentation.GetSegmentIdBySegmentName(name)
        segmentation.SeparateSegmentLabelmap(segmentId)
        slicer.util.updateSegmentBinaryLabelmapFromArray(both, node, segmentId, volume)
    roiNode = roiOn(volume, 3)
    inside = insideByVtk(roiNode, volume)
    task, labels = segmented(fakeLogic, fakeEngine, volume, OTHERS, segmentation=node, roi=roiNode)
    assert task.state == "finished"
    for value, name, old in ((1, NAMES[0], None), (2, NAMES[1], both), (3, NAMES[2], both)):
        segmentId = segmentation.GetSegmentIdBySegmentName(name)
        array = slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId, volume)
        assert ((array != 0)[inside] == (labels == value)[inside]).all(), name
        if old is not None:
            assert ((array != 0)[~inside] == (old != 0)[~inside]).all() and (old != 0)[~inside].any()
        assert task.summary["structures"][[s["value"] for s in task.summary["structures"]].index(value)][
            "voxels"
        ] == np.count_nonzero(array)
    assert segmentation.GetNumberOfSegments() == 3


def test_segments_of_another_model_stay(fakeLogic, fakeEngine, volume):
    from CMAformerSegmentationLib import scene
    from CMAformerSegmentationLib.catalog import StructureClass

    image, labels = scene.newLabelImage(scene.volumeGeometry(volume))
    labels[:] = 1
    node = scene.adoptLabels(image, volume, [StructureClass(1, "liver", (0.5, 0.2, 0.1))], "liver-1.0.0", {})
    task, _labels = segmented(fakeLogic, fakeEngine, volume, segmentation=node, roi=roiOn(volume))
    names = [node.GetSegmentation().GetSegment(i).GetName() for i in node.GetSegmentation().GetSegmentIDs()]
    assert task.segmentationNode is node and sorted(names) == sorted([*NAMES, "liver"])
    import slicer

    liver = slicer.util.arrayFromSegmentBinaryLabelmap(node, node.GetSegmentation().GetSegmentIdBySegmentName("liver"))
    assert liver.all()


def test_a_correction_while_it_runs_is_kept(fakeLogic, fakeEngine, volume, monkeypatch):
    import slicer

    task, _labels = segmented(fakeLogic, fakeEngine, volume)
    node = task.segmentationNode
    roiNode = roiOn(volume)
    inside = insideByVtk(roiNode, volume)
    from CMAformerSegmentationLib.regionResult import RegionResult

    join, joins = RegionResult.join, []

    def late(self, array):
        joins.append(self)
        join(self, array)

    monkeypatch.setattr(RegionResult, "join", late)
    task = submitted(fakeLogic.startSegmentation(volume, segmentation=node, roi=roiNode), fakeEngine)
    fakeEngine.begin(total=6)
    fakeEngine.finish((2,) * 9)
    standin.processUntil(lambda: joins)
    before = corrected(node, "right ventricle", np.s_[0, :4])
    end(task)
    segmentId = node.GetSegmentation().GetSegmentIdBySegmentName("right ventricle")
    found = slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId, volume)
    assert task.state == "finished" and len(joins) == 2
    assert before[0, :4].all() and (found == np.where(inside, 0, before)).all()


def test_a_result_on_another_grid_is_refused(fakeLogic, fakeEngine, volume):
    import slicer

    task, _labels = segmented(fakeLogic, fakeEngine, volume)
    node = task.segmentationNode
    roiNode = roiOn(volume)
    volume.SetSpacing(1.3, 1.25, 8.0)
    with pytest.raises(ValueError, match="grid of the volume"):
        fakeLogic.startSegmentation(volume, segmentation=node, roi=roiNode)
    volume.SetSpacing(1.25, 1.25, 8.0)
    task = submitted(fakeLogic.startSegmentation(volume, segmentation=node, roi=roiNode), fakeEngine)
    before = labelsOf(node, volume)
    volume.SetAndObserveTransformNodeID(None)  # it comes to that while the engine works
    fakeEngine.begin(total=6)
    fakeEngine.finish()
    end(task)
    assert task.state == "finished" and task.segmentationNode is not node
    volume.SetAndObserveTransformNodeID(node.GetTransformNodeID())
    assert (labelsOf(node, volume) == before).all()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 2


@pytest.mark.slow
def test_the_real_engine_does_less_and_the_same(logic, volume, models):
    roiNode = roiOn(volume, None, (30.0, 25.0, 13.0))
    inside = insideByVtk(roiNode, volume)
    slices = np.count_nonzero(inside.any(axis=(1, 2)))
    assert 0 < slices < inside.shape[0]
    import shutil

    # Clean-up looks at the parts that it sees, so it is left out of the comparison.
    folder = models / "tiny-1.0.0"
    content = json.loads((folder / "model.json").read_text())
    content["postprocessing"] = {"largest_component": [], "fill_holes": []}
    shutil.copytree(folder, models / "plain")
    try:
        (models / "plain" / "model.json").write_text(json.dumps({**content, "id": "plain"}))
        whole = labelsOf(logic.segment(volume, model="plain", device="cpu"), volume)
        totals = set()
        node = logic.segment(
            volume, model="plain", device="cpu", roi=roiNode, progress=lambda done, total, left: totals.add(total)
        )
    finally:
        shutil.rmtree(models / "plain")
    found = labelsOf(node, volume)
    assert totals == {slices}
    assert not found[~inside].any() and len(np.unique(whole[inside])) > 1
    assert (found[inside] == whole[inside]).mean() > 0.999  # batches of another size turn a tie
