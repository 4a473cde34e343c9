"""What is told of each structure of a result: voxels, volume, and the image's mean in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..images.geometry import Volume
    from ..models.model import Model


def measure_structures(labels: np.ndarray, volume: Volume, model: Model) -> list[dict[str, Any]]:
    """Voxels, volume (ml) and mean of the image's finite values in each structure of a model.

    Args:
        labels: uint8 (K, J, I), on the volume's grid.
        volume: the image.
        model: whose structures are listed; a structure that was not found has no mean (None).
    """
    counts, known, sums = np.zeros(256, np.int64), np.zeros(256, np.int64), np.zeros(256)
    for plane, values in zip(labels, volume.array):
        counts += np.bincount(plane.ravel(), minlength=256)
        inside = (plane > 0) & np.isfinite(values)
        known += np.bincount(plane[inside], minlength=256)
        sums += np.bincount(plane[inside], values[inside].astype(np.float64), minlength=256)
    return [
        {
            "value": structure.value,
            "name": structure.name,
            "voxels": int(counts[structure.value]),
            "volume_ml": round(float(counts[structure.value]) * volume.geometry.voxel_volume_ml, 4),
            "mean": round(float(sums[structure.value] / known[structure.value]), 4) if known[structure.value] else None,
        }
        for structure in model.description.classes
    ]
