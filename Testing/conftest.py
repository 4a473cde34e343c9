"""Shared set-up of all tests: import paths, and the stand-in for Slicer's application for those tests that ask for it.

Nothing of Slicer or Qt is imported until a test uses the ``slicerApp`` fixture, so the engine's tests run without them.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest

_TESTING = Path(__file__).resolve().parent
for _folder in (_TESTING.parent / "CMAformerSegmentation", _TESTING):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))

# The same rounding on every processor, also in the processes that tests start.
os.environ.setdefault("CMAFORMER_PRECISION", "float32")


@pytest.fixture(autouse=True, scope="session")
def _noGarbageCollection() -> None:
    """Never collect reference cycles: some hold PySide's widgets, which the panel of the stand-in still shows.

    When that happened depended on the order of the files, and in a background thread it ended the process.
    """
    gc.disable()
    gc.collect = lambda *_generation: 0  # the engine asks for it between the folds of a training


@pytest.fixture(scope="session")
def slicerApp():
    """The stand-in's ``slicer.app``; ``slicer``, ``qt`` and ``ctk`` can be imported from here on."""
    import standin

    return standin.start()


@pytest.fixture
def slicerScene(slicerApp):
    """The scene, empty before and after the test."""
    import slicer

    slicer.mrmlScene.Clear(0)
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear(0)


@pytest.fixture(autouse=True)
def _standinIsClean():
    """With the stand-in running: fail the test for exceptions in slots and for prepared answers that nothing asked."""
    started = "standin.application" in sys.modules
    if started:
        sys.modules["standin"].forgetRecords()
    yield
    if "standin.application" in sys.modules:
        sys.modules["standin"].checkRecords()
