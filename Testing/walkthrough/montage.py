"""Puts pictures of the panel side by side: the states that the README shows.

python Testing/walkthrough/montage.py OUT.png A.png B.png ...
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtGui import QGuiApplication, QImage, QPainter

GAP, HEIGHT = 12, 560


def montage(output: Path, pictures: list[Path]) -> None:
    """Write the pictures side by side, each cut at HEIGHT pixels."""
    images = [QImage(str(path)) for path in pictures]
    for path, image in zip(pictures, images):
        if image.isNull():
            raise SystemExit(f"{path} is no picture.")
    width = sum(image.width() for image in images) + GAP * (len(images) - 1)
    whole = QImage(width, min(HEIGHT, max(image.height() for image in images)), QImage.Format.Format_RGB32)
    whole.fill(0xFFFFFF)
    painter, left = QPainter(whole), 0
    for image in images:
        painter.drawImage(left, 0, image)
        left += image.width() + GAP
    painter.end()
    whole.save(str(output))


if __name__ == "__main__":
    application = QGuiApplication(sys.argv[:1])
    montage(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
