"""The whole panel, every section open, as Slicer's styles and larger fonts show it: a picture each.

    python Testing/walkthrough/looks.py --out runs/looks
    QT_SCALE_FACTOR=2 python Testing/walkthrough/looks.py --out runs/looks    # a screen with twice the pixels

Ends with exit status 1, and says what, where a text or a button is cut off.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from begin import drawSample, openPanel

import standin

looks = {"light": ("light", 9), "dark": ("dark", 9), "large-letters": ("light", 14)}
sections = ("segment", "train", "models")


def main() -> int:
    """Make the pictures; returns 1 where something is cut off."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--width", type=int, default=440, help="of the panel, in pixels before scaling")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    panel = openPanel()
    from standin.looks import cutOff, setLooks

    drawSample(panel)
    for section in sections:
        getattr(panel.ui, f"{section}CollapsibleButton").collapsed = False
    for group in ("modelCard", "batch", "advanced"):
        getattr(panel.ui, f"{group}GroupBox").collapsed = False
    cut = []
    for name, (style, points) in looks.items():
        setLooks(style, points)
        standin.grab(panel.parent, options.out / f"looks-{name}.png", options.width)
        cut += [f"{name}: {what}" for what in cutOff(panel.parent)]
    print("\n".join(cut) or "Nothing is cut off.")
    return 1 if cut else 0


if __name__ == "__main__":
    sys.exit(main())
