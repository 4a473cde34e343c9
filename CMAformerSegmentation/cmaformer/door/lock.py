"""One worker per job folder: an exclusive lock file that a dead worker does not keep."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from .errors import JobError
from .names import LOCK
from .process import identity, is_alive

# A lock without readable content this old was left by a process that died while writing it.
UNWRITTEN_S = 10.0


class Lock:
    """Context manager that holds ``worker.lock`` of a job folder: ``{"pid": ...}``.

    Raises JobError (``busy``) while another living process holds it; the lock of a dead one is taken over.
    """

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / LOCK

    def __enter__(self) -> Lock:
        for _ in range(3):
            try:
                handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                self._remove_stale()
                continue
            except OSError as error:
                raise JobError("bad-job", f"The job folder cannot be locked: {error.strerror}.") from None
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(identity(os.getpid()), file)
            return self
        raise JobError("busy", "Another process is working on this job.")

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)

    def _remove_stale(self) -> None:
        try:
            before = self.path.read_bytes()
        except FileNotFoundError:
            return  # given back in this moment
        if held(self.path.parent):
            raise JobError("busy", "Another process is working on this job.")
        # Renaming is atomic: of several processes that found the lock stale, one gets it. What it got must still be
        # what it had read; otherwise another process has just taken the job, and gets its lock back.
        aside = self.path.with_name(f"{LOCK}.{os.getpid()}")
        try:
            os.replace(self.path, aside)
        except FileNotFoundError:
            return
        if aside.read_bytes() != before:
            os.replace(aside, self.path)
            raise JobError("busy", "Another process is working on this job.")
        aside.unlink()


def held(folder: Path) -> bool:
    """Whether a living process holds the job's lock."""
    path = Path(folder) / LOCK
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        pid = int(content["pid"])
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        try:
            return time.time() - path.stat().st_mtime < UNWRITTEN_S
        except OSError:
            return False
    return is_alive({**content, "pid": pid})
