"""The pictures of the samples for Slicer's module Sample Data: a slice through the middle, around the structures.

python -m demo.thumbnail CMAformerSegmentation/Resources/Icons
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

import synthetic
from demo.render import write_picture

WIDTH, HEIGHT = 260, 280
# Millimeters that are shown from left to right.
HEART, ABDOMEN = 234.0, 385.0


def thumbnail(sample: synthetic.SyntheticVolume, width_mm: float) -> np.ndarray:
    """The picture, gray as RGB (HEIGHT, WIDTH, 3), uint8."""
    middle = len(sample.image) // 2
    # A CT shows the whole body, the heart is small in its image.
    shown = sample.image[middle] > -300 if sample.image.dtype == np.int16 else sample.labels[middle]
    rows, columns = np.nonzero(shown)
    step = width_mm / WIDTH
    y = rows.mean() + (np.arange(HEIGHT) - HEIGHT / 2) * step / sample.spacing[1]
    x = columns.mean() + (np.arange(WIDTH) - WIDTH / 2) * step / sample.spacing[0]
    where = np.meshgrid(y, x, indexing="ij")
    gray = ndimage.map_coordinates(sample.image[middle].astype(np.float32), where, order=1, mode="nearest")
    low, high = (-125.0, 275.0) if sample.image.dtype == np.int16 else np.percentile(gray, (1.0, 99.5))
    gray = np.clip((gray - low) / (high - low), 0.0, 1.0) * 255.0
    return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)


if __name__ == "__main__":
    write_picture(thumbnail(synthetic.short_axis_heart(), HEART), Path(sys.argv[1]) / "SyntheticHeart.png")
    write_picture(thumbnail(synthetic.abdomen(), ABDOMEN), Path(sys.argv[1]) / "SyntheticAbdomen.png")
