"""One segmentation, from the volume node to the segmentation node, in steps that never block.

    preparing   a thread saves the volume into the job folder
    waiting     the job is with the engine, which starts, loads the model, or is busy with another job
    running     slices are being segmented
    reading     a thread reads the label map
    finished | failed | cancelled

The scene may change at any time: nodes are kept by id and looked up again at the end.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from cmaformer.door.names import LABELS, UNCERTAINTY

from ..jobs.background import BackgroundCall
from ..jobs.engineProcess import EngineProtocol, explainExit
from ..jobs.job import CANCELLED, FAILED, FINISHED, INTERRUPTED, QUEUED, Job, JobProblem
from ..scene import nodes as scene
from ..scene.metaimage import readLabels
from .corrections import EarlierResult, fingerprint
from .fileProblem import fileProblem
from .inputVolumes import InputVolumes
from .regionResult import RegionResult
from .request import Request, SegmentationError
from .result import runFacts
from .review import UncertaintyMap

PREPARING = "preparing"
WAITING = "waiting"
RUNNING = "running"
READING = "reading"

cancelGraceSeconds = 8.0
stalledSeconds = 60.0
saveSeconds = 5.0  # at most, for a file that is being written while Slicer quits


class SegmentationTask(VTKObservationMixin):
    """A running segmentation. `poll()` moves it on; `onChanged` is called after every change that can be seen.

    :ivar state: see the module's text. :ivar problem: why it failed or was cancelled. :ivar summary: of the result.
    :raises ValueError: when the request cannot be carried out, in words.
    :raises OSError: when the job folder cannot be made.
    """

    def __init__(
        self, request: Request, engine: EngineProtocol, folder: Path, onChanged: Callable[[], None] | None = None
    ) -> None:
        VTKObservationMixin.__init__(self)
        problem = request.problem()
        if problem:
            raise ValueError(problem)
        self.state = PREPARING
        self.problem: JobProblem | None = None
        self.notices: list[str] = [remark] if (remark := request.remark()) else []
        self.summary: dict[str, Any] = {}
        self.model = request.model
        self.volumeName = request.volumeNode.GetName()
        self.segmentationNode = None
        self.uncertainty: UncertaintyMap | None = None
        self.seconds = 0.0
        self.onChanged = onChanged
        self._request = request
        self._parameters, self._region = request.parameters(), request.region()
        self._engine = engine
        self._outputId = request.segmentationNode.GetID() if request.segmentationNode else None
        self._cancelTime: float | None = None
        self._submissions = self._engineStart = 0
        self._startTime = self._lastSign = time.monotonic()
        self._volumes = InputVolumes((request.volumeNode, *request.others))
        self._snapshot, self._volumeId = self._volumes.first, request.volumeNode.GetID()
        # Of a region the user says that it is to be done again; else nothing that was corrected is lost.
        self._earlier = EarlierResult(None if self.isPartial else request.segmentationNode, request.volumeNode)
        self._fingerprint = ""
        self.job = Job.create(folder, "segment", self._description())
        self._work: BackgroundCall | None = BackgroundCall(self._save)
        self._labelImage: Any = None
        self._restricted: Any = None
        mrmlScene = slicer.mrmlScene
        self.addObserver(mrmlScene, mrmlScene.StartCloseEvent, self._onSceneClose)
        self.addObserver(mrmlScene, mrmlScene.NodeAboutToBeRemovedEvent, self._onNodeRemoved)

    @property
    def volumeNode(self):
        """The volume; None when it has left the scene."""
        return slicer.mrmlScene.GetNodeByID(self._volumeId)

    @property
    def isPartial(self) -> bool:
        """Whether only a region is segmented."""
        return "region" in self._parameters

    @property
    def ended(self) -> bool:
        return self.state in (FINISHED, FAILED, CANCELLED)

    @property
    def threadIsWorking(self) -> bool:
        return self._work is not None

    @property
    def stalled(self) -> bool:
        """Whether the engine has given no sign of life for a long time. It may still come back."""
        return self.state == RUNNING and time.monotonic() - self._lastSign > stalledSeconds

    @property
    def cancelling(self) -> bool:
        return self._cancelTime is not None and not self.ended

    def cancel(self, reason: str = "") -> None:
        """Stop, for a reason in words. The engine gets some seconds to stop by itself before it is ended."""
        if self.ended or self.cancelling:
            return
        self._cancelTime = time.monotonic()
        self.problem = JobProblem("cancelled", reason or _("The segmentation was cancelled."))
        self.job.requestCancel()
        self._changed()

    def poll(self) -> None:
        """Look at the thread, the job folder and the engine, and take the next step. Quick; never raises."""
        if self.ended:
            return
        try:
            self._step()
        except Exception as error:
            logging.exception("CMAformer: segmentation failed")
            self._fail(JobProblem("unexpected", _("Something unexpected happened: {error}").format(error=error)))

    def abandon(self, reason: str) -> None:
        """End at once, without waiting for the engine: the application quits or the module is unloaded."""
        if not self.ended:
            self.job.requestCancel()
            if self._work is not None:
                # A thread that still writes the copy of the image would leave it behind in the removed folder.
                self._work.wait(saveSeconds)
            self._end(CANCELLED, JobProblem("cancelled", reason))

    def wait(self, poll: Callable[[], None], progress: Callable[..., None] | None = None):
        """Block until it has ended, for scripts; the panel never calls this.

        :param poll: moves the task on.
        :param progress: called with (slices done, slices in all, seconds left or None) when that changes.
        :return: the segmentation node.
        :raises SegmentationError: when there is no result, with the reason in words.
        """
        shown = None
        try:
            while not self.ended:
                poll()
                now = self.job.progress
                if progress is not None and now.total and now != shown:
                    progress(now.done, now.total, now.secondsLeft)
                    shown = now
                time.sleep(0.02)
        except BaseException:
            self.abandon(_("The segmentation was interrupted."))
            raise
        if self.problem is not None:
            raise SegmentationError(self.problem)
        return self.segmentationNode

    def _step(self) -> None:
        if self._work is not None:
            if not self._work.done:
                return
            work, self._work = self._work, None
            if self.cancelling:
                return self._end(CANCELLED, self.problem)
            if work.error is not None:
                return self._fail(fileProblem(work.error))
            return self._submit() if self.state == PREPARING else self._adopt()
        if self.job.poll():
            self._lastSign = time.monotonic()
            if self.state == WAITING and self.job.progress.total:
                self.state = RUNNING
            self._changed()
        if self.job.ended:
            return self._onJobEnd()
        if self._cancelTime is not None:
            if self.job.state == QUEUED:
                return self._end(CANCELLED, self.problem)  # the engine has not begun; it will not find the folder
            if time.monotonic() - self._cancelTime > cancelGraceSeconds:
                self._engine.kill()
                return self._end(CANCELLED, self.problem)
        if not self._engine.isRunning() or self._engine.starts != self._engineStart:
            self._onEngineGone()

    def _save(self) -> None:
        self._volumes.write(self.job.folder)
        self._earlier.look()

    def _submit(self) -> None:
        self._volumes.releaseVoxels()
        try:
            self._submissions += 1
            self._engine.submit(self.job.folder)
            self._engineStart = self._engine.starts
        except OSError as error:
            logging.error("CMAformer: the engine cannot be started: %s", error)
            hint = _("Check the Python program in the settings, or install the extension again.")
            return self._fail(JobProblem("engine-start", _("The segmentation engine cannot be started."), hint))
        self.state = WAITING
        self._changed()

    def _onEngineGone(self) -> None:
        self.job.poll()  # it may have written its last words just before it left
        if self.job.ended:
            return self._onJobEnd()
        if self.cancelling:
            return self._end(CANCELLED, self.problem)
        code = self._engine.exitCode()
        blameless = code in (0, None) or self._engine.wasKilled  # it was idle, or another job had to be ended by force
        if blameless and self.job.state == QUEUED and self._submissions < 3:
            return self._submit()
        logging.error("CMAformer: the engine ended with exit code %s", code)
        self._fail(explainExit(code))

    def _onJobEnd(self) -> None:
        state = self.job.state
        if state == CANCELLED or self.cancelling:
            return self._end(CANCELLED, self.problem or JobProblem("cancelled", _("The segmentation was cancelled.")))
        if state in (FAILED, INTERRUPTED):
            return self._fail(self.job.error or explainExit(None))
        self.summary = self.job.summary
        self._labelImage, labels = scene.newLabelImage(self._snapshot.geometry)
        output = slicer.mrmlScene.GetNodeByID(self._outputId) if self._outputId else None
        restricted = RegionResult(self._region, self._snapshot, self.model.structures, output, self.volumeNode)
        self._restricted, path = restricted, self.job.resultFolder / LABELS

        unsure, geometry = self.job.resultFolder / UNCERTAINTY, self._snapshot.geometry

        def read() -> None:
            readLabels(path, labels)
            self.uncertainty = UncertaintyMap(unsure, geometry) if unsure.exists() else None
            restricted.join(labels)
            self._fingerprint = fingerprint(labels, [structure.value for structure in self.model.structures])

        self._work = BackgroundCall(read)
        self.state = READING
        self._changed()

    def _adopt(self) -> None:
        volumeNode = slicer.mrmlScene.GetNodeByID(self._snapshot.nodeId)
        image = volumeNode.GetImageData() if volumeNode else None
        if image is None or tuple(image.GetDimensions()) != tuple(self._snapshot.geometry.size):
            message = _("The volume was changed to another size meanwhile, so that the result does not fit any more.")
            return self._fail(JobProblem("volume-changed", message, _("Segment it again.")))
        if self._restricted.isOutdated:
            return self._onJobEnd()  # the user has corrected what is to be kept
        if self._snapshot.isOutdated(volumeNode):
            self.notices.append(_("The volume was changed meanwhile: the result belongs to how it was before."))
        output = slicer.mrmlScene.GetNodeByID(self._outputId) if self._outputId else None
        restricted, model = self._restricted, self.model
        self.summary, target = restricted.summary(self.summary), restricted.target(output)
        if self._earlier.mustBeKept:
            target = None
        self.segmentationNode = scene.adoptLabels(
            self._labelImage, volumeNode, model.structures, model.id, self._provenance(), target, restricted
        )
        self.notices += restricted.notices()
        if self._earlier.mustBeKept:
            self.notices.append(
                _("The chosen segmentation was corrected: it was kept, and the result is in a new one.")
            )
        elif output is not None and self.segmentationNode is not output:
            self.notices.append(_("The result is in a new segmentation, because the chosen one was changed meanwhile."))
        self.notices += [str(warning) for warning in self.job.warnings]
        self._end(FINISHED, None)

    def _description(self) -> dict[str, Any]:
        return {
            "inputs": self._volumes.inputs(),
            "model": {"id": self.model.id, "sha256": self.model.sha256},
            "parameters": self._parameters,
            "seed": 0,
            "engine_version": self._request.engineVersion,
        }

    def _provenance(self) -> dict[str, Any]:
        used = {key: self.summary[key] for key in ("device", "precision", "batch_size") if key in self.summary}
        return {
            "ModelId": self.model.id,
            "ModelSha256": self.model.sha256,
            "Fingerprint": self._fingerprint,
            **runFacts(self.job.id, self.summary),
            "EngineVersion": str(self.summary.get("engine_version") or self._request.engineVersion),
            "Date": datetime.now().astimezone().isoformat(timespec="seconds"),
            "Parameters": {**self._parameters, **self._restricted.provenance(), "used": used},
        }

    def _fail(self, problem: JobProblem) -> None:
        self._end(FAILED, problem)

    def _end(self, state: str, problem: JobProblem | None) -> None:
        self.state = state
        self.problem = problem
        self.seconds = time.monotonic() - self._startTime
        self.removeObservers()
        self._labelImage = self._restricted = None
        self.job.remove()
        self._changed()

    def _changed(self) -> None:
        if self.onChanged is not None:
            self.onChanged()

    def _onSceneClose(self, caller, event) -> None:
        self.cancel(_("The scene was closed, so the segmentation was stopped."))

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, caller, event, node) -> None:
        if node is None:
            return
        if node.GetID() == self._snapshot.nodeId:
            self.cancel(_("The volume was deleted, so the segmentation was stopped."))
        elif node.GetID() == self._outputId:
            self.cancel(_("The chosen result was deleted, so the segmentation was stopped."))
