"""What the samples are: an image that was drawn, with the truth that it was drawn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SyntheticVolume:
    """An image (K, J, I), uint16 or int16, with its true label map (K, J, I) uint8 and its geometry (LPS, mm)."""

    image: np.ndarray
    labels: np.ndarray
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]
