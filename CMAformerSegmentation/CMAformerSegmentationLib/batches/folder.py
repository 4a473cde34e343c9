"""The image files of a folder, which are not loaded into the scene: the engine's command does them, apart from Slicer.

What it prints goes into a file of a temporary folder and tells of images by their numbers; their names are in
`volumes.csv`, which lies in the user's own folder beside the label maps.
"""

from __future__ import annotations

import csv
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from cmaformer.door.job import EventReader

from ..jobs.background import BackgroundCall
from ..jobs.engineProcess import explainExit
from ..jobs.environment import engineCommand, engineEnvironment, modelsArguments, moduleFolder
from ..jobs.job import CANCELLED, FAILED, FINISHED, JobProblem
from ..jobs.privateFolders import makePrivate
from ..models.catalog import ModelEntry
from ..segmenting.segmentation import RUNNING, WAITING, cancelGraceSeconds
from ..training.process import ProcessProtocol, TrainingProcess
from .batch import KEPT, Batch, BatchItem

TABLE = "volumes.csv"
NEWER_TABLE = "volumes-new.csv"  # where another program holds the other one open
_milliseconds = 200
_killSeconds = 1.0  # at most, for a process that is ended while Slicer quits


@dataclass(frozen=True)
class FolderWish:
    """What is wanted of the images of a folder.

    :ivar device: as the engine calls it.
    :ivar keep: whether label maps that are there already are left alone.
    :ivar dicom: whether the results are DICOM SEG, of images that are DICOM series.
    """

    device: str = "auto"
    keep: bool = True
    dicom: bool = False

    def words(self) -> list[str]:
        """As the engine's command takes them."""
        return ["--device", self.device, *(["--skip-done"] if self.keep else []), *(["--dicom"] if self.dicom else [])]


