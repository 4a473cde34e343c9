"""Every frame of a sequence of volumes, such as a cine, into a sequence of segmentations that is browsed with it.

The frames are not in the scene but in the sequence's own. Each is lent to a hidden volume node of the scene while it is
segmented, so that the frame that the user looks at stays the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from ..jobs.job import CANCELLED, FINISHED
from ..scene import nodes as scene
from ..segmenting.request import Request
from ..segmenting.segmentation import SegmentationTask
from ..segmenting.taskRunner import TaskRunner
from .batch import BatchItem
from .volumes import TaskSeries


class SequenceBatch(TaskSeries):
    """The frames of a sequence one after the other. The result comes into the scene when all have ended.

    :param sequenceNode: a sequence of scalar volumes.
    :param browserNode: with which the result is browsed; None when the sequence has none.
    :raises ValueError: in words, when the sequence cannot be segmented.
    :ivar sequenceNode: the sequence of segmentations; None until it is there, and when no frame has a result.
    """

    def __init__(
        self,
        sequenceNode,
        browserNode,
        runner: TaskRunner,
        makeRequest: Callable[..., Request],
        structures: Sequence[str],
        onChanged: Callable[[], None] | None = None,
    ) -> None:
        problem = sequenceProblem(sequenceNode)
        if problem:
            raise ValueError(problem)
        values = [sequenceNode.GetNthIndexValue(n) for n in range(sequenceNode.GetNumberOfDataNodes())]
        index = _("{name} {value} {unit}")
        titles = [
            index.format(name=sequenceNode.GetIndexName() or "", value=value, unit=sequenceNode.GetIndexUnit() or "")
            for value in values
        ]
        items = [BatchItem(title.strip(), value) for title, value in zip(titles, values)]
        TaskSeries.__init__(self, items, runner, makeRequest, structures, onChanged)
        self.sequenceNode: Any = None
        self._source, self._browser = sequenceNode, browserNode
        self._result = slicer.vtkMRMLSequenceNode()
        self._result.SetIndexName(sequenceNode.GetIndexName())
        self._result.SetIndexUnit(sequenceNode.GetIndexUnit())
        self._result.SetIndexType(sequenceNode.GetIndexType())
        self._result.SetNumericIndexValueTolerance(sequenceNode.GetNumericIndexValueTolerance())
        self._provenance: dict[str, str] = {}
        name = _("Frame of {sequence}").format(sequence=sequenceNode.GetName())
        self._volume = _addHidden(slicer.vtkMRMLScalarVolumeNode(), name)
        self._segmentation = _addHidden(slicer.vtkMRMLSegmentationNode(), name)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAboutToBeRemovedEvent, self._onNodeRemoved)

    @property
    def isGone(self) -> bool:
        return not slicer.mrmlScene.IsNodePresent(self._source)

    def _request(self, item: BatchItem) -> Request:
        frame = self._source.GetDataNodeAtValue(item.source)
        problem = _("The frame was deleted.") if frame is None else scene.volumeProblem(frame)
        if not slicer.mrmlScene.IsNodePresent(self._volume) or not slicer.mrmlScene.IsNodePresent(self._segmentation):
            problem = _("A hidden node of the scene was deleted. Segment the sequence again.")
        if problem:
            raise ValueError(problem)
        self._volume.SetAndObserveImageData(frame.GetImageData())
        self._volume.CopyOrientation(frame)
        return self._makeRequest(self._volume, self._segmentation)

    def _take(self, item: BatchItem, task: SegmentationTask) -> None:
        made: Any = task.segmentationNode
        try:
            item.result = self._result.SetDataNodeAtValue(made, item.source)  # a copy
        finally:
            if made is not self._segmentation:  # somebody has changed the hidden one
                _remove(made)
        item.result.SetName(_("{sequence} segmentation").format(sequence=self._source.GetName()))
        for name in made.GetAttributeNames():
            if name.startswith("CMAformer."):
                self._provenance[name] = made.GetAttribute(name)

    def _close(self) -> None:
        for node in (self._volume, self._segmentation):
            _remove(node)
        if self.problem is not None:
            for item in self.items:
                item.result, item.volumes = None, {}
                item.end(CANCELLED, self.problem.message)
        if not self.count(FINISHED):
            return
        name = _("{sequence} segmentation").format(sequence=self._source.GetName())
        self._result.SetName(slicer.mrmlScene.GenerateUniqueName(name))
        for name, value in self._provenance.items():
            self._result.SetAttribute(name, value)
        self.sequenceNode = slicer.mrmlScene.AddNode(self._result)
        if self._browser is not None and slicer.mrmlScene.IsNodePresent(self._browser):
            _browseTogether(self._browser, self._source, self.sequenceNode)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, caller, event, node) -> None:
        if node is self._source:
            self.cancel(_("The sequence was deleted."))


def sequenceOf(node) -> tuple[Any, Any]:
    """The sequence that a node stands for, and the browser with which it is browsed.

    :param node: a sequence, a browser of sequences, or what a browser shows of one in the scene.
    :return: (sequence node or None, browser node or None).
    """
    if node is None or not hasattr(slicer, "vtkMRMLSequenceNode"):
        return None, None
    if node.IsA("vtkMRMLSequenceBrowserNode"):
        return node.GetMasterSequenceNode(), node
    for browser in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode"):
        if node.IsA("vtkMRMLSequenceNode"):
            if browser.IsSynchronizedSequenceNode(node, True):
                return node, browser
        elif browser.GetSequenceNode(node) is not None:
            return browser.GetSequenceNode(node), browser
    return (node, None) if node.IsA("vtkMRMLSequenceNode") else (None, None)


def sequenceProblem(sequenceNode) -> str:
    """What is wrong with a sequence as an input, in words; an empty string when it can be segmented."""
    if not hasattr(slicer, "vtkMRMLSequenceNode"):
        return _("This Slicer was built without sequences.")
    if sequenceNode is None:
        return _("Choose a volume that is a frame of a sequence.")
    if sequenceNode.GetNumberOfDataNodes() == 0:
        return _("The sequence is empty.")
    if not sequenceNode.GetNthDataNode(0).IsA("vtkMRMLScalarVolumeNode"):
        return _("The sequence has no volumes.")
    return ""


def _browseTogether(browserNode, sourceNode, sequenceNode) -> None:
    """Let a browser show segmentations with the volumes that they belong to."""
    browserNode.AddSynchronizedSequenceNodeID(sequenceNode.GetID())
    # A frame without a result shows none, not that of the frame before.
    browserNode.SetMissingItemMode(sequenceNode, browserNode.MissingItemSetToDefault)
    browserNode.SetSaveChanges(sequenceNode, True)  # what is corrected in a frame is not lost with the next one
    volumeNode, segmentationNode = browserNode.GetProxyNode(sourceNode), browserNode.GetProxyNode(sequenceNode)
    if segmentationNode is None or volumeNode is None:
        return
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    segmentationNode.SetNodeReferenceID(role, volumeNode.GetID())
    segmentationNode.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    if segmentationNode.GetDisplayNode() is None:
        segmentationNode.CreateDefaultDisplayNodes()
    scene.placeBesideVolume(segmentationNode, volumeNode)


def _addHidden(node, name: str):
    node.SetName(name)
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    return slicer.mrmlScene.AddNode(node)


def _remove(node) -> None:
    """Remove a node with its display nodes, whose views would keep them."""
    if not slicer.mrmlScene.IsNodePresent(node):
        return
    for display in [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]:
        if display is not None:
            slicer.mrmlScene.RemoveNode(display)
    slicer.mrmlScene.RemoveNode(node)
