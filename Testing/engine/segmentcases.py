"""What the tests of segmentation share: tiny models, and an image whose intensity is its label."""

from __future__ import annotations

import numpy as np

from cmaformer.images.geometry import Volume

WINDOW = {"normalization": {"type": "window", "low": 0, "high": 3}}


def image_of(labels: np.ndarray, grid) -> Volume:
    """An image whose intensity is the label."""
    return Volume(labels.astype(np.int16), grid)


# The window [0, 3] becomes [-1, 1], so labels 0..3 become -1, -1/3, 1/3, 1.
KNOWN = (-2 / 3, 0.0, 2 / 3)