class FolderBatch(Batch):
    """A process that segments the images of a folder into another one, watched with a timer.

    Of images with several phases, such as a cine, all are segmented.

    :param images: folder of NRRD, NIfTI or MetaImage files, or of folders of DICOM images.
    :param output: folder for the label maps and their table of volumes; made where it is not there.
    :param makeProcess: makes the process for a folder; replaced in tests.
    """

    def __init__(
        self,
        images: str | Path,
        output: str | Path,
        model: ModelEntry,
        wish: FolderWish | None = None,
        onChanged: Callable[[], None] | None = None,
        makeProcess: Callable[[Path], ProcessProtocol] = TrainingProcess,
    ) -> None:
        Batch.__init__(self, [], [structure.name for structure in model.structures], onChanged)
        self.output = Path(output)
        words = ["segment", str(images), "-o", str(output), "--model", model.id, "--phases", "all", "--json"]
        self._command = engineCommand([*words, *(wish or FolderWish()).words(), *modelsArguments()])
        self._folder = Path(slicer.app.temporaryPath) / "CMAformer" / f"folder-{secrets.token_hex(4)}"
        self._process = makeProcess(self._folder)
        self._reader = EventReader(self._folder / "log.txt")
        self._finished = False
        self._part = 0.0
        self._left: tuple[float | None, float] = (None, 0.0)  # seconds, and when the engine told
        self._cancelTime = 0.0
        self._reading: BackgroundCall | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(_milliseconds)
        self._timer.connect("timeout()", self.poll)

    def start(self) -> None:
        """Start the process.

        :raises OSError: when it cannot be started, or the temporary folder cannot be made.
        """
        try:
            makePrivate(self._folder)
            self._process.start(self._command, engineEnvironment(), moduleFolder)
        except OSError:
            self._tidy()
            raise
        self._timer.start()

    @property
    def part(self) -> float:
        return self._part

    @property
    def secondsLeft(self) -> float | None:
        left, told = self._left
        return max(0.0, left - (time.monotonic() - told)) if left is not None else None

    def cancel(self, reason: str = "") -> None:
        if self.ended or self.cancelling:
            return
        self.problem = JobProblem("cancelled", reason or _("Stopped."))
        self._cancelTime = time.monotonic()
        self._process.ask()
        self._changed()

    def abandon(self, reason: str) -> None:
        if self.ended:
            return
        self.onChanged = None
        self.cancel(reason)
        end = time.monotonic() + _killSeconds
        while self._process.isRunning() and time.monotonic() < end:
            time.sleep(0.02)  # it removes the file that it was writing
        self._process.kill()
        self._end(None)
        self._cleaning.wait(_killSeconds)  # the thread would end with Slicer

    def poll(self) -> None:
        """Look at what the process has printed. Quick; never raises."""
        if self.ended:
            return
        try:
            self._step()
        except Exception as error:
            logging.exception("CMAformer: the work on a folder failed")
            self.problem = JobProblem("unexpected", _("Something unexpected happened: {error}").format(error=error))
            self._process.kill()
            self._end(None)

    def _step(self) -> None:
        if self._reading is not None:
            if self._reading.done:
                self._end(self._reading.result)
            return
        isRunning = self._process.isRunning()  # before the look, so that its last words are not missed
        events = self._reader.read()
        for event in events:
            self._hear(event)
        if events:
            os.utime(self._folder)  # it is not an old one that a crashed Slicer has left
        if self.cancelling and isRunning and time.monotonic() - self._cancelTime > cancelGraceSeconds:
            self._process.kill()
        if not isRunning:
            if self.problem is None and not self._finished:
                logging.error("CMAformer: the engine ended with exit code %s", self._process.exitCode())
                self.problem = explainExit(self._process.exitCode())
            path = self.output / self._table()
            self._reading = BackgroundCall(lambda: _rows(path))
        if events:
            self._changed()

    def _hear(self, event: dict[str, Any]) -> None:
        kind, done = event["type"], int(event.get("done", 0))
        if kind == "started":
            self.items = [BatchItem(_("Image {n}").format(n=n + 1)) for n in range(int(event.get("total", 0)))]
            self._running(0)
        elif kind == "warning" and 1 <= event.get("image", 0) <= len(self.items):
            remark = " ".join(filter(None, (str(event.get(key) or "") for key in ("message", "hint"))))
            self.items[event["image"] - 1].end(FAILED, remark)
        elif kind == "kept" and 1 <= event.get("image", 0) <= len(self.items):
            self.items[event["image"] - 1].end(KEPT)
        elif kind == "progress" and event.get("unit") == "images":
            if self.items[done - 1].state not in (FAILED, KEPT):
                self.items[done - 1].end(FINISHED)
            self._left = (event.get("eta_s"), time.monotonic())
            self._running(done)
        elif kind == "progress":
            self._part = done / max(1, event.get("total", 1))
        elif kind == "error":
            self.problem = JobProblem(*(str(event.get(key) or "") for key in ("code", "message", "hint")))
        elif kind == "finished":
            self._finished = True

    def _running(self, number: int) -> None:
        self._part = 0.0
        if number < len(self.items) and self.items[number].state == WAITING:
            self.items[number].state = RUNNING

    def _end(self, rows: Sequence[Sequence[str]] | None) -> None:
        self._timer.stop()
        self._timer.disconnect("timeout()", self.poll)
        for item in self.items:
            if item.state in (WAITING, RUNNING):
                item.end(CANCELLED, str(self.problem) if self.problem is not None else "")
        if rows:
            self._name(rows)
        self._part, self._left, self.ended = 0.0, (None, 0.0), True
        self._tidy()
        self._changed()

    def _name(self, rows: Sequence[Sequence[str]]) -> None:
        """Take the names and volumes from the engine's table: a row for each image that it came to."""
        for item, (name, *volumes, remark) in zip(self.items, rows):
            if item.state not in (FINISHED, FAILED, KEPT):
                break
            known = {n: float(text) for n, text in zip(self.structures, volumes) if text}
            item.title, item.volumes = name, known
            if item.state == KEPT or (item.state == FINISHED and not known):
                item.end(KEPT)
            else:
                item.end(item.state, remark)

    def _summary(self) -> str:
        text = Batch._summary(self)
        if self.count(FINISHED, FAILED, KEPT):
            text += " " + _("The volumes are in {table} in the folder {name}.").format(
                table=self._table(), name=self.output.name
            )
        return text

    def _table(self) -> str:
        isInUse = self.problem is not None and self.problem.code == "table-in-use"
        return NEWER_TABLE if isInUse else TABLE

    def _tidy(self) -> None:
        folder = self._folder
        self._cleaning = BackgroundCall(lambda: shutil.rmtree(folder, ignore_errors=True))


def _rows(path: Path) -> list[list[str]]:
    """The rows of the table below its header; none where it cannot be read."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.reader(file))[1:]
    except (OSError, ValueError, csv.Error):
        return []
