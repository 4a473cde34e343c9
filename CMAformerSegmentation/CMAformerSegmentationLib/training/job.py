"""One training as Slicer sees it; its files are those of `TrainingFolder`. Its states:

- preparing: cases are being saved from the scene; ends with Slicer
- queued: waits for the trainings before it
- running: a process works on it, with or without this Slicer
- paused, cancelled, interrupted: its process has left; `resume()` goes on from the last checkpoint
- failed, finished
- reading: its history is long, and has not been read to the end
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ..cases.export import CaseExport
from ..jobs.environment import bundledModelFolders, userModelFolder
from ..jobs.job import CANCELLED, FAILED, FINISHED, INTERRUPTED, QUEUED, RUNNING, Job, JobProblem
from ..models.catalog import ModelEntry
from ..models.library import adoptModel
from .folder import QUEUED_MARK, STOPPED_MARK, TrainingFolder
from .history import TrainingHistory
from .problems import exitProblem, preparationProblem
from .process import ProcessProtocol, TrainingProcess
from .request import TrainingError, TrainingRequest, trainingArguments

PREPARING = "preparing"
PAUSED = "paused"
READING = "reading"
movingStates = (PREPARING, QUEUED, RUNNING, READING)
endStates = (FINISHED, FAILED, CANCELLED, PAUSED, INTERRUPTED)

stopGraceSeconds = 30.0  # saving a checkpoint takes seconds; then the process is ended
stalledSeconds = 60.0
readBytes = 1 << 16  # of the events at a time: milliseconds of the main thread


class Training:
    """A training in its folder. `poll()` brings it up to date; `onChanged` is called after changes that can be seen.

    :ivar folder: see the module's text. :ivar state: likewise; as the last `poll()` found it.
    :ivar history: loss and Dice so far.
    """

    def __init__(self, folder: Path, process: ProcessProtocol | None = None) -> None:
        self.files = TrainingFolder(folder)
        self.process: ProcessProtocol = process or TrainingProcess(folder)
        self.onChanged: Callable[[], None] | None = None
        self.job = Job(self.files.job)
        self.history = TrainingHistory()
        self._export: CaseExport | None = None
        self.state = PREPARING
        self._stopTime: float | None = None
        self._startProblem: JobProblem | None = None
        self._lastSign = time.monotonic()
        # Of the queue, which starts it when its turn has come:
        self.pollAll: Callable[[], None] = self.poll
        self.watch: Callable[[], None] = self.poll

    @classmethod
    def create(
        cls, root: Path, request: TrainingRequest, makeProcess: Callable[[Path], ProcessProtocol] = TrainingProcess
    ) -> Training:
        """Make the folder of a new training and begin to save its cases.

        :raises ValueError: when the request cannot be carried out, in words.
        :raises OSError: when the folder cannot be made.
        """
        problem = request.problem()
        if problem:
            raise ValueError(problem)
        files = TrainingFolder.make(root, request.describe())
        training = cls(files.path, makeProcess(files.path))
        training._export = CaseExport(request.cases, request.structures, files.cases, request.mapping)
        return training

    # --- what it is ----------------------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        return self.files.path

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def request(self) -> dict[str, Any]:
        """What was asked for; empty when the folder has gone."""
        return self.files.request

    @property
    def name(self) -> str:
        return str(self.request.get("name", self.id))

    @property
    def ended(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in endStates

    @property
    def stopping(self) -> bool:
        return self._stopTime is not None and not self.ended

    @property
    def stalled(self) -> bool:
        """Whether the process has given no sign of life for a long time. It may still come back."""
        return self.state == RUNNING and time.monotonic() - self._lastSign > stalledSeconds

    @property
    def problem(self) -> JobProblem | None:
        """Why it has not finished, in words; None while it runs or waits, and when it has."""
        state = self.state
        if state == FAILED and not self.files.exists:
            message = _("The folder of this training was deleted.")
            return JobProblem("deleted", message, _("Start a new one."))
        if state == FAILED and not self.files.hasCases:
            return preparationProblem(self._export.error if self._export is not None else None)
        if state == FAILED:
            return self.job.error
        if state in (CANCELLED, PAUSED):
            text = _("The training was paused.") if state == PAUSED else _("The training was stopped.")
            return JobProblem(state, text, _("It can go on from where it was."))
        return (self._startProblem or exitProblem(self.process.exitCode())) if state == INTERRUPTED else None

    @property
    def report(self) -> dict[str, Any]:
        """The engine's report on the result; empty while there is none."""
        return self.files.report

    @property
    def metrics(self) -> dict[str, Any]:
        """What is known so far: "losses", "looks" and "before" (see `TrainingHistory`), and the "report" at the end."""
        known = self.history
        return {"losses": list(known.losses), "looks": list(known.looks), "before": known.before, "report": self.report}

    @property
    def improved(self) -> bool | None:
        """Whether the result is better than its base on the held-out cases; None where that is not known."""
        before, after = (_meanDice(self.report.get(key)) for key in ("before", "after"))
        return None if before is None or after is None else after > before

    @property
    def modelFolder(self) -> Path | None:
        """The folder of the new model within the result, once there is one."""
        return self.files.model

    def log(self, lines: int = 40) -> str:
        """The last lines that the process printed."""
        return self.files.log(lines)

    # --- what can be done with it ----------------------------------------------------------------------------------

    def poll(self, whole: bool = False, most: int = readBytes) -> None:
        """Take in what has happened. Quick; never raises.

        :param whole: read a long history to its end at once, for scripts.
        :param most: bytes of it to read now, otherwise.
        """
        if self._export is not None and not self._export.done and self._export.error is None:
            self._export.poll()
            if self._export.done:
                self.files.mark(QUEUED_MARK)
            self._lastSign = time.monotonic()
        # In this order: what a process told last is there when it has gone.
        isRunning = self.process.isRunning()
        events = self.job.poll(-1 if whole else most)
        if events:
            self._lastSign = time.monotonic()
        for event in events:
            self.history.take(event)
        if isRunning and self._stopTime is not None and time.monotonic() - self._stopTime > stopGraceSeconds:
            self.process.kill()
            isRunning = self.process.isRunning()
        before, self.state = self.state, self._derivedState(isRunning)
        if self.ended:
            self._stopTime = None
        if (events or self.state != before or self.state == PREPARING) and self.onChanged is not None:
            self.onChanged()

    @property
    def threadIsWorking(self) -> bool:
        return self._export is not None and self._export.threadIsWorking

    @property
    def savedCases(self) -> tuple[int, int]:
        """Cases that have been saved from the scene, and all of them."""
        return (self._export.count, self._export.total) if self._export is not None else (0, 0)

    def cancel(self) -> None:
        """Stop it. A checkpoint is saved, so that it can be resumed."""
        self._stop(CANCELLED)

    def pause(self) -> None:
        """Stop it for now. A checkpoint is saved."""
        self._stop(PAUSED)

    def resume(self) -> None:
        """Let it go on from its last checkpoint, when its turn comes.

        :raises ValueError: when it runs, is done, or has no cases to train on, in words.
        """
        state = self.state
        if state == FINISHED or state in movingStates:
            raise ValueError(_("Only a training that was stopped can be resumed."))
        if not self.files.hasCases:
            raise ValueError(_("The cases of this training were not saved completely. Start a new one."))
        self.files.unmark(STOPPED_MARK)
        self.files.mark(QUEUED_MARK)
        self.poll()
        self.watch()

    def discard(self) -> None:
        """Delete the training with all its files.

        :raises ValueError: while it runs, or a case is being saved, in words.
        :raises OSError: when the folder cannot be touched.
        """
        if self.state == RUNNING:
            raise ValueError(_("Stop the training before it is deleted."))
        if self.threadIsWorking:
            raise ValueError(_("A case is just being saved. Try again in a moment."))
        self._export = None
        self._deletion = self.files.delete()

    def keep(self, title: str | None = None) -> ModelEntry:
        """Copy the new model into the user's models, with an id of its own; the base stays as it is.

        :raises ValueError: when there is no result, or it is damaged, in words.
        :raises OSError: when the models' folder cannot be written.
        """
        return self.keeper(title)()

    def keeper(self, title: str | None = None) -> Callable[[], ModelEntry]:
        """What `keep` does, for a thread.

        :raises ValueError: when there is no result, in words.
        """
        folder, title = self.modelFolder, title or self.name
        if folder is None or self.state != FINISHED:
            raise ValueError(_("The training has no result yet."))
        library, others = userModelFolder(), bundledModelFolders()  # ask Qt, which a thread must not
        return lambda: adoptModel(folder, library, title, others)

    def wait(self) -> Training:
        """Block until it has ended, for scripts; the panel never calls this.

        :raises TrainingError: when there is no result, with the reason in words.
        """
        while not self.ended:
            self.pollAll()
            time.sleep(0.02 if self.threadIsWorking else 0.1)
        problem = self.problem
        if problem is not None:
            raise TrainingError(problem)
        return self

    def arguments(self, models: list[str]) -> list[str]:
        """What the engine is to do next; see `trainingArguments`."""
        return trainingArguments(self.request, self.folder, models)

    def begin(self, command: Sequence[str], environment: dict[str, str], workingFolder: Path) -> None:
        """Start the process: the queue says that its turn has come.

        :raises OSError: when it cannot be started.
        """
        self.files.unmark(QUEUED_MARK, STOPPED_MARK)
        self._stopTime, self._startProblem, self._lastSign = None, None, time.monotonic()
        self.process.start(command, environment, workingFolder)
        self.poll()

    def fail(self, code: str, message: str, hint: str) -> None:
        """Note that it could not be started; it can be resumed."""
        self._startProblem = JobProblem(code, message, hint)
        self.poll()

    # --- inside --------------------------------------------------------------------------------------------------

    def _derivedState(self, isRunning: bool) -> str:
        if not self.files.exists:
            return FAILED
        if not self.files.hasCases:
            return PREPARING if self._export is not None and self._export.error is None else FAILED
        if self.job.isBehind:
            return READING
        if isRunning or self.job.state == RUNNING:  # the lock is held: by a process of an earlier or another Slicer
            return RUNNING
        if self.files.marked(QUEUED_MARK) is not None:
            return QUEUED
        if self.job.resultFolder.is_dir():
            return FINISHED
        if self.job.state == FAILED:
            return FAILED
        stopped = self.files.marked(STOPPED_MARK)
        if stopped in (PAUSED, CANCELLED):
            return stopped
        return CANCELLED if self.job.state == CANCELLED else INTERRUPTED

    def _stop(self, how: str) -> None:
        if self.ended:
            return
        if self._export is not None and not self._export.done:
            self._export.error = ValueError(_("The training was stopped before its cases were saved."))
            return self.poll()
        self.files.mark(STOPPED_MARK, how)
        self.files.unmark(QUEUED_MARK)
        if self.state == RUNNING:
            self._stopTime = self._stopTime or time.monotonic()
            if self.files.hasJob:
                self.job.requestCancel()
            else:
                self.process.kill()  # it still looks at the cases: there is nothing to save
        self.poll()


def _meanDice(entry: Any) -> float | None:
    rows = entry.get("dice") if isinstance(entry, dict) else None
    values = [value for row in rows or [] for value in row if isinstance(value, (int, float))]
    return sum(values) / len(values) if values else None
