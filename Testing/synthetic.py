"""Synthetic images whose truth is known, for tests and demo: the samples that the module draws, and simple shapes.

Arrays are (K, J, I). Lengths are mm. Geometry is ITK's LPS.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from CMAformerSegmentationLib.scene.syntheticAbdomen import NAME as ABDOMEN_NAME
from CMAformerSegmentationLib.scene.syntheticAbdomen import STRUCTURES as ABDOMEN_STRUCTURES
from CMAformerSegmentationLib.scene.syntheticAbdomen import abdomen
from CMAformerSegmentationLib.scene.syntheticHeart import NAME, STRUCTURES
from CMAformerSegmentationLib.scene.syntheticHeart import shortAxisHeart as short_axis_heart
from CMAformerSegmentationLib.scene.syntheticVolume import SyntheticVolume

__all__ = [
    "ABDOMEN_NAME",
    "ABDOMEN_STRUCTURES",
    "NAME",
    "STRUCTURES",
    "SyntheticVolume",
    "abdomen",
    "direction_from_angles",
    "ellipsoid_labels",
    "short_axis_heart",
]

Array = npt.NDArray[Any]


def direction_from_angles(degrees: tuple[float, float, float], flip: bool = False) -> tuple[float, ...]:
    """Direction cosines, row by row, of rotations about x, y and z; with `flip` the slice axis is reversed.

    The flipped direction has a negative determinant, as some scanners write it.
    """
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        first, second = [other for other in range(3) if other != axis]
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    if flip:
        matrix[:, 2] *= -1.0
    return tuple(float(value) for value in matrix.ravel())


def ellipsoid_labels(shape: tuple[int, int, int], spacing: tuple[float, float, float], classes: int = 2) -> Array:
    """Nested ellipsoids, outermost labeled 1, around the middle of a (K, J, I) grid of (i, j, k) spacing; uint8."""
    extent = [size * step for size, step in zip(shape, spacing[::-1])]
    axes = [(np.arange(size) - (size - 1) / 2) * step for size, step in zip(shape, spacing[::-1])]
    k, j, i = np.meshgrid(*axes, indexing="ij")
    radius = np.sqrt((k / extent[0]) ** 2 + (j / extent[1]) ** 2 + (i / extent[2]) ** 2) / 0.42
    labels = np.zeros(shape, np.uint8)
    for value in range(1, classes + 1):
        labels[radius < 1.0 - (value - 1) / classes] = value
    return labels
