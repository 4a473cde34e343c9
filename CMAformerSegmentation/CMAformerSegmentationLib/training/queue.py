"""All trainings of this user: listed from their folders, started one after the other, watched by one timer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import qt
from slicer.i18n import tr as _

from ..jobs.environment import engineCommand, engineEnvironment, modelsArguments, moduleFolder, trainingsFolder
from ..jobs.job import QUEUED, RUNNING
from .folder import TrainingFolder
from .job import PREPARING, READING, Training, movingStates
from .process import ProcessProtocol, TrainingProcess
from .quitting import QuitQuestion
from .request import TrainingRequest

pollMilliseconds = 500
threadMilliseconds = 20  # while a thread saves cases: see BackgroundCall
firstBytes = 1 << 10  # of the events of each training when it is listed
readingSeconds = 0.015  # of the main thread at a time, for histories that were not read yet


class TrainingQueue:
    """Keeps the trainings moving: one process at a time, because they share the device.

    :param makeProcess: makes the process of a training's folder; replaced in tests.
    """

    def __init__(self, makeProcess: Callable[[Path], ProcessProtocol] = TrainingProcess) -> None:
        self._makeProcess = makeProcess
        self._trainings: dict[str, Training] = {}
        self._timer: qt.QTimer | None = None
        self._question: QuitQuestion | None = None

    def trainings(self) -> list[Training]:
        """All trainings there are, oldest first; those that an earlier or another Slicer has started, too."""
        folders = TrainingFolder.list(trainingsFolder())
        for folder in folders:
            if folder.name not in self._trainings:
                self._take(Training(folder, self._makeProcess(folder)))
        for gone in set(self._trainings) - {folder.name for folder in folders}:
            self._trainings.pop(gone).poll()  # who holds it sees that its folder was deleted
        return [self._trainings[key] for key in sorted(self._trainings)]

    def start(self, request: TrainingRequest) -> Training:
        """Start a training, or let it wait for the ones before it.

        :raises ValueError: when the request cannot be carried out, in words.
        :raises OSError: when its folder cannot be made.
        """
        training = Training.create(trainingsFolder(), request, self._makeProcess)
        self._take(training)
        self.watch()
        return training

    def watch(self) -> None:
        """Look after the trainings from now on, until none of them moves any more."""
        if self._timer is None:
            self._timer = qt.QTimer()
            self._timer.connect("timeout()", self.poll)
        self._timer.setInterval(threadMilliseconds)
        self._timer.start()
        self._ask(True)

    def poll(self) -> None:
        """Move every training on, and start the next one."""
        trainings = self.trainings()
        begin = time.perf_counter()
        for training in trainings:
            # Many long histories are read one after the other.
            if training.state != READING or time.perf_counter() - begin < readingSeconds:
                training.poll()
        states = {training.id: training.state for training in trainings}
        if RUNNING not in states.values():
            waiting = [training for training in trainings if states[training.id] == QUEUED]
            for training in waiting[:1]:
                self._begin(training)
        if self._timer is not None:
            if any(state in movingStates for state in states.values()):
                hurries = READING in states.values() or any(training.threadIsWorking for training in trainings)
                self._timer.setInterval(threadMilliseconds if hurries else pollMilliseconds)
            else:
                self._timer.stop()
                self._ask(False)

    def shutdown(self) -> None:
        """Let go of all trainings. Those that run go on without Slicer; cases that are being saved are lost."""
        if self._timer is not None:
            self._timer.stop()
            self._timer.disconnect("timeout()", self.poll)
            self._timer = None
            self._ask(False)
        for training in self._trainings.values():
            training.onChanged = None
            if training.state == PREPARING:
                training.cancel()
        self._trainings = {}

    def _ask(self, wanted: bool) -> None:
        """Whether the user is asked about trainings when Slicer is closed."""
        if self._question is None:
            self._question = QuitQuestion(lambda: list(self._trainings.values()))
        if wanted:
            self._question.watch()
        else:
            self._question.forget()

    def _take(self, training: Training) -> None:
        training.pollAll, training.watch = self.poll, self.watch
        training.poll(most=firstBytes)
        self._trainings[training.id] = training

    def _begin(self, training: Training) -> None:
        try:
            training.begin(engineCommand(training.arguments(modelsArguments())), engineEnvironment(), moduleFolder)
        except OSError as error:
            logging.error("CMAformer: a training cannot be started: %s", error)
            training.fail(
                "engine-start",
                _("The training cannot be started ({reason}).").format(reason=error.strerror or type(error).__name__),
                _("Check the Python program in the settings, and the disk; then resume it."),
            )
