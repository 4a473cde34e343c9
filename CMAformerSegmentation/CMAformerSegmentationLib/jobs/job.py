"""A job as Slicer sees it: a folder that is the only door between Slicer and the engine.

`job.json` (written once), `events.jsonl` (appended by the worker, one JSON object a line), `CANCEL` (an empty file
asks for a clean stop), `worker.lock` (the process at work) and `result/` (appears whole, by rename). The state is
derived from these files alone, so that any later Slicer can list a job and attach to it again.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .processes import isAlive

QUEUED = "queued"
RUNNING = "running"
FINISHED = "finished"
FAILED = "failed"
CANCELLED = "cancelled"
INTERRUPTED = "interrupted"

_endStates = {"finished": FINISHED, "error": FAILED, "cancelled": CANCELLED}


@dataclass
class JobProblem:
    """What went wrong or needs attention: a stable code, a message in words, and what to do about it."""

    code: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


@dataclass
class JobProgress:
    """How far a job is. `secondsLeft` is None until the engine can tell."""

    done: int = 0
    total: int = 0
    unit: str = "slices"
    secondsLeft: float | None = None


class EventReader:
    """Reads a growing file of JSON lines from where it stopped last time.

    A line is taken only when its end has been written. Anything that is not a JSON object with a type is ignored: it is
    log text that a library printed.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._offset = 0
        self.isBehind = False  # the last call left something for the next one

    def read(self, most: int = -1) -> list[dict[str, Any]]:
        """The events that were completed since the last call; an empty list when there is no file yet.

        :param most: bytes to read at once, longer than a line, so that a long history does not take the main thread for
            long; all there are by default.
        """
        try:
            with open(self.path, "rb") as file:
                file.seek(self._offset)
                chunk = file.read(most)
        except OSError:
            return []
        end = chunk.rfind(b"\n") + 1
        self._offset += end
        self.isBehind = len(chunk) == most
        events = []
        for line in chunk[:end].splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and isinstance(event.get("type"), str):
                events.append(event)
        return events


@dataclass
class Job:
    """One job folder and what its events have told so far. Call `poll()` to bring it up to date."""

    folder: Path
    device: str = ""
    progress: JobProgress = field(default_factory=JobProgress)
    error: JobProblem | None = None
    warnings: list[JobProblem] = field(default_factory=list)
    lastEventTime: float | None = None

    def __post_init__(self) -> None:
        self.folder = Path(self.folder)
        self._reader = EventReader(self.folder / "events.jsonl")
        self._started = False
        self._end: str | None = None

    @classmethod
    def create(cls, root: Path, kind: str, description: dict[str, Any]) -> Job:
        """Make a new job folder below `root` and write its `job.json` whole.

        :param description: inputs, model, parameters, seed, engine_version: see house.md. Nothing that identifies a
            patient, a user or a computer belongs in it; file names are relative to the folder.
        :raises OSError: when the folder cannot be written.
        """
        identifier = time.strftime("%Y%m%d-%H%M%S") + "-" + secrets.token_hex(4)
        folder = Path(root) / identifier
        folder.mkdir(parents=True)
        content = {"schema": 1, "kind": kind, "id": identifier, **description}
        temporary = folder / "job.json.tmp"
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, folder / "job.json")
        return cls(folder)

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def description(self) -> dict[str, Any]:
        """The content of `job.json`; empty when the folder has gone."""
        try:
            return json.loads((self.folder / "job.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    @property
    def resultFolder(self) -> Path:
        return self.folder / "result"

    @property
    def summary(self) -> dict[str, Any]:
        """The content of `result/summary.json`; empty while there is no result."""
        try:
            return json.loads((self.resultFolder / "summary.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    @property
    def isBehind(self) -> bool:
        """Whether there are events that the last `poll()` has left."""
        return self._reader.isBehind

    def poll(self, most: int = -1) -> list[dict[str, Any]]:
        """Take in the new events and return them. Never raises on what a worker has written.

        :param most: see `EventReader.read`.
        """
        events = self._reader.read(most)
        for event in events:
            self._take(event)
        return events

    @property
    def state(self) -> str:
        """QUEUED, RUNNING, FINISHED, FAILED, CANCELLED or INTERRUPTED, from the files read so far."""
        if self._end is not None:
            return self._end
        if not self._started:
            return QUEUED
        return RUNNING if self._workerIsAlive() else INTERRUPTED

    @property
    def ended(self) -> bool:
        return self._end is not None

    def requestCancel(self) -> None:
        """Ask the worker for a clean stop. It looks after every slice."""
        try:
            (self.folder / "CANCEL").touch()
        except OSError:
            pass  # the folder has gone: nothing is left to stop

    def remove(self) -> None:
        """Delete the folder, with the copy of the image in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _take(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        self.lastEventTime = _number(event.get("time"), None)
        if kind == "started":
            self._started, self._end, self.error = True, None, None  # a training that is resumed has ended before
            self.device = str(event.get("device", ""))
        elif kind == "progress":
            done, total = _number(event.get("done"), 0), _number(event.get("total"), 0)
            left = _number(event.get("eta_s"), None)
            self.progress = JobProgress(int(done), int(total), str(event.get("unit", "slices")), left)
        elif kind in ("warning", "error"):
            words = (str(event.get(key) or "") for key in ("code", "message", "hint"))
            problem = JobProblem(*words)
            if kind == "error":
                self.error = problem
            else:
                self.warnings.append(problem)
        self._end = _endStates.get(kind, self._end)

    def _workerIsAlive(self) -> bool:
        try:
            return isAlive(json.loads((self.folder / "worker.lock").read_text(encoding="utf-8")))
        except (OSError, ValueError, AttributeError):
            return False


def _number(value: Any, default: Any) -> Any:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else default
