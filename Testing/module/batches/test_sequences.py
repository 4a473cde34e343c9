"""Every frame of a sequence, with Slicer's own sequences, browsers and their logic."""

from __future__ import annotations

import numpy as np
import pytest
from cines import begun, makeCine

import standin


@pytest.fixture
def cine(scene, module):
    """A browsed sequence of three frames under a transform, the ball smaller in each; its second frame is shown."""
    return makeCine()


def ids():
    import slicer

    return sorted(node.GetID() for node in slicer.util.getNodes("*", useLists=True).values() for node in node)


def voxels(segmentationNode):
    """Voxels of each segment."""
    from vtk.util.numpy_support import vtk_to_numpy

    segmentation = segmentationNode.GetSegmentation()
    if not segmentation.GetNumberOfSegments():
        return []
    image = segmentation.GetNthSegment(0).GetRepresentation("Binary labelmap")
    values = vtk_to_numpy(image.GetPointData().GetScalars())
    return [int((values == segmentation.GetNthSegment(n).GetLabelValue()).sum()) for n in range(3)]


def imageToWorld(segment):
    import vtk

    matrix = vtk.vtkMatrix4x4()
    segment.GetRepresentation("Binary labelmap").GetImageToWorldMatrix(matrix)
    return [matrix.GetElement(n // 4, n % 4) for n in range(16)]


@pytest.mark.slow
def test_with_the_real_engine(logic, cine):
    """One network for all; image and segmentation are browsed together, each as if it had been segmented alone."""
    import slicer

    sequence, browser = cine
    volume = browser.GetProxyNode(sequence)
    shown = slicer.util.arrayFromVolume(volume).copy()
    batch = logic.segmentSequence(volume, device="cpu")
    assert [item.state for item in batch.items] == ["finished"] * 3, batch.table()
    assert logic.runner.engine.starts == 1
    assert browser.GetSelectedItemNumber() == 1 and (slicer.util.arrayFromVolume(volume) == shown).all()

    result = batch.sequenceNode
    assert result.GetName() == "cine segmentation" and result.GetNumberOfDataNodes() == 3
    assert (result.GetIndexName(), result.GetIndexUnit()) == ("trigger", "ms")
    assert [result.GetNthIndexValue(n) for n in range(3)] == ["0", "40", "80"]
    assert result.GetAttribute("CMAformer.ModelId") == "tiny-1.0.0" and result.GetAttribute("CMAformer.Date")
    assert browser.IsSynchronizedSequenceNode(result) and browser.GetMasterSequenceNode() is sequence

    segmentation = browser.GetProxyNode(result)
    assert segmentation.GetDisplayNode() is not None
    assert segmentation.GetTransformNodeID() == volume.GetTransformNodeID() is not None
    for n in range(3):
        browser.SetSelectedItemNumber(n)
        alone = logic.segment(volume, device="cpu")
        assert voxels(segmentation) == voxels(alone) and sum(voxels(alone))
        found, expected = (node.GetSegmentation().GetNthSegment(0) for node in (segmentation, alone))
        assert found.GetName() == expected.GetName() and found.GetColor() == expected.GetColor()
        assert imageToWorld(found) == imageToWorld(expected)
        assert slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "myocardium").shape == shown.shape
    table = [line.split("\t") for line in batch.table().splitlines()]
    assert [row[:2] for row in table[1:]] == [[f"trigger {value} ms", "done"] for value in (0, 40, 80)]
    assert len({row[4] for row in table[1:]}) > 1


def test_nothing_but_the_result_comes_into_the_scene(fakeLogic, fakeEngine, cine):
    import slicer

    _sequence, browser = cine
    before = ids()
    batch = fakeLogic.segmentSequence(browser, wait=False)
    assert len(ids()) == len(before) + 2  # hidden
    assert all(node.GetHideFromEditors() for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"))
    for n in range(3):
        begun(fakeEngine, n + 1)
        fakeEngine.finish(values=(1, 2, 3)[: n + 1])
    standin.processUntil(lambda: batch.ended)
    segmentation = browser.GetProxyNode(batch.sequenceNode)
    own = [batch.sequenceNode, segmentation, segmentation.GetDisplayNode(), segmentation.GetStorageNode()]
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    assert {i for i in ids() if i not in before} <= {node.GetID() for node in (*own, hierarchy) if node is not None}
    found = []
    for n in range(3):
        browser.SetSelectedItemNumber(n)
        found.append(sum(count > 0 for count in voxels(segmentation)))
    assert found == [1, 2, 3]


def test_a_frame_that_fails_is_left_out_and_shows_nothing(fakeLogic, fakeEngine, cine):
    sequence, browser = cine
    batch = fakeLogic.segmentSequence(sequence, wait=False)
    begun(fakeEngine, 1)
    fakeEngine.finish()
    begun(fakeEngine, 2)
    fakeEngine.event("error", code="out-of-memory", message="The GPU has too little memory.", hint="Use the CPU.")
    begun(fakeEngine, 3)
    fakeEngine.finish()
    standin.processUntil(lambda: batch.ended)
    assert batch.results[1] == ("40", None, "The GPU has too little memory. Use the CPU.")
    assert batch.status() == "2 done, 1 failed." and batch.sequenceNode.GetNumberOfDataNodes() == 2
    segmentation = browser.GetProxyNode(batch.sequenceNode)
    for n, segments in ((0, 3), (1, 0), (2, 3), (1, 0)):
        browser.SetSelectedItemNumber(n)
        assert segmentation.GetSegmentation().GetNumberOfSegments() == segments
    assert batch.sequenceNode.GetNumberOfDataNodes() == 2


def test_what_is_corrected_in_a_frame_stays(fakeLogic, fakeEngine, cine):
    import slicer

    sequence, browser = cine
    batch = fakeLogic.segmentSequence(sequence, wait=False)
    for n in range(3):
        begun(fakeEngine, n + 1)
        fakeEngine.finish()
    standin.processUntil(lambda: batch.ended)
    segmentation, volume = browser.GetProxyNode(batch.sequenceNode), browser.GetProxyNode(sequence)
    browser.SetSelectedItemNumber(0)
    before = voxels(segmentation)
    full = np.ones(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(full, segmentation, "left_ventricle", volume)
    browser.SetSelectedItemNumber(2)
    assert voxels(segmentation) == before
    browser.SetSelectedItemNumber(0)
    assert (slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "left_ventricle", volume) == 1).all()


@pytest.mark.parametrize("how", ["cancel", "sequence", "scene", "module"])
def test_stopping_leaves_nothing_behind(fakeLogic, fakeEngine, cine, how):
    import slicer

    sequence, _browser = cine
    before = ids()
    batch = fakeLogic.segmentSequence(sequence, wait=False)
    begun(fakeEngine, 1)
    fakeEngine.finish()
    begun(fakeEngine, 2)
    if how == "cancel":
        batch.cancel()
    elif how == "sequence":
        slicer.mrmlScene.RemoveNode(sequence)
        before.remove("vtkMRMLSequenceNode1")
    elif how == "scene":
        standin.closeScene()
        before = ids()
    else:
        fakeLogic.cleanup()
    if how != "module":
        fakeEngine.event("cancelled")
    standin.processUntil(lambda: batch.ended)
    words = {"sequence": "The sequence was deleted.", "scene": "The scene was closed.", "module": "Slicer was closed."}
    assert str(batch.problem) == words.get(how, "Stopped.")
    assert ids() == before and batch.sequenceNode is None and batch.Observations == []
    assert [item.state for item in batch.items] == ["cancelled"] * 3
    assert [result for _value, result, _problem in batch.results] == [None] * 3


def test_no_frame_with_a_result(fakeLogic, fakeEngine, cine):
    before = ids()
    fakeEngine.refusesToStart = True
    batch = fakeLogic.segmentSequence(cine[0])
    assert batch.sequenceNode is None and batch.count("failed") == 3 and ids() == before


def test_a_sequence_without_a_browser(fakeLogic, fakeEngine, cine):
    import slicer

    sequence, browser = cine
    slicer.mrmlScene.RemoveNode(browser)
    batch = fakeLogic.segmentSequence(sequence, wait=False)
    sequence.RemoveDataNodeAtValue("80")
    for n in range(2):
        begun(fakeEngine, n + 1)
        fakeEngine.finish()
    standin.processUntil(lambda: batch.ended)
    assert batch.results[2][2] == "The frame was deleted."
    assert batch.sequenceNode.GetNumberOfDataNodes() == 2
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == []


def test_what_cannot_be_segmented_is_said_at_once(fakeLogic, volume, monkeypatch):
    import slicer

    before = ids()
    with pytest.raises(ValueError, match="a frame of a sequence"):
        fakeLogic.segmentSequence(volume)
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "points")
    with pytest.raises(ValueError, match="sequence is empty"):
        fakeLogic.segmentSequence(sequence)
    sequence.SetDataNodeAtValue(slicer.vtkMRMLModelNode(), "0")
    with pytest.raises(ValueError, match="has no volumes"):
        fakeLogic.segmentSequence(sequence)
    assert ids() == sorted([*before, sequence.GetID()])
    monkeypatch.delattr(slicer, "vtkMRMLSequenceNode")
    with pytest.raises(ValueError, match="built without sequences"):
        fakeLogic.segmentSequence(sequence)
