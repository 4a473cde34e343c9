"""What a user has corrected in a result is never overwritten, and the numbers of the result follow it."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from panels import apply, finishJob, status, volume

import standin


@pytest.fixture
def result(panel, fakeEngine):
    """A volume that was segmented, and its result."""
    panel._parameterNode.inputVolume = volume()
    apply(panel, fakeEngine)
    finishJob(panel, fakeEngine)
    return panel._parameterNode.outputSegmentation


def labelsOf(node, segmentId):
    import slicer

    return slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId, reference(node))


def reference(node):
    import slicer

    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    return node.GetNodeReference(role)


def correct(node, segmentId, change):
    """Change the label map of a segment as the Segment Editor does."""
    import slicer

    labels = labelsOf(node, segmentId).copy()
    change(labels)
    slicer.util.updateSegmentBinaryLabelmapFromArray(labels, node, segmentId, reference(node))
    return labels


def erase(labels):
    where = np.argwhere(labels)
    labels[tuple(where[: len(where) // 2].T)] = 0


def test_an_untouched_result_is_replaced(panel, fakeEngine, result):
    import slicer

    apply(panel, fakeEngine)
    finishJob(panel, fakeEngine)
    assert panel._parameterNode.outputSegmentation is result
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 1
    assert "corrected" not in status(panel)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_corrected_result_is_kept(panel, fakeEngine, result, when):
    import slicer

    segmentId = result.GetSegmentation().GetNthSegmentID(0)
    if when == "before":
        kept = correct(result, segmentId, erase)
    apply(panel, fakeEngine)
    if when == "meanwhile":
        kept = correct(result, segmentId, erase)
    finishJob(panel, fakeEngine)
    new = panel._parameterNode.outputSegmentation
    assert new is not result and len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 2
    assert np.array_equal(labelsOf(result, segmentId), kept)
    assert "was corrected: it was kept, and the result is in a new one" in status(panel)


def test_a_result_whose_segment_was_deleted_is_kept(panel, fakeEngine, result):
    result.GetSegmentation().RemoveSegment(result.GetSegmentation().GetNthSegmentID(1))
    apply(panel, fakeEngine)
    finishJob(panel, fakeEngine)
    assert panel._parameterNode.outputSegmentation is not result
    assert result.GetSegmentation().GetNumberOfSegments() == len(panel.segmentPanel.model.structures) - 1


def test_a_corrected_result_of_a_saved_scene_is_kept(panel, fakeEngine, result):
    """What is needed to know it is in the scene, not in the memory of the session."""
    segmentId = result.GetSegmentation().GetNthSegmentID(0)
    correct(result, segmentId, erase)
    panel.segmentPanel.task = None
    apply(panel, fakeEngine)
    finishJob(panel, fakeEngine)
    assert panel._parameterNode.outputSegmentation is not result


def test_the_table_copy_and_file_have_the_numbers_of_the_corrected_result(panel, fakeEngine, result):
    import qt
    import slicer

    from CMAformerSegmentationLib.segmenting.structuresTable import structureRows

    table, shown = panel.ui.structuresTable, panel.segmentPanel.result._result
    before = [[table.item(row, column).text() for column in (1, 2, 3, 4)] for row in range(table.rowCount)]
    segmentId = result.GetSegmentation().GetNthSegmentID(0)
    labels = correct(result, segmentId, erase)
    panel.segmentPanel.update()  # as when the user comes back from the Segment Editor
    standin.processUntil(lambda: shown.recounts)
    after = [[table.item(row, column).text() for column in (1, 2, 3, 4)] for row in range(table.rowCount)]
    count = int(np.count_nonzero(labels))
    spacing = np.prod(panel._parameterNode.inputVolume.GetSpacing()) / 1000
    gray = slicer.util.arrayFromVolume(panel._parameterNode.inputVolume)[labels > 0]
    assert after[0] == [f"{before[0][0]} (corrected)", f"{count * spacing:.1f}", str(count), f"{gray.mean():.4g}"]
    assert [row[:3] for row in after[1:]] == [row[:3] for row in before[1:]]
    panel.ui.copyButton.click()
    copied = list(csv.reader(io.StringIO(qt.QApplication.clipboard().text()), delimiter="\t"))
    assert copied[1] == after[0] and copied == [list(row) for row in structureRows(shown)]
    panel.segmentPanel.update()
    assert shown.recounts == 1  # nothing changed since


def test_the_table_belongs_to_the_chosen_segmentation(panel, fakeEngine, result):
    """After another volume, and where no task of this session made it, as in a scene that was saved."""
    table = panel.ui.structuresTable

    def rows():
        return [[table.item(row, column).text() for column in (1, 2, 3)] for row in range(table.rowCount)]

    made = rows()
    panel._parameterNode.inputVolume = volume()
    assert panel._parameterNode.outputSegmentation is None and not table.isVisibleTo(table.parent())
    panel._parameterNode.outputSegmentation = result
    standin.processUntil(lambda: rows() == made)
    assert table.isVisibleTo(table.parent()) and panel.ui.exportButton.enabled

    segmentId = result.GetSegmentation().GetNthSegmentID(0)
    count = int(np.count_nonzero(correct(result, segmentId, erase)))
    panel.segmentPanel.task = None
    panel.segmentPanel._results.clear()
    panel.segmentPanel.update()
    standin.processUntil(lambda: rows()[0][:3:2] == [f"{made[0][0]} (corrected)", str(count)])
    assert rows()[1:] == made[1:]
    panel._parameterNode.outputSegmentation = None
    assert not table.isVisibleTo(table.parent()) and panel.segmentPanel.result._nodes() is None
