"""The picture of the synthetic heart for Slicer's module Sample Data: a slice through the middle, around the heart.

python -m demo.thumbnail CMAformerSegmentation/Resources/Icons/SyntheticHeart.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

import synthetic
from demo.render import write_picture

WIDTH, HEIGHT = 260, 280
_WIDTH_MM = 234.0  # of what is shown


def thumbnail(heart: synthetic.SyntheticVolume) -> np.ndarray:
    """The picture, gray as RGB (HEIGHT, WIDTH, 3), uint8."""
    middle = len(heart.image) // 2
    rows, columns = np.nonzero(heart.labels[middle])
    step = _WIDTH_MM / WIDTH
    y = rows.mean() + (np.arange(HEIGHT) - HEIGHT / 2) * step / heart.spacing[1]
    x = columns.mean() + (np.arange(WIDTH) - WIDTH / 2) * step / heart.spacing[0]
    where = np.meshgrid(y, x, indexing="ij")
    gray = ndimage.map_coordinates(heart.image[middle].astype(np.float32), where, order=1, mode="nearest")
    low, high = np.percentile(gray, (1.0, 99.5))
    gray = np.clip((gray - low) / (high - low), 0.0, 1.0) * 255.0
    return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)


if __name__ == "__main__":
    write_picture(thumbnail(synthetic.short_axis_heart()), Path(sys.argv[1]))
