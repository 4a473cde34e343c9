"""What a user does in the section Segment."""

from __future__ import annotations

import standin


def volume():
    from CMAformerSegmentationLib.segmenting.selftest import makeTestVolume

    node = makeTestVolume()
    node.SetName("CineHeart 4D, end diastole")
    return node


def apply(panel, fakeEngine):
    before = len(fakeEngine.jobs)
    panel.ui.applyButton.click()
    standin.processUntil(lambda: len(fakeEngine.jobs) > before)


def status(panel) -> str:
    return panel.ui.statusLabel.text


def finishJob(panel, fakeEngine):
    fakeEngine.begin(6, 6)
    fakeEngine.finish()
    standin.processUntil(lambda: panel.segmentPanel.task.ended)


def chooseInLoadMenu(panel, text):
    (action,) = [action for action in panel.ui.loadButton.menu().actions() if action.text == text]
    action.trigger()
    return action


def ijkToRas(node):
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return matrix


def smallHeart(monkeypatch, draw=None):
    from CMAformerSegmentationLib.scene import sampleData, syntheticHeart

    small = draw or (lambda: syntheticHeart.shortAxisHeart(64, 56, 3, (6.0, 6.0, 25.0)))
    monkeypatch.setattr(sampleData, "shortAxisHeart", small)
