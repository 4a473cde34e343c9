"""One worker per job folder: an exclusive lock file that a dead worker does not keep.

The lock says which process of which computer works on the job, and its file is touched as long as that one lives. On
the same computer the process itself tells whether it lives; of another one, on a shared disk, the touches tell.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from .errors import JobError
from .names import LOCK
from .process import identity, is_alive

# A lock without readable content this old was left by a process that died while writing it.
UNWRITTEN_S = 10.0
# Seconds between two touches, and after which a lock that another computer no longer touches is that of a dead worker.
BEAT_S, SILENT_S = 10.0, 60.0


@functools.lru_cache(maxsize=1)
def host() -> str:
    """This computer, by a name that tells nobody which it is."""
    about = platform.node()
    with suppress(OSError):
        about += Path("/etc/machine-id").read_text(encoding="ascii")
    return hashlib.sha256(about.encode("utf-8")).hexdigest()[:12]


class Lock:
    """Context manager that holds ``worker.lock`` of a job folder: ``{"pid": ..., "host": ...}``.

    Raises JobError (``busy``) while another living process holds it; the lock of a dead one is taken over.

    Attributes:
        taken_over: whether the job had been that of another computer, which no longer works on it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / LOCK
        self.taken_over = False
        self._left = threading.Event()

    def __enter__(self) -> Lock:
        for _ in range(3):
            try:
                handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                self._remove_stale()
                continue
            except OSError as error:
                raise JobError("bad-job", f"The job folder cannot be locked: {error.strerror}.") from None
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump({**identity(os.getpid()), "host": host()}, file)
            except OSError as error:
                self.path.unlink(missing_ok=True)
                raise JobError("bad-job", f"The job folder cannot be locked: {error.strerror}.") from None
            self._left.clear()
            threading.Thread(target=self._beat, daemon=True).start()
            return self
        raise JobError("busy", "Another process is working on this job.")

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self.path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._left.wait(BEAT_S):
            with suppress(OSError):
                os.utime(self.path)

    def _remove_stale(self) -> None:
        try:
            before = self.path.read_bytes()
        except FileNotFoundError:
            return  # given back in this moment
        if held(self.path.parent) or self._is_touched():
            raise JobError("busy", "Another process is working on this job.")
        self.taken_over = _is_elsewhere(_content(self.path))
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

    def _is_touched(self) -> bool:
        """Whether another computer, whose clock may be wrong, touches its lock now."""
        if not _is_elsewhere(_content(self.path)):
            return False
        until = time.monotonic() + 1.5 * BEAT_S
        seen = self.path.stat().st_mtime_ns
        while time.monotonic() < until:
            time.sleep(min(0.5, BEAT_S / 4))
            with suppress(FileNotFoundError):
                if self.path.stat().st_mtime_ns != seen:
                    return True
        return False


def held(folder: Path) -> bool:
    """Whether a living process holds the job's lock; of another computer's, whether it touched it of late."""
    path = Path(folder) / LOCK
    try:
        age = abs(time.time() - path.stat().st_mtime)  # a lock dated in the future is as old as it is far away
    except OSError:
        return False
    content = _content(path)
    if content is None:
        return age < UNWRITTEN_S
    if _is_elsewhere(content):
        return age < SILENT_S
    return is_alive(content)


def _content(path: Path) -> dict[str, Any] | None:
    """What a lock says; None where it says nothing."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {**content, "pid": int(content["pid"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_elsewhere(content: dict[str, Any] | None) -> bool:
    """Whether a lock is that of another computer; those of before know none, and are taken for this one's."""
    return content is not None and content.get("host", host()) != host()
