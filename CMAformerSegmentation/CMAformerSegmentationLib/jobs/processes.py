"""Processes on any of Slicer's platforms: groups of their own, whether one is alive, and what it printed."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

_nicer = 10  # than Slicer, which lowers itself on Linux: asking for a higher priority than its own is refused


def groupOptions() -> dict[str, Any]:
    """Options of `subprocess.Popen` for a process that is ended together with all that it starts, and not with us."""
    if os.name == "nt":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW  # type: ignore[attr-defined]
        return {"creationflags": flags}
    return {"start_new_session": True}


def letOthersFirst(pid: int) -> None:
    """Give a process that was just started a low priority, so that Slicer stays fluid while it computes for hours."""
    if os.name == "nt":
        import ctypes

        setInformation, belowNormal = 0x0200, 0x4000
        kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
        handle = kernel.OpenProcess(setInformation, False, pid)
        if handle:
            kernel.SetPriorityClass(handle, belowNormal)
            kernel.CloseHandle(handle)
        return
    try:
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, pid, min(19, own + _nicer))  # its threads will inherit it
    except OSError:
        pass  # it has ended already, or the system forbids it: it works all the same


def killGroup(pid: int) -> None:
    """End a process that was started with `groupOptions`, and its children, at once."""
    if os.name == "nt":
        noWindow = subprocess.CREATE_NO_WINDOW  # type: ignore[attr-defined]
        command = ["taskkill", "/F", "/T", "/PID", str(pid)]
        subprocess.run(command, capture_output=True, check=False, creationflags=noWindow)
        return
    try:
        os.killpg(pid, signal.SIGKILL)  # it leads its own session
    except (ProcessLookupError, PermissionError):
        pass


def askGroup(pid: int) -> None:
    """Ask a process that was started with `groupOptions`, and its children, to stop; Windows knows only to end them."""
    if os.name == "nt":
        return killGroup(pid)
    try:
        os.killpg(pid, signal.SIGTERM)
    except (ProcessLookupError, PermissionError):
        pass


def logTail(path: Path, lines: int = 40) -> str:
    """The last lines of a log; empty when there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 32768))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
