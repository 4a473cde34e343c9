"""The door: a job folder.

``job.json`` never changes, ``events.jsonl`` only grows, ``CANCEL`` asks to stop, ``worker.lock`` keeps a second worker
out, ``result/`` appears whole or not at all. The state of a job follows from these files alone.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from .errors import EngineError, JobError
from .files import write_json
from .lock import held
from .names import CANCEL, EVENTS, JOB, RESULT
from .watcher import Watcher

SCHEMA = 1
RESULT_TMP = f"{RESULT}.tmp"
KINDS = ("segment", "train")
QUEUED, RUNNING, FINISHED, FAILED, CANCELLED, INTERRUPTED = (
    *("queued", "running", "finished", "failed", "cancelled", "interrupted"),
)
# The event that ends a job -> its state.
ENDS = {"finished": FINISHED, "error": FAILED, "cancelled": CANCELLED}

# Exit code of a worker that cannot tell anything in a job folder.
UNWRITABLE = 74


@dataclass(frozen=True)
class Job:
    """A checked ``job.json`` and the folder it lies in."""

    folder: Path
    kind: str
    id: str
    inputs: dict[str, Any]
    model: dict[str, Any]
    parameters: dict[str, Any]
    seed: int
    engine_version: str

    def input(self, name: str) -> Path:
        """Path of one input file. Raises JobError if the job names none or the file is not there."""
        if not isinstance(self.inputs.get(name), str):
            raise JobError("bad-job", f'{JOB} has no "inputs.{name}".')
        return self._there(self.inputs[name])

    def input_list(self, name: str) -> list[Path]:
        """Paths of several input files; none if the job names none. Raises JobError if one is not there."""
        listed = self.inputs.get(name, [])
        if not isinstance(listed, list) or not all(isinstance(entry, str) for entry in listed):
            raise JobError("bad-job", f'{JOB}: "inputs.{name}" must be a list of file names.')
        return [self._there(entry) for entry in listed]

    def _there(self, file: str) -> Path:
        path = self.folder / file
        if not path.exists():
            raise JobError("no-input", f"The input {path.name} is not in the job folder.")
        return path


def new_id() -> str:
    """An id for a job: date, time and eight hexadecimal digits."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"


def write_job(folder: Path, data: Mapping[str, Any]) -> Job:
    """Write ``job.json`` into an existing folder. Raises JobError if it is there already or not valid."""
    text = json.dumps(dict(data), allow_nan=False)
    checked = _check(json.loads(text), Path(folder))
    if (Path(folder) / JOB).exists():
        raise JobError("bad-job", f"{JOB} is already in the folder, and a job never changes.")
    write_json(Path(folder) / JOB, json.loads(text), indent=2)
    return checked


