"""A cine in the scene, and an engine that has begun with one of its frames."""

from __future__ import annotations

import standin


def makeCine(frames=3):
    import slicer

    from CMAformerSegmentationLib.segmenting.selftest import makeTestVolume

    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "cine")
    sequence.SetIndexName("trigger")
    sequence.SetIndexUnit("ms")
    node = makeTestVolume()
    transform = slicer.mrmlScene.GetNodeByID(node.GetTransformNodeID())
    for n in range(frames):
        slicer.util.arrayFromVolume(node)[:] = slicer.util.arrayFromVolume(node) * 0.8
        slicer.util.arrayFromVolumeModified(node)
        sequence.SetDataNodeAtValue(node, str(40 * n))
    slicer.mrmlScene.RemoveNode(node.GetDisplayNode())
    slicer.mrmlScene.RemoveNode(node)
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    browser.SetSelectedItemNumber(1)
    browser.GetProxyNode(sequence).SetAndObserveTransformNodeID(transform.GetID())
    return sequence, browser


def begun(fakeEngine, count):
    standin.processUntil(lambda: len(fakeEngine.jobs) == count)
    fakeEngine.begin(done=3, total=6)
