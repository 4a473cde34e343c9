"""Installs PyTorch as the PyTorch extension does (light-the-torch chooses the build), in a process of its own.

`PyTorchUtilsLogic.installTorch` does the same steps, but Slicer cannot be used meanwhile, there is no progress and no
way to stop. The packages go where that extension would put them, and can be removed with it.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ..jobs.environment import engineEnvironment, pythonExecutable
from ..jobs.job import JobProblem
from ..jobs.processes import groupOptions, killGroup, logTail

IDLE, RUNNING, DONE, FAILED, CANCELLED = "idle", "running", "done", "failed", "cancelled"

oldestTorch = "2.6"
# From 2.13 on, the wheel holds paths that are too long for Windows in a usual Slicer folder, and the installation
# breaks half-way (https://github.com/Slicer/light-the-torch/issues/176).
tooNewForWindows = "2.13"


def torchRequirement(system: str = sys.platform) -> str:
    """The versions of PyTorch that are installed, as pip reads them."""
    return f"torch>={oldestTorch}" + (f",<{tooNewForWindows}" if system == "win32" else "")


def isTooOld(version: str) -> bool:
    """Whether a version of PyTorch is older than what is supported."""
    return _numbers(version) < _numbers(oldestTorch)


class TorchInstaller:
    """Runs the steps of an installation one after the other.

    :param logPath: receives what they print.
    :param popen: replaces `subprocess.Popen` in tests.
    :ivar state: IDLE, RUNNING, DONE, FAILED or CANCELLED. :ivar problem: why it failed.
    """

    def __init__(self, logPath: Path, popen: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen) -> None:
        self.logPath = Path(logPath)
        self.state = IDLE
        self.problem: JobProblem | None = None
        self._popen = popen
        self._process: Any = None
        self._steps: list[list[str]] = []
        self._begin = 0.0

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self._begin

    def start(self, folder: str | None = None, replace: bool = False) -> None:
        """Start, from the Internet or from a folder of wheels that were brought along.

        :param folder: of the wheels of PyTorch and of what it needs.
        :param replace: put it in the place of the PyTorch that there is, which stays until the other one is here.
        """
        if self.state == RUNNING:
            return
        pip, wanted = ["-m", "pip", "--disable-pip-version-check"], [torchRequirement()]
        self._steps = []
        if folder:
            install = [*pip, "install", "--no-index", "--find-links", folder]
        else:
            self._steps.append([*pip, "install", "light-the-torch>=0.5"])
            install, wanted = ["-m", "light_the_torch", "install"], [*wanted, "torchvision"]
        if replace:  # the libraries that both need, such as NumPy, are Slicer's own and are left alone
            self._steps.append([*install, "--force-reinstall", "--no-deps", *wanted])
        self._steps.append([*install, *wanted])
        self.state, self.problem, self._begin = RUNNING, None, time.monotonic()
        try:
            self.logPath.parent.mkdir(parents=True, exist_ok=True)
            self.logPath.write_bytes(b"")
        except OSError as error:
            return self._fail(str(error))
        self._next()

    def poll(self) -> str:
        """Take the next step when one has ended; returns `state`."""
        if self._process is None:
            return self.state
        code = self._process.poll()
        if code is None:
            return self.state
        self._process = None
        if code:
            self._fail(self.log())
        elif self._steps:
            self._next()
        else:
            self.state = DONE
        return self.state

    def cancel(self) -> None:
        """End it at once, with what it has started. What was downloaded is forgotten."""
        if self._process is not None:
            killGroup(self._process.pid)
            self._process.wait()
            self._process = None
        if self.state == RUNNING:
            self.state = CANCELLED

    def log(self, lines: int = 60) -> str:
        """The last lines that were printed."""
        return logTail(self.logPath, lines)

    def lastLine(self) -> str:
        """What it does now, as it says itself: "Downloading torch-2.12.1... (184 MB)"."""
        lines = [line.strip() for line in self.log(20).splitlines() if line.strip()]
        return lines[-1][:160] if lines else ""

    def _next(self) -> None:
        step = self._steps.pop(0)
        try:
            with open(self.logPath, "ab") as log:
                self._process = self._popen(
                    [pythonExecutable(), *step],
                    env={**engineEnvironment(), "PIP_NO_INPUT": "1", "PIP_PROGRESS_BAR": "off"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    **groupOptions(),
                )
        except OSError as error:
            self._fail(str(error))

    def _fail(self, text: str) -> None:
        self.state = FAILED
        self.problem = explain(text)


# What pip prints, and what it means.
_networkWords = (
    "ConnectionError",
    "NewConnectionError",
    "ProxyError",
    "ConnectTimeout",
    "ReadTimeout",
    "Temporary failure in name resolution",
    "getaddrinfo failed",
    "Name or service not known",
    "CERTIFICATE_VERIFY_FAILED",
    "SSLError",
    "Network is unreachable",
)
_diskWords = ("No space left on device", "not enough space on the disk", "Errno 28")
_rightsWords = ("Permission denied", "Access is denied", "Errno 13", "Read-only file system")
_pathWords = ("WinError 206", "filename or extension is too long")
_missingWords = ("No matching distribution found", "Could not find a version")


def explain(log: str) -> JobProblem:
    """Why an installation has failed, from what it printed, and what to do."""

    def says(words: Sequence[str]) -> bool:
        return any(word in log for word in words)

    if says(_networkWords):
        return JobProblem("no-network", _("The server of PyTorch cannot be reached from this computer."), wheelHint())
    if says(_diskWords):
        return JobProblem("disk-full", _("The disk is full."), _("Make room for some gigabytes, and try again."))
    if says(_pathWords):
        hint = _("Install Slicer in a folder with a short name, such as C:/Slicer, and try again.")
        return JobProblem("long-paths", _("Paths in Slicer's folder are too long for Windows."), hint)
    if says(_rightsWords):
        hint = _(
            "Close other Slicer windows. Where Slicer was installed by somebody else, ask them to install PyTorch."
        )
        return JobProblem("no-permission", _("Slicer's folder cannot be written."), hint)
    if says(_missingWords):
        return JobProblem("no-wheel", _("No version of PyTorch that fits was found there."), wheelHint())
    return JobProblem("install-failed", _("PyTorch could not be installed."), _("The log below says why."))


# What wheels of a computer may be called; pip takes each name to the letter, and the packages use all of them.
_platforms = {
    "win32": ["win_amd64"],
    "darwin": ["macosx_11_0_arm64", "macosx_14_0_arm64"],
    "linux": [*(f"manylinux_2_{n}_x86_64" for n in (28, 27, 17)), "manylinux2014_x86_64", "manylinux1_x86_64"],
}
# The builds for the processor alone: 0.2 GB, where those for a graphics card are some gigabytes.
_processorBuilds = "https://download.pytorch.org/whl/cpu"


def downloadArguments(system: str = sys.platform) -> list[str]:
    """Arguments of ``pip download`` that choose the wheels of Slicer's Python on such a computer."""
    version = ".".join(platform.python_version_tuple()[:2])
    names = _platforms.get(system, _platforms["linux"])
    return [
        "--only-binary=:all:",
        "--python-version",
        version,
        *(part for name in names for part in ("--platform", name)),
    ]


def wheelHint(system: str = sys.platform) -> str:
    """Which files to bring to a computer without a network, and how to get them on one that has it."""
    command = f'pip download "{torchRequirement(system)}" -d wheels {" ".join(downloadArguments(system))}'
    if system != "darwin":  # where there is one build for all
        command += f" --index-url {_processorBuilds}"
    return _(
        "Set the proxy of your hospital (environment variable HTTPS_PROXY) and try again. Or run this on a computer "
        "with Internet and the same operating system (0.2 GB, for the processor; with cu128 instead of cpu for an "
        "NVIDIA card, some gigabytes), bring the folder wheels here, and press From folder: {command}"
    ).format(command=command)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:2])
