"""Segmenting as a clinician does it, through the widgets of the panel: the synthetic heart, with the bundled model.

    python Testing/walkthrough/segment.py --out runs/walkthrough

Leaves the picture of the panel that is in the README.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

repository = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(repository / "Testing"), str(repository / "CMAformerSegmentation")]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import standin  # noqa: E402


def main() -> None:
    """Run the walkthrough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    standin.start()
    standin.loadModule(repository / "CMAformerSegmentation" / "CMAformerSegmentation.py")
    import slicer

    panel = slicer.util.getModuleWidget("CMAformerSegmentation")
    panel.parent.enter()
    panel.ui.termsCheckBox.click()
    (sample,) = [action for action in panel.ui.loadButton.menu().actions() if action.text.startswith("Sample data")]
    sample.trigger()
    standin.processUntil(lambda: panel.ui.applyButton.enabled, timeout=60)
    panel.ui.applyButton.click()
    standin.processUntil(lambda: panel.segmentPanel.task.ended, timeout=300)
    assert panel.segmentPanel.task.state == "finished", panel.segmentPanel.task.problem
    standin.grab(panel.parent, options.out / "panel.png", 440)
    print(panel.ui.statusLabel.text)


if __name__ == "__main__":
    main()
