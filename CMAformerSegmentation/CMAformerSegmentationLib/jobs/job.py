"""A job as Slicer sees it: a folder that is the only door between Slicer and the engine.

`job.json` (written once), `events.jsonl` (appended by the worker, one JSON object a line), `CANCEL` (an empty file
asks for a clean stop), `worker.lock` (the process at work) and `result/` (appears whole, by rename). The state is
derived from these files alone, so that any later Slicer can list a job and attach to it again.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cmaformer.door import names
from cmaformer.door.files import read_json
from cmaformer.door.job import (
    CANCELLED,
    ENDS,
    FAILED,
    FINISHED,
    INTERRUPTED,
    QUEUED,
    RUNNING,
    SCHEMA,
    EventReader,
    new_id,
    request_cancel,
    write_job,
)
from cmaformer.door.lock import held

from .privateFolders import makePrivate

__all__ = ["CANCELLED", "FAILED", "FINISHED", "INTERRUPTED", "QUEUED", "RUNNING", "Job", "JobProblem", "JobProgress"]


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
        self._reader = EventReader(self.folder / names.EVENTS)
        self._started = False
        self._end: str | None = None

    @classmethod
    def create(cls, root: Path, kind: str, description: dict[str, Any]) -> Job:
        """Make a new job folder below `root` and write its `job.json` whole.

        :param description: inputs, model, parameters, seed, engine_version: see house.md. Nothing that identifies a
            patient, a user or a computer belongs in it; file names are relative to the folder.
        :raises OSError: when the folder cannot be written.
        """
        folder = Path(root) / new_id()
        makePrivate(folder)
        write_job(folder, {"schema": SCHEMA, "kind": kind, "id": folder.name, **description})
        return cls(folder)

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def description(self) -> dict[str, Any]:
        """The content of `job.json`; empty when the folder has gone."""
        return read_json(self.folder / names.JOB)

    @property
    def resultFolder(self) -> Path:
        return self.folder / names.RESULT

    @property
    def summary(self) -> dict[str, Any]:
        """The content of `result/summary.json`; empty while there is no result."""
        return read_json(self.resultFolder / names.SUMMARY)

    @property
    def isBehind(self) -> bool:
        """Whether there are events that the last `poll()` has left."""
        return self._reader.is_behind

    def poll(self, most: int = -1) -> list[dict[str, Any]]:
        """Take in the new events and return them. Never raises on what a worker has written.

        :param most: see `cmaformer.door.job.EventReader.read`.
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
            request_cancel(self.folder)
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
        self._end = ENDS.get(kind, self._end)

    def _workerIsAlive(self) -> bool:
        return held(self.folder)


def _number(value: Any, default: Any) -> Any:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else default
