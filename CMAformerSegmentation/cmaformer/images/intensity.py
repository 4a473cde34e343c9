"""Intensities as a model wants them, from one look at the whole volume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..door.input_spec import check_normalization

# Above this many voxels the percentiles of a floating-point volume come from an even subset: the order statistics of
# ten million voxels do not change in the digits that matter, and sorting a copy of a large CT would double its memory.
SUBSET = 16_000_000


# Numbers below this are exact in single precision, in which slices are resampled.
EXACT = 2.0**23
# How far beyond its percentiles a volume of larger numbers is kept, in distances between them.
BEYOND = 10.0


def tamed(array: np.ndarray, spec: Mapping[str, Any]) -> np.ndarray:
    """A volume (finite) whose numbers single precision can tell apart; itself where they are not large.

    Slices are normalized in single precision, which knows no difference of 1 at an offset of 1e9, and no 1e300. What a
    normalization takes away (offset and scale for percentiles, all beyond a window) is taken away in double precision.

    Args:
        array: of any shape, finite.
        spec: of the normalization, see :class:`Normalization`.
    """
    if not array.size or array.dtype.itemsize <= 2:
        return array
    low, high = float(array.min()), float(array.max())
    if max(abs(low), abs(high)) < EXACT:
        return array
    if spec["type"] == "window":
        return np.clip(array, spec["low"], spec["high"]).astype(np.float32)
    bottom, top, _, _ = _statistics(array, float(spec["low"]), float(spec["high"]))
    span = top - bottom
    if not span > 0:
        bottom, span = low, high - low
    if not 0 < span < np.inf:
        return np.zeros(array.shape, np.float32)
    result = np.empty(array.shape, np.float32)
    for part, kept in zip(array, result):
        kept[...] = (
            (np.clip(part.astype(np.float64), bottom - BEYOND * span, top + BEYOND * span) - bottom) / span * 1e3
        )
    return result


class Normalization:
    """Callable on float32 slices of one volume; computed once from all its voxels (finite ones).

    ``{"type": "window", "low": -160, "high": 240}``: clip to [low, high] and scale to [-1, 1].
    ``{"type": "percentile", "low": 0.5, "high": 99.5}``: clip to these percentiles of the volume, subtract the mean of
    the clipped volume and divide by its standard deviation. A constant image gives zeros.
    """

    def __init__(self, spec: Mapping[str, Any], array: np.ndarray) -> None:
        check_normalization(spec)
        if spec["type"] == "window":
            self.low, self.high = float(spec["low"]), float(spec["high"])
            self.shift = (self.low + self.high) / 2
            self.scale = (self.high - self.low) / 2
        else:
            self.low, self.high, self.shift, self.scale = _statistics(array, float(spec["low"]), float(spec["high"]))

    def __call__(self, slices: np.ndarray) -> np.ndarray:
        """float32 slices of any shape -> float32 of the same shape (a new array)."""
        result = np.clip(slices, np.float32(self.low), np.float32(self.high)).astype(np.float32, copy=False)
        result -= np.float32(self.shift)
        result /= np.float32(self.scale)
        return result


def _statistics(array: np.ndarray, low: float, high: float) -> tuple[float, float, float, float]:
    """Values of two percentiles, and mean and standard deviation of the volume clipped to them (1 if constant)."""
    if array.size == 0:
        return 0.0, 0.0, 0.0, 1.0
    if array.dtype.kind in "iu" and array.dtype.itemsize <= 2:
        bottom, top, mean, deviation = _integer_statistics(array, low, high)
    else:
        bottom, top, mean, deviation = _float_statistics(array, low, high)
    # Rounding leaves a constant image a deviation of the order of its own last digit.
    constant = deviation <= 1e-6 * max(abs(mean), 1e-30)
    return bottom, top, mean, 1.0 if constant else deviation


def _integer_statistics(array: np.ndarray, low: float, high: float) -> tuple[float, float, float, float]:
    """Exact and without a copy of the volume: from the histogram of its at most 65536 values."""
    offset = int(array.min())
    counts = np.zeros(int(array.max()) - offset + 1, np.int64)
    for part in array:
        counts += np.bincount(part.ravel().astype(np.int64) - offset, minlength=len(counts))
    values = np.arange(len(counts), dtype=np.float64) + offset
    cumulative = np.cumsum(counts)

    def percentile(q: float) -> float:
        position = q / 100 * (array.size - 1)
        below = values[np.searchsorted(cumulative, np.floor(position), side="right")]
        above = values[np.searchsorted(cumulative, np.ceil(position), side="right")]
        return float(below + (above - below) * (position - np.floor(position)))

    bottom, top = percentile(low), percentile(high)
    clipped = np.clip(values, bottom, top)
    mean = float((clipped * counts).sum() / array.size)
    deviation = float(np.sqrt((counts * (clipped - mean) ** 2).sum() / array.size))
    return bottom, top, mean, deviation


def _float_statistics(array: np.ndarray, low: float, high: float) -> tuple[float, float, float, float]:
    flat = array.reshape(-1)
    large = flat.dtype.itemsize > 4
    subset = flat[:: max(1, -(-flat.size // SUBSET))].astype(np.float64 if flat.size < SUBSET or large else np.float32)
    subset = subset[np.isfinite(subset)]
    if subset.size == 0:
        return 0.0, 0.0, 0.0, 1.0
    bottom, top = (float(v) for v in np.percentile(subset, (low, high)))
    np.clip(subset, bottom, top, out=subset)
    with np.errstate(over="ignore"):  # of numbers like 1e200, only the percentiles are asked for
        return bottom, top, float(subset.mean(dtype=np.float64)), float(subset.std(dtype=np.float64))
