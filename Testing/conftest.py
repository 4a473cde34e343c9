"""Shared set-up of all tests: import paths, and the stand-in for Slicer's application for those tests that ask for it.

Nothing of Slicer or Qt is imported until a test uses the ``slicerApp`` or ``slicerScene`` fixture, so the engine's tests
run without them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_TESTING = Path(__file__).resolve().parent
for _folder in (_TESTING.parent / "CMAformerSegmentation", _TESTING):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))


@pytest.fixture(scope="session")
def slicerApp():
    """The stand-in's ``slicer.app``; ``slicer``, ``qt`` and ``ctk`` can be imported from here on."""
    import standin

    return standin.start()


@pytest.fixture
def slicerScene(slicerApp):
    """An empty scene; the test fails when a slot, observer or thread raised, or a prepared answer was not used."""
    import slicer
    from standin import failures, interception, packages

    failures.take()
    interception.clear()
    packages.displayed.clear()
    packages.requested.clear()
    slicer.mrmlScene.Clear(0)
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear(0)
    unused = interception.clear()
    failures.raiseCollected()
    assert not unused, f"answers were prepared but nothing asked: {unused}"


@pytest.fixture(autouse=True)
def _slotErrors(request):
    """Fail any test that used the stand-in and left exceptions in slots."""
    yield
    failures = sys.modules.get("standin.failures")
    if failures is not None and "slicerApp" in request.fixturenames:
        failures.raiseCollected()
