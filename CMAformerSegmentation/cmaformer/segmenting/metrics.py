"""Agreement of two label maps of one case: Dice, HD95 and ASSD in mm. Per volume, never per slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage


class Agreement(NamedTuple):
    """How well one structure agrees.

    Attributes:
        dice: in [0, 1]; NaN if the structure is in neither map, so that it counts in no mean.
        hd95_mm: 95th percentile Hausdorff distance in mm, the larger of both directions; NaN if either map lacks it.
        assd_mm: average symmetric surface distance in mm, over the surface voxels of both maps; NaN likewise.
    """

    dice: float
    hd95_mm: float
    assd_mm: float


def dice(prediction: np.ndarray, reference: np.ndarray, classes: int) -> np.ndarray:
    """Dice of each foreground class of one case.

    Args:
        prediction: label map of a whole volume, any shape.
        reference: the same shape.
        classes: with the background.

    Returns:
        (classes - 1,) in [0, 1]; NaN where a class is in neither map.
    """
    return np.array([_dice(prediction == value, reference == value) for value in range(1, classes)])


def agreement(
    prediction: np.ndarray, reference: np.ndarray, classes: int, spacing_mm: Sequence[float]
) -> list[Agreement]:
    """All measures of each foreground class of one case.

    Surface voxels are those with a face neighbor outside the structure; distances are Euclidean between voxel centers.

    Args:
        prediction: label map (K, J, I).
        reference: label map (K, J, I).
        classes: with the background.
        spacing_mm: distance of voxel centers along each array axis.
    """
    result = []
    for value in range(1, classes):
        a, b = prediction == value, reference == value
        if a.any() and b.any():
            there, back = _surface_distances(a, b, spacing_mm)
            hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
            result.append(Agreement(_dice(a, b), float(hd95), float(np.concatenate([there, back]).mean())))
        else:
            result.append(Agreement(_dice(a, b), np.nan, np.nan))
    return result


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    total = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    return 2 * int(np.count_nonzero(a & b)) / total if total else np.nan


def _surface_distances(a: np.ndarray, b: np.ndarray, spacing_mm: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Distances in mm from each surface voxel of a to the surface of b, and back."""
    (box,) = ndimage.find_objects((a | b).astype(np.uint8))  # the rest of the volume changes nothing
    surfaces = []
    for mask in (a[box], b[box]):
        # A margin of background, so that structures at the border of the volume have a surface there.
        padded = np.pad(mask, 1)
        surfaces.append(padded & ~ndimage.binary_erosion(padded))
    to_a, to_b = (ndimage.distance_transform_edt(~surface, sampling=tuple(spacing_mm)) for surface in surfaces)
    return to_b[surfaces[0]], to_a[surfaces[1]]
