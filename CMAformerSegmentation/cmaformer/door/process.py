"""Which process is which, and whether it is alive, on any system."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def identity(pid: int) -> dict[str, Any]:
    """What tells a process from a later one of its number: "pid" and, where the system tells it, "start"."""
    start = _start(pid)
    return {"pid": pid} if start is None else {"pid": pid, "start": start}


def is_surely(of: Mapping[str, Any]) -> bool:
    """Whether a living process is the one of an :func:`identity`, beyond doubt: only then may it be ended.

    A number alone may have been given to another process since.
    """
    return of.get("start") is not None and is_alive(of) and identity(int(of["pid"])).get("start") == of["start"]


def is_alive(of: Mapping[str, Any]) -> bool:
    """Whether a process runs, by its :func:`identity`; a zombie does not.

    Process numbers are used again, after a restart for example; the start time tells the two apart where it is known.
    """
    try:
        pid = int(of["pid"])
    except (KeyError, TypeError, ValueError):
        return False
    if not alive(pid):
        return False
    start, now = of.get("start"), identity(pid).get("start")
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


def _start(pid: int) -> str | None:
    """When a process began, in whatever form the system tells it; None where it does not."""
    if sys.platform == "win32":
        return _start_on_windows(pid)
    fields = _stat(pid)
    if len(fields) > 19:
        return fields[19]  # clock ticks since boot
    if sys.platform == "darwin":
        command = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            return (
                subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout.strip() or None
            )
    return None


def _start_on_windows(pid: int) -> str | None:
    import ctypes
    from ctypes import wintypes

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    limited_information = 0x1000
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(limited_information, False, pid)
    if not handle:
        return None
    times = [wintypes.FILETIME() for _ in range(4)]
    ok = kernel.GetProcessTimes(ctypes.c_void_p(handle), *(ctypes.byref(time) for time in times))
    kernel.CloseHandle(ctypes.c_void_p(handle))
    return f"{times[0].dwHighDateTime}.{times[0].dwLowDateTime}" if ok else None


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat after the command's name (the first is the state), empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
