"""The warm engine: one process that keeps the network on its device and takes job folders, one a line."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from slicer.i18n import tr as _

from cmaformer.door.job import UNWRITABLE

from .job import JobProblem
from .processes import groupOptions, killGroup, logTail


class EngineProtocol(Protocol):
    """What a segmentation needs of the engine. Tests put a fake in its place."""

    starts: int  # how often it was started: a job that an earlier one was given is lost
    wasKilled: bool  # by `kill`, not by the system

    def submit(self, jobFolder: Path) -> None: ...

    def warm(self) -> None: ...

    def exitCode(self) -> int | None: ...

    def isRunning(self) -> bool: ...

    def kill(self) -> None: ...

    def stop(self, graceSeconds: float) -> None: ...

    def logTail(self, lines: int = 40) -> str: ...


class EngineProcess:
    """Starts the worker when there is something to do, and ends it with everything that it started.

    :param command: argument list of the worker.
    :param environment: complete environment of the worker.
    :param logPath: receives what the worker prints.
    :param workingFolder: where it runs; `python -m` looks there first.
    :param popen: replaces `subprocess.Popen` in tests.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: dict[str, str],
        logPath: Path,
        workingFolder: Path | None = None,
        popen: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen,
    ) -> None:
        self.command = list(command)
        self.environment = dict(environment)
        self.logPath = Path(logPath)
        self.workingFolder = workingFolder
        self._popen = popen
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.wasKilled = False

    def submit(self, jobFolder: Path) -> None:
        """Hand a job folder to the worker, starting it (again) when it has left.

        :raises OSError: when the worker cannot be started.
        """
        if not self.isRunning():
            self._start()
        line = (str(jobFolder) + "\n").encode("utf-8")
        try:
            self._write(line)
        except OSError:
            # It left, idle, between our look and our line. A second failure is a real one.
            self._reap()
            self._start()
            self._write(line)

    def warm(self) -> None:
        """Start the worker, which loads PyTorch, before there is a job for it; it leaves by itself when none comes.

        :raises OSError: when the worker cannot be started.
        """
        if not self.isRunning():
            self._start()

    def isRunning(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def exitCode(self) -> int | None:
        """Exit code of the worker that has ended (negative: the signal that ended it), None while it runs."""
        return self._process.poll() if self._process is not None else None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def kill(self) -> None:
        """End the worker and its children at once."""
        process = self._process
        if process is None:
            return
        self.wasKilled = True
        if os.name != "nt" or process.poll() is None:
            killGroup(process.pid)
        self._reap()

    def stop(self, graceSeconds: float = 1.0) -> None:
        """End the worker: politely by closing its input, then by force. Blocks for at most the grace time."""
        process = self._process
        if process is None:
            return
        self._closeInput()
        try:
            process.wait(graceSeconds)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def logTail(self, lines: int = 40) -> str:
        """The last lines that the worker printed."""
        return logTail(self.logPath, lines)

    def _start(self) -> None:
        self.starts += 1
        self.wasKilled = False
        self.logPath.parent.mkdir(parents=True, exist_ok=True)
        with open(self.logPath, "ab") as log:
            self._process = self._popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.workingFolder,
                **groupOptions(),
            )

    def _write(self, line: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def _closeInput(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except OSError:
                pass

    def _reap(self) -> None:
        self._closeInput()
        if self._process is not None:
            try:
                self._process.wait(2.0)
            except subprocess.TimeoutExpired:
                pass  # it is dying; `exitCode` collects it later


def explainExit(exitCode: int | None) -> JobProblem:
    """Say in words why a worker that left its job unfinished has ended."""
    if exitCode in (-9, 137):
        return JobProblem(
            "out-of-memory",
            _("The computer ran out of memory and stopped the segmentation."),
            _("Close other programs, or crop the volume, and try again."),
        )
    if exitCode == UNWRITABLE:
        return JobProblem(
            "folder-unwritable",
            _("The segmentation engine cannot write into the folder of its job."),
            _("Is the disk full? Free some space, then press Apply again."),
        )
    if exitCode is not None and (exitCode < 0 or exitCode > 128):
        return JobProblem(
            "engine-crashed",
            _("The segmentation engine crashed."),
            _("Try again with the CPU. The details below help to report the problem."),
        )
    return JobProblem(
        "engine-stopped",
        _("The segmentation engine stopped before it was done."),
        _("Try again. The details below help to report the problem."),
    )
