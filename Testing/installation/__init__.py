"""The extension as Slicer's build installs it, made by CMake from the lists, with a small stand-in for Slicer's macros.

`slicer/` has what the lists ask of a Slicer build; `window.py` is a Slicer window that uses such an installation.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

repository = Path(__file__).resolve().parents[2]
modules = Path("lib/Slicer-5.12/qt-scripted-modules")
"""Where the modules of an extension are, in its folder."""


def cmake() -> str:
    """The CMake of this environment, or else the computer's."""
    beside = shutil.which("cmake", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("cmake")
    assert found, "CMake is missing; Testing/requirements.txt has it."
    return found


def install(sources: Path, build: Path, prefix: Path) -> None:
    """Configure the extension in `sources` with CMake, and install it into `prefix`. Nothing has to be compiled.

    :raises RuntimeError: with what CMake said, when it refuses the lists.
    """
    settings = {"Slicer_DIR": Path(__file__).parent / "slicer", "PYTHON_EXECUTABLE": sys.executable}
    for language in ("C", "CXX"):  # project() asks for compilers, and no list has anything for them to do
        settings.update({f"CMAKE_{language}_COMPILER": sys.executable})
        settings.update({f"CMAKE_{language}_COMPILER_{word}": "ON" for word in ("FORCED", "ID_RUN")})
    _run("-S", sources, "-B", build, *(f"-D{name}={value}" for name, value in settings.items()))
    _run("--install", build, "--prefix", prefix)


def _run(*arguments: object) -> None:
    done = subprocess.run([cmake(), *map(str, arguments)], capture_output=True, encoding="utf-8", timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr)
