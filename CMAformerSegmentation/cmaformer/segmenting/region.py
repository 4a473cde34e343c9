"""A box inside of a volume: only its voxels are segmented, and only the slices that it touches are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..door.box import spans
from ..door.errors import ImageError, JobError
from ..images.grid import SliceGrid

# Pixels around the box in a slice of the model: resampling mixes a pixel with its neighbors.
MARGIN = 2

Ranges = Sequence[int]


class Region:
    """A box, upright or oblique, in the voxel indices of a volume.

    ``to_box``: (3, 4), one row for each pair of opposite faces. A voxel (i, j, k) is inside where for each row
    (a, b, c, d) the number ``a i + b j + c k + d`` lies between -1 and 1.

    Raises ImageError (``bad-region``) for numbers that are no box.
    """

    def __init__(self, to_box: Any) -> None:
        try:
            self.to_box = np.asarray(to_box, dtype=np.float64).reshape(3, 4)
        except (TypeError, ValueError):
            raise ImageError("bad-region", "A region is described by 3 rows of 4 numbers.") from None
        rows = self.to_box[:, :3]
        if not np.isfinite(self.to_box).all() or np.linalg.matrix_rank(rows) < 3:
            raise ImageError("bad-region", "The region is not a box.")

    @classmethod
    def of_ranges(cls, ranges: Ranges) -> Region:
        """The voxels from I0 to I1, J0 to J1 and K0 to K1, each inclusive: six integers. Raises ImageError."""
        numbers = list(ranges)
        if len(numbers) != 6 or not all(isinstance(n, (int, np.integer)) for n in numbers):
            raise ImageError("bad-region", "A region is six integers: first and last voxel along i, j and k.")
        lows, highs = np.array(numbers[::2], float), np.array(numbers[1::2], float)
        if (lows > highs).any():
            raise ImageError("bad-region", "The region ends before it begins.", "Give the smaller index first.")
        half = (highs - lows + 1) / 2
        return cls(np.column_stack([np.diag(1 / half), -(lows + highs) / 2 / half]))

    @classmethod
    def of(cls, value: Region | Ranges | None) -> Region | None:
        """A region as callers give it. Raises ImageError."""
        return value if value is None or isinstance(value, Region) else cls.of_ranges(value)

    @classmethod
    def of_job(cls, value: Any) -> Region | None:
        """The parameter "region" of a job: null, or ``{"to_box": [[a, b, c, d], ...]}``. Raises EngineError."""
        if value is None:
            return None
        if not isinstance(value, dict) or "to_box" not in value:
            raise JobError("bad-job", 'job.json: "region" needs a "to_box".')
        return cls(value["to_box"])

    def spans(self, shape_kji: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """First and last voxel inside along i, for each row of a volume: two integer arrays (K, J).

        Where the box does not meet a row, the last is smaller than the first.
        """
        planes, rows, columns = shape_kji
        return spans(self.to_box, np.arange(planes), np.arange(rows), columns)


class RegionOnGrid:
    """A region on the slices of one volume.

    Attributes: ``indices`` of the slices that it touches and ``window`` (rows, columns) around it in a slice of the
    model, as two ``slice``s.

    Raises ImageError (``empty-region``) if no voxel is inside.
    """

    def __init__(self, region: Region, grid: SliceGrid) -> None:
        self._first, self._last = region.spans(grid.geometry.shape_kji)
        met: np.ndarray = self._first <= self._last
        if not met.any():
            raise ImageError(
                "empty-region", "The region lies outside of the image.", "Move it onto what is to be segmented."
            )
        columns_met = int(self._first[met].min()), int(self._last[met].max())
        slices, rows, columns = grid.ranges([_range(met, 1), _range(met, 0), columns_met])
        self.indices = np.arange(slices[0], slices[1] + 1)
        source, model = grid.source_shape, grid.model_shape
        self.window = _widened(*rows, source[0], model[0]), _widened(*columns, source[1], model[1])

    def cut(self, labels: np.ndarray) -> None:
        """Make everything outside background, in place: labels (K, J, I)."""
        i = np.arange(labels.shape[2])
        for plane, first, last in zip(labels, self._first, self._last):
            plane[(i < first[:, None]) | (i > last[:, None])] = 0


def _range(met: np.ndarray, across: int) -> tuple[int, int]:
    found = np.flatnonzero(np.any(met, axis=across))
    return int(found[0]), int(found[-1])


def _widened(low: int, high: int, source: int, model: int) -> slice:
    """Pixels of the model's grid that have a part in the source's pixels ``low`` to ``high``."""
    scale = model / source
    margin = MARGIN + int(np.ceil(scale))
    return slice(max(0, int(low * scale) - margin), min(model, int(np.ceil((high + 1) * scale)) + margin))
