"""What this computer can do: which Python runs the engine, whether it has PyTorch, and where the models are.

Slicer itself never imports torch: its own Python is only asked whether torch could be imported, and another Python is
asked in a process of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from cmaformer.door.version import __version__

moduleFolder = Path(__file__).resolve().parents[2]
pythonKey = "CMAformer/PythonExecutable"
modelsKey = "CMAformer/ModelsFolder"
trainingsKey = "CMAformer/TrainingsFolder"


def pythonExecutable() -> str:
    """The Python that runs the engine: the one in the settings, else Slicer's own, else the running one."""
    chosen = qt.QSettings().value(pythonKey)
    if chosen:
        return str(chosen)
    name = "PythonSlicer.exe" if os.name == "nt" else "PythonSlicer"
    own = Path(slicer.app.slicerHome) / "bin" / name
    return str(own) if own.is_file() else sys.executable


def usesOwnPython() -> bool:
    """Whether the engine runs in the same Python installation as Slicer, and so sees the same packages."""
    return not qt.QSettings().value(pythonKey)


def engineEnvironment() -> dict[str, str]:
    """Environment of the worker: finds `cmaformer`, prints at once and in UTF-8, ignores the user's own packages."""
    # Another Python must not inherit Slicer's library paths and PYTHONHOME.
    environment = dict(os.environ) if usesOwnPython() else dict(slicer.util.startupEnvironment())
    environment.update(PYTHONPATH=str(moduleFolder), PYTHONUNBUFFERED="1", PYTHONUTF8="1", PYTHONNOUSERSITE="1")
    return environment


def engineCommand(arguments: Sequence[str]) -> list[str]:
    """Argument list that runs the engine, in `moduleFolder`: Slicer's launcher of Python rewrites PYTHONPATH."""
    return [pythonExecutable(), "-m", "cmaformer", *arguments]


def workerCommand() -> list[str]:
    """Argument list of the warm worker."""
    return engineCommand(["worker", *modelsArguments()])


def modelsArguments() -> list[str]:
    """Arguments that tell the engine where models are."""
    return [word for folder in (*bundledModelFolders(), userModelFolder()) for word in ("--models", str(folder))]


def bundledModelFolders() -> list[Path]:
    """Where the models that come with the extension are: beside the module when installed, above it in a checkout."""
    places = (moduleFolder / "Resources" / "Models", moduleFolder.parent / "Resources" / "Models")
    return [place for place in places if place.is_dir()]


def userModelFolder() -> Path:
    """The user's own models: beside Slicer's settings, unless the settings name another folder."""
    chosen = qt.QSettings().value(modelsKey)
    if chosen:
        return Path(str(chosen))
    return Path(slicer.app.slicerUserSettingsFilePath).parent / "CMAformer" / "Models"


def trainingsFolder() -> Path:
    """Where trainings are kept, with copies of the images they need: beside the models, unless the settings say other.

    Not a temporary folder: a training outlives Slicer and a restart of the computer.
    """
    chosen = qt.QSettings().value(trainingsKey)
    if chosen:
        return Path(str(chosen))
    return Path(slicer.app.slicerUserSettingsFilePath).parent / "CMAformer" / "Trainings"


def engineVersion() -> str:
    """Version of the engine, which is that of the module."""
    return __version__


def deviceArgument(choice: str) -> str:
    """What the engine calls a choice of the panel: "auto", "gpu" or "cpu"."""
    if choice == "gpu":
        return "mps" if platform.system() == "Darwin" else "cuda"
    return choice


def deviceHint() -> str:
    """A guess at the hardware for a tooltip. Only the engine, which has torch, knows for sure."""
    if platform.system() == "Darwin":
        found = platform.machine() == "arm64"
    else:
        found = hasNvidiaCard()
    return _("This computer seems to have a usable GPU.") if found else _("No GPU was found; the CPU will be used.")


def hasNvidiaCard() -> bool:
    """Whether the driver of an NVIDIA graphics card is installed."""
    return platform.system() != "Darwin" and shutil.which("nvidia-smi") is not None


class TorchProbe:
    """Finds out whether the engine's Python has PyTorch, without blocking and without importing it here.

    `state` is "present", "missing", "broken" (that Python does not run) or "unknown" while it is not known yet.
    """

    def __init__(self) -> None:
        self.state = "unknown"
        self._process: subprocess.Popen[bytes] | None = None
        self.restart()

    def restart(self) -> None:
        """Look again, for instance after an installation."""
        self.stop()
        if usesOwnPython():
            importlib.invalidate_caches()
            self.state = "present" if importlib.util.find_spec("torch") is not None else "missing"
            return
        self.state = "unknown"
        code = "import importlib.util, sys; sys.exit(0 if importlib.util.find_spec('torch') else 3)"
        try:
            self._process = subprocess.Popen(
                [pythonExecutable(), "-c", code],
                env=engineEnvironment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            self.state = "broken"

    def poll(self) -> str:
        """Bring `state` up to date and return it."""
        if self._process is not None:
            code = self._process.poll()
            if code is not None:
                self.state = {0: "present", 3: "missing"}.get(code, "broken")
                self._process = None
        return self.state

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def missingTorchMessage(state: str) -> str:
    """What to tell the user when the engine cannot run; an empty string when it can, or when that is not known yet."""
    if state == "broken":
        return _("The Python program in the settings (CMAformer/PythonExecutable) cannot be run. Correct the setting.")
    if state == "missing" and not usesOwnPython():
        return _("The Python program in the settings has no PyTorch. Install it there, or clear the setting.")
    if state == "missing":
        return _("PyTorch is needed and not installed yet. Use the button at the top of the panel.")
    return ""
