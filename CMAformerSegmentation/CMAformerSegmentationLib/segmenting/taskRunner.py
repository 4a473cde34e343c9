"""Keeps the running segmentations moving: one engine, one timer, until the last one has ended."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..jobs.background import BackgroundCall
from ..jobs.engineProcess import EngineProcess, EngineProtocol
from ..jobs.environment import engineEnvironment, moduleFolder, workerCommand
from ..jobs.privateFolders import sweep
from .request import Request
from .segmentation import SegmentationTask

pollMilliseconds = 100
threadMilliseconds = 20  # while a thread works: see BackgroundCall


class TaskRunner:
    """Owns the engine process and polls the tasks from a timer of the application.

    :param makeEngine: makes the engine when it is first needed; replaced in tests.
    """

    def __init__(self, makeEngine: Callable[[Path], EngineProtocol] | None = None) -> None:
        self.tasks: list[SegmentationTask] = []
        self.longestPoll = 0.0  # seconds on the main thread; what keeps Slicer fluid is measured, not hoped
        self._makeEngine = makeEngine or _warmWorker
        self._engine: EngineProtocol | None = None
        self._timer: qt.QTimer | None = None
        self._interval = 0
        self._isWarm = False

    @property
    def folder(self) -> Path:
        """Where job folders are made."""
        return Path(slicer.app.temporaryPath) / "CMAformer"

    @property
    def engine(self) -> EngineProtocol:
        if self._engine is None:
            self._engine = self._makeEngine(self.folder)
        return self._engine

    def start(self, request: Request, onChanged: Callable[[], None] | None = None) -> SegmentationTask:
        """Start a segmentation. Several may be started; the engine does one after the other.

        :raises ValueError: when the request cannot be carried out, in words.
        :raises OSError: when the job folder cannot be made.
        """
        task = SegmentationTask(request, self.engine, self.folder, onChanged)
        self.tasks.append(task)
        timer = self._begin()
        self._tick(threadMilliseconds)
        timer.start()
        return task

    def warm(self) -> None:
        """Somebody is about to segment: let the engine load PyTorch meanwhile, once."""
        if self._isWarm:
            return
        self._isWarm = True
        self._begin()
        try:
            self.engine.warm()
        except OSError as error:  # said when it is needed
            logging.warning("CMAformer: the engine cannot be started: %s", error.strerror)

    def rest(self) -> None:
        """End the engine unless it works: the PyTorch that it has loaded is to be replaced."""
        if self._engine is not None and not self.tasks:
            self._engine.kill()
        self._isWarm = False

    def _begin(self) -> qt.QTimer:
        """Make what is needed from the first use to the end."""
        if self._timer is None:
            self._timer = qt.QTimer()
            self._timer.connect("timeout()", self.poll)
            # The panel's cleanup() also ends the engine, but a script may have used the logic alone.
            slicer.app.connect("aboutToQuit()", self.shutdown)
            folder = self.folder  # asks Qt, which a thread must not
            self._sweep = BackgroundCall(lambda: removeOldFiles(folder))
        return self._timer

    def poll(self) -> None:
        """Move every task on."""
        start = time.perf_counter()
        for task in list(self.tasks):
            task.poll()
        self.tasks = [task for task in self.tasks if not task.ended]
        if self._timer is not None:
            if not self.tasks:
                self._timer.stop()
            else:
                threads = any(task.threadIsWorking for task in self.tasks)
                self._tick(threadMilliseconds if threads else pollMilliseconds)
        self.longestPoll = max(self.longestPoll, time.perf_counter() - start)

    def shutdown(self) -> None:
        """End everything: the module is unloaded or the application quits."""
        for task in self.tasks:
            task.onChanged = None
            task.abandon(_("Slicer was closed."))
        self.tasks = []
        if self._timer is not None:
            self._timer.stop()
            self._timer.disconnect("timeout()", self.poll)
            self._timer = None
            slicer.app.disconnect("aboutToQuit()", self.shutdown)
        if self._engine is not None:
            try:
                self._engine.stop(1.0)
            except OSError as error:
                logging.warning("CMAformer: the engine could not be ended: %s", error)
            self._engine = None
        self._isWarm = False

    def _tick(self, milliseconds: int) -> None:
        if self._timer is not None and milliseconds != self._interval:
            self._interval = milliseconds
            self._timer.setInterval(milliseconds)


def removeOldFiles(folder: Path, olderThanSeconds: float = 24 * 3600) -> None:
    """Delete job folders and logs that a crashed Slicer has left: they hold copies of images.

    What says whose it is goes as soon as that Slicer is gone, other files after a day.
    """
    sweep(folder)
    limit = time.time() - olderThanSeconds
    for path in folder.iterdir() if folder.is_dir() else ():
        try:
            if path.stat().st_mtime < limit:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError:
            continue  # another Slicer uses it or has just removed it


def _warmWorker(folder: Path) -> EngineProcess:
    # Slicer's launcher of Python rewrites PYTHONPATH, so the engine is also found by where it runs.
    return EngineProcess(workerCommand(), engineEnvironment(), folder / f"engine-{os.getpid()}.log", moduleFolder)
