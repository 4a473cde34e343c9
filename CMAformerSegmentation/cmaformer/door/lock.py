"""One worker per job folder: an exclusive lock file that a dead worker does not keep."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from .errors import JobError

FILE = "worker.lock"
# A lock without readable content this old was left by a process that died while writing it.
UNWRITTEN_S = 10.0


class Lock:
    """Context manager that holds ``worker.lock`` of a job folder: ``{"pid": ...}``.

    Raises JobError (``busy``) while another living process holds it; the lock of a dead one is taken over.
    """

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / FILE

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
                json.dump(_identity(os.getpid()), file)
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
        aside = self.path.with_name(f"{FILE}.{os.getpid()}")
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
    path = Path(folder) / FILE
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
    if not alive(pid):
        return False
    # Process numbers are used again, after a restart for example; the start time tells the two apart where it is known.
    start, now = content.get("start"), _identity(pid).get("start")
    return start is None or now is None or start == now


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return _alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, as somebody else
    fields = _stat(pid)
    return not fields or fields[0] not in ("Z", "X")


def _alive_on_windows(pid: int) -> bool:
    # os.kill(pid, 0) would end the process there.
    import ctypes

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    limited_information, still_active, access_denied = 0x1000, 259, 5
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(limited_information, False, pid)
    if not handle:
        return bool(kernel.GetLastError() == access_denied)
    code = ctypes.c_ulong()
    ok = kernel.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(code))
    kernel.CloseHandle(ctypes.c_void_p(handle))
    return bool(ok) and code.value == still_active


def _identity(pid: int) -> dict[str, Any]:
    """Process number, and on Linux its start time (clock ticks since boot)."""
    fields = _stat(pid)
    return {"pid": pid, "start": fields[19]} if len(fields) > 19 else {"pid": pid}


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat after the command's name (the first is the state), empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