def read_job(folder: Path) -> Job:
    """Read and check ``job.json``. Raises JobError naming what is wrong."""
    try:
        data = json.loads((Path(folder) / JOB).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise JobError("bad-job", f"{JOB} is missing.") from None
    except OSError as error:
        raise JobError("bad-job", f"{JOB} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise JobError("bad-job", f"{JOB} is not valid JSON.") from None
    return _check(data, Path(folder))


def _check(data: Any, folder: Path) -> Job:
    if not isinstance(data, dict):
        raise JobError("bad-job", f"{JOB} must hold an object.")
    if data.get("schema") != SCHEMA:
        raise JobError(
            "unknown-schema", f"{JOB} has schema version {data.get('schema')!r}; this version reads {SCHEMA}."
        )
    if data.get("kind") not in KINDS:
        raise JobError("bad-job", f'{JOB}: "kind" must be one of {", ".join(KINDS)}, not {data.get("kind")!r}.')
    if not isinstance(data.get("id"), str) or not re.fullmatch(r"[A-Za-z0-9_-]+", data["id"]):
        raise JobError("bad-job", f'{JOB}: "id" must be a text of letters, digits and dashes.')
    for key in ("inputs", "model", "parameters"):
        if not isinstance(data.get(key), dict):
            raise JobError("bad-job", f'{JOB}: "{key}" must be an object.')
    if not isinstance(data.get("seed", 0), int) or not isinstance(data.get("engine_version", ""), str):
        raise JobError("bad-job", f'{JOB}: "seed" must be a whole number and "engine_version" a text.')
    for name in _names(data["inputs"]):
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if not parts or ".." in parts or parts[0] == "/" or PureWindowsPath(name).drive:
            raise JobError("bad-job", f"{JOB}: inputs must be file names relative to the job folder.")
    return Job(
        Path(folder),
        data["kind"],
        data["id"],
        data["inputs"],
        data["model"],
        data["parameters"],
        data.get("seed", 0),
        data.get("engine_version", ""),
    )


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _names(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _names(entry)


# --- events -----------------------------------------------------------------------------------------------------------


class Events:
    """Sends events to a function, each a line of JSON with ``time`` (unix seconds) and ``type``."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lock = threading.Lock()

    @classmethod
    def of_job(cls, folder: Path) -> Events:
        """Events appended to ``events.jsonl``, each line in a single write, so that a reader sees whole lines."""
        path = Path(folder) / EVENTS
        flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | getattr(os, "O_BINARY", 0)

        def write(line: str) -> None:
            data = line.encode("utf-8") + b"\n"
            handle = os.open(path, flags, 0o666)
            try:
                if _ends_in_the_middle(path):  # a worker was killed while it wrote its last line
                    data = b"\n" + data
                os.write(handle, data)
            finally:
                os.close(handle)

        return cls(write)

    def emit(self, kind: str, **values: Any) -> None:
        """Send one event; numbers that JSON does not know (NaN, infinity) become null."""
        line = json.dumps({"time": time.time(), "type": kind, **_plain(values)}, allow_nan=False)
        with self._lock:
            self._write(line)

    def progress(self, done: int, total: int, eta_s: float | None = None, unit: str = "slices") -> None:
        """Tell how far the work is; ``eta_s`` the seconds left, None while unknown."""
        self.emit("progress", done=done, total=total, unit=unit, eta_s=None if eta_s is None else round(eta_s, 2))

    def warning(self, code: str, message: str, hint: str = "") -> None:
        """Tell something that the user should know about the result."""
        self.emit("warning", code=code, message=message, hint=hint)

    def watcher(self, folder: Path, unit: str) -> Watcher:
        """Somebody who tells of a work in these events, and stops it when that is asked for in a job folder."""

        def progress(done: int, total: int, eta_s: float | None) -> None:
            self.progress(done, total, eta_s, unit)

        return Watcher(progress, self.warning, lambda: cancel_requested(folder))

    def error(self, error: EngineError) -> None:
        """Tell why the work failed; the last event of a failed job."""
        self.emit("error", code=error.code, message=error.message, hint=error.hint)


class EventReader:
    """Reads a growing file of JSON lines from where it stopped last time.

    A line is taken only when its end has been written. What is no JSON object with a "type" is passed over: it is text
    that a library printed, or a line that a killed worker left.

    Attributes:
        is_behind: whether the last call left something for the next one.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._offset = 0
        self.is_behind = False

    def read(self, most: int = -1) -> list[dict[str, Any]]:
        """The events that were completed since the last call, oldest first; none while there is no file.

        Args:
            most: bytes to read at once, longer than a line, so that a long history does not take a main thread for
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
        self.is_behind = len(chunk) == most
        events = []
        for line in chunk[:end].split(b"\n"):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and isinstance(event.get("type"), str):
                events.append(event)
        return events


def read_events(folder: Path) -> list[dict[str, Any]]:
    """All whole events of a job, oldest first; a line that is not whole JSON is passed over."""
    return EventReader(Path(folder) / EVENTS).read()


def _ends_in_the_middle(path: Path) -> bool:
    with open(path, "rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if value is None or isinstance(value, (str, int)):
        return value
    return _plain(value.item()) if hasattr(value, "item") else str(value)


# A reader polls a few times a second; more progress events than that only make the file longer.
PROGRESS_S = 0.1


def throttled(events: Events) -> Any:
    """Progress callback that sends the first, the last, and at most ten events a second between."""
    last = [0.0]

    def progress(done: int, total: int, eta_s: float | None) -> None:
        now = time.monotonic()
        if done in (0, total) or now - last[0] >= PROGRESS_S:
            last[0] = now
            events.progress(done, total, eta_s)

    return progress


# --- cancel, result, state --------------------------------------------------------------------------------------------


def request_cancel(folder: Path) -> None:
    """Ask the worker of a job to stop."""
    (Path(folder) / CANCEL).touch()


def cancel_requested(folder: Path) -> bool:
    """Whether somebody asked to stop."""
    return (Path(folder) / CANCEL).exists()


@contextmanager
def new_result(folder: Path) -> Iterator[Path]:
    """A folder to write the result into, which becomes ``result/`` when the block ends well and vanishes otherwise."""
    temporary, final = Path(folder) / RESULT_TMP, Path(folder) / RESULT
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        os.rename(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def has_result(folder: Path) -> bool:
    """Whether the job has its result."""
    return (Path(folder) / RESULT).is_dir()


def state(folder: Path) -> str:
    """queued, running, finished, failed, cancelled, or interrupted (started, no end, and nobody works on it)."""
    last = [event["type"] for event in read_events(folder) if event["type"] in ("started", *ENDS)][-1:]
    if last and last[0] in ENDS:
        return ENDS[last[0]]
    if held(Path(folder)):
        return RUNNING
    if has_result(folder):
        return FINISHED  # the worker died after the rename and before its last event; the result is whole
    if last:
        return INTERRUPTED
    return CANCELLED if cancel_requested(folder) else QUEUED
