"""The tests of the engine do not pay for the stand-in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_conftest_imports_neither_slicer_nor_qt():
    code = (
        "import sys; import conftest; packages = {name.split('.')[0] for name in sys.modules};"
        "heavy = packages & {'slicer', 'PySide6', 'vtkmodules', 'torch'};"
        "assert not heavy, heavy; assert any(p.endswith('CMAformerSegmentation') for p in sys.path)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1], timeout=60)


def test_starting_twice_gives_the_same_application(slicerApp):
    import slicer

    import standin

    assert standin.start() is slicerApp is slicer.app
