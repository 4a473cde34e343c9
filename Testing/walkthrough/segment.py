"""Segmenting as a clinician does it, through the widgets of the panel: the synthetic heart, with the bundled model.

    python Testing/walkthrough/segment.py --out runs/walkthrough

Leaves the picture of the panel that is in the README.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from begin import drawSample, openPanel

import standin


def main() -> None:
    """Run the walkthrough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    panel = openPanel()
    panel.ui.termsCheckBox.click()
    drawSample(panel)
    standin.processUntil(lambda: panel.ui.applyButton.enabled, timeout=60)
    panel.ui.applyButton.click()
    standin.processUntil(lambda: panel.segmentPanel.task.ended, timeout=300)
    assert panel.segmentPanel.task.state == "finished", panel.segmentPanel.task.problem
    standin.grab(panel.parent, options.out / "panel.png", 440)
    print(panel.ui.statusLabel.text)


if __name__ == "__main__":
    main()
