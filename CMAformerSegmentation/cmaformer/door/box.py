"""A box, upright or oblique, in the voxel indices of a volume: which voxels of each row are inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

# A voxel whose center lies on a face of the box is inside, whatever the rounding: this part of half a side more.
TOLERANCE = 1e-6


def spans(to_box: Any, planes: np.ndarray, rows: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last voxel inside along i, for some rows of a volume: two integer arrays (planes, rows).

    Where the box does not meet a row, the last is smaller than the first.

    Args:
        to_box: (3, 4), one row for each pair of opposite faces: a voxel (i, j, k) is inside where for each row
            (a, b, c, d) the number ``a i + b j + c k + d`` lies between -1 and 1.
        planes: indices k.
        rows: indices j.
        columns: voxels of a row.
    """
    k, j = planes[:, None], rows[None]
    first, last = np.zeros((len(planes), len(rows))), np.full((len(planes), len(rows)), columns - 1.0)
    limit = 1 + TOLERANCE
    for a, b, c, d in to_box:
        rest = b * j + c * k + d
        if abs(a) * columns < 1e-12:  # the faces run along the row
            last[np.abs(rest) > limit] = -1
        else:
            ends = (-limit - rest) / a, (limit - rest) / a
            np.maximum(first, np.minimum(*ends), out=first)
            np.minimum(last, np.maximum(*ends), out=last)
    return np.ceil(first.clip(0, columns)).astype(np.intp), np.floor(last.clip(-1, columns - 1)).astype(np.intp)


def parameter(to_box: Sequence[Sequence[float]]) -> dict[str, Any]:
    """A region as ``job.json`` has it; a null there is the whole volume."""
    return {"to_box": [list(row) for row in to_box]}
