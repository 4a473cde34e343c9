"""Volumes of the scene one after the other, with the one warm engine that loads the network once."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..jobs.job import CANCELLED, FAILED, FINISHED, JobProblem
from ..scene.nodes import referencedVolumeId
from ..segmenting.request import Request
from ..segmenting.segmentation import RUNNING, WAITING, SegmentationTask
from ..segmenting.taskRunner import TaskRunner
from .batch import Batch, BatchItem


class TaskSeries(Batch, VTKObservationMixin):
    """Tasks of the runner, each begun when the one before has ended, however it ended.

    :param makeRequest: takes a volume node and the segmentation node for the result, or None.
    """

    def __init__(
        self,
        items: Sequence[BatchItem],
        runner: TaskRunner,
        makeRequest: Callable[..., Request],
        structures: Sequence[str],
        onChanged: Callable[[], None] | None = None,
    ) -> None:
        Batch.__init__(self, items, structures, onChanged)
        VTKObservationMixin.__init__(self)
        self._runner = runner
        self._makeRequest = makeRequest
        self._task: SegmentationTask | None = None
        self._seconds: list[float] = []  # of those that have finished
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._onSceneClose)

    def start(self) -> None:
        """Begin with the first."""
        self._advance()

    @property
    def part(self) -> float:
        progress = self._task.job.progress if self._task is not None else None
        return progress.done / progress.total if progress is not None and progress.total else 0.0

    @property
    def secondsLeft(self) -> float | None:
        if not self._seconds:
            return None
        mean = sum(self._seconds) / len(self._seconds)
        return mean * (self.count(WAITING) + (1 - self.part if self._task is not None else 0))

    def cancel(self, reason: str = "") -> None:
        if self.ended or self.cancelling:
            return
        self.problem = JobProblem("cancelled", reason or _("Stopped."))
        for item in self.items:
            if item.state == WAITING:
                item.end(CANCELLED, self.problem.message)
        if self._task is not None:
            self._task.cancel(self.problem.message)
        self._changed()

    def abandon(self, reason: str) -> None:
        if self.ended:
            return
        self.onChanged = None
        self.cancel(reason)
        if self._task is not None:
            self._task.abandon(reason)  # which calls back, and so ends this

    def wait(self, progress: Callable[..., None] | None = None):
        """Block until all have ended, for scripts; the panel never calls this.

        :param progress: called with (volumes done, volumes in all, seconds left or None) when that changes.
        :return: itself.
        """
        shown = -1
        try:
            while not self.ended:
                self._runner.poll()
                done = len(self.items) - self.count(WAITING, RUNNING)
                if progress is not None and done != shown:
                    progress(done, len(self.items), self.secondsLeft)
                    shown = done
                time.sleep(0.02)
        except BaseException:
            self.abandon(_("The segmentation was interrupted."))
            raise
        if progress is not None and shown != len(self.items):
            progress(len(self.items), len(self.items), 0.0)
        return self

    @abstractmethod
    def _request(self, item: BatchItem) -> Request:
        """What to segment for an item. Raises ValueError, in words, when that cannot be."""

    def _take(self, item: BatchItem, task: SegmentationTask) -> None:
        """The task of an item has finished: keep its result."""
        item.result = task.segmentationNode

    def _close(self) -> None:
        """All have ended."""

    def _advance(self) -> None:
        while self._task is None and not self.ended:
            item = next((item for item in self.items if item.state == WAITING), None)
            if item is None:
                return self._end()
            try:
                self._task = self._runner.start(self._request(item), self._onTask)
                item.state = RUNNING
            except (ValueError, OSError) as error:
                item.end(FAILED, str(error))

    def _onTask(self) -> None:
        task, item = self._task, self.current
        if task is None or item is None:
            return
        if task.ended:
            self._task = None
            if task.state == FINISHED:
                self._finish(item, task)
            else:
                item.end(task.state, str(task.problem))
            self._advance()
        self._changed()

    def _finish(self, item: BatchItem, task: SegmentationTask) -> None:
        self._seconds.append(task.seconds)
        names = {structure.value: structure.name for structure in task.model.structures}
        item.volumes = {
            names[found["value"]]: found["volume_ml"]
            for found in task.summary.get("structures", [])
            if found.get("value") in names and isinstance(found.get("volume_ml"), (int, float))
        }
        item.end(FINISHED, " ".join(task.notices))
        try:
            self._take(item, task)
        except Exception as error:  # the next ones are not to suffer
            logging.exception("CMAformer: a result could not be kept")
            item.end(FAILED, _("Something unexpected happened: {error}").format(error=error))

    def _end(self) -> None:
        self.removeObservers()
        try:
            self._close()
        except Exception as error:
            logging.exception("CMAformer: the results could not be put together")
            words = _("Something unexpected happened: {error}").format(error=error)
            self.problem = self.problem or JobProblem("unexpected", words)
        self.ended = True

    def _onSceneClose(self, caller, event) -> None:
        self.cancel(_("The scene was closed."))


class VolumesBatch(TaskSeries):
    """Each volume gets a segmentation of its own.

    :param volumeNodes: scalar volumes. One that has left the scene, or cannot be segmented, fails in words.
    """

    def __init__(
        self,
        volumeNodes: Sequence[Any],
        runner: TaskRunner,
        makeRequest: Callable[..., Request],
        structures: Sequence[str],
        onChanged: Callable[[], None] | None = None,
    ) -> None:
        items = [BatchItem(node.GetName() or "", node) for node in volumeNodes]
        TaskSeries.__init__(self, items, runner, makeRequest, structures, onChanged)

    @property
    def isGone(self) -> bool:
        return not any(slicer.mrmlScene.IsNodePresent(item.source) for item in self.items)

    def _request(self, item: BatchItem) -> Request:
        if not slicer.mrmlScene.IsNodePresent(item.source):
            raise ValueError(_("The volume was deleted."))
        return self._makeRequest(item.source, None)


def volumesToSegment() -> list[Any]:
    """The images in the scene, in its order: no label maps, no colors, nothing that is hidden."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [n for n in nodes if n.GetClassName() == "vtkMRMLScalarVolumeNode" and not n.GetHideFromEditors()]


def resultsOf(modelId: str) -> dict[str, Any]:
    """The segmentations in the scene that a model has made, by the id of the volume."""
    found: dict[str, Any] = {}
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if node.GetAttribute("CMAformer.ModelId") == modelId:
            found.setdefault(referencedVolumeId(node), node)
    return found
