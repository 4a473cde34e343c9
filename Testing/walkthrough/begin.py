"""What each walkthrough begins with: the stand-in for Slicer, and the module's panel in it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

repository = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(repository / "Testing"), str(repository / "CMAformerSegmentation")]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import standin  # noqa: E402


def openPanel() -> Any:
    """The module's panel, as the user sees it who has opened the module."""
    standin.start()
    standin.loadModule(repository / "CMAformerSegmentation" / "CMAformerSegmentation.py")
    import slicer

    panel = slicer.util.getModuleWidget("CMAformerSegmentation")
    panel.parent.enter()
    return panel


def drawSample(panel: Any) -> None:
    """Choose the synthetic heart in the menu *Load...*, and wait until it is there."""
    (sample,) = [action for action in panel.ui.loadButton.menu().actions() if "synthetic heart" in action.text]
    sample.trigger()
    standin.processUntil(lambda: panel.ui.inputSelector.currentNode() is not None, timeout=60)
