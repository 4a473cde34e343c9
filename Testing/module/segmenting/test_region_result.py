"""A region of interest: nothing outside of it is touched, and less is done."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fakes import end, segmentations, submitted
from regions import insideByVtk, roiOn

import standin

NAMES = ["right ventricle", "myocardium", "left ventricle"]
SLABS, OTHERS = (1, 2, 3, 1, 2, 3, 1, 2), (3, 1, 2, 3, 3, 1, 2, 3)  # what the fake engine finds, from left to right


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
    from CMAformerSegmentationLib.models.catalog import StructureClass
    from CMAformerSegmentationLib.scene import nodes as scene

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
    from CMAformerSegmentationLib.segmenting.regionResult import RegionResult

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
