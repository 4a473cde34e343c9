"""Whether an image looks like those that a model was trained on, by simple statistics that are stored with the model.

A network answers with the same confidence whatever it is shown. These statistics do not tell a good image from a bad
one; they tell a CT from an MR, and a thumbnail from a heart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # a computer that trains a prepared job may have no SimpleITK, which these need
    from .grid import SliceGrid
    from .intensity import Normalization

# Voxels that are looked at, evenly spread: the statistics do not change in the digits that matter.
SAMPLE = 200_000
# How far an image may lie outside of what the training has seen: factors of pixels and fields of view (models are
# trained with zoom), parts of voxels, and of the skewness of gray values.
PIXELS, FIELD, NEGATIVE, SKEWNESS = 2.2, 1.8, 0.05, 1.5
# Where at least MANY of the voxels of every image of the training were below zero, as in CT, an image with fewer than
# FEW is in other units. Normalized gray values with a smaller deviation than FLAT hardly differ.
MANY, FEW, FLAT = 0.2, 0.01, 0.05
# Views from the side are looked at where the volume is not narrower than this part of the narrowest of the training.
# Measured with the bundled model of the hippocampus (Testing/benchmarks): cut to four fifths, three directions are
# better than one, to two thirds a little worse, and to one third much worse.
NARROWER = 0.8
# Views from the side whose slices have fewer pixels of the model show nothing, whatever the training has seen.
NARROWEST = 8

Ranges = Mapping[str, tuple[float, float]]


def facts_of(
    arrays: Sequence[np.ndarray], grid: SliceGrid, normalizations: Sequence[Normalization]
) -> dict[str, float]:
    """The statistics of an image.

    Args:
        arrays: its images, each (K, J, I), finite.
        grid: how it is cut into slices.
        normalizations: of the model, made for these images.

    Returns:
        "pixel_mm" and "field_mm", in plane, the geometric means of rows and columns; "shortest_mm", the shortest side
        of the volume; "negative", the part of voxels below zero; "deviation" and "skewness" of the normalized gray
        values. Those of further images are "negative 2", "skewness 2" and so on.
    """
    rows, columns = (count * mm for count, mm in zip(grid.source_shape, grid.pixel_spacing))
    facts = {
        "pixel_mm": math.sqrt(math.prod(grid.pixel_spacing)),
        "field_mm": math.sqrt(rows * columns),
        "shortest_mm": min(rows, columns, grid.count * grid.slice_spacing),
    }
    for number, (array, normalization) in enumerate(zip(arrays, normalizations), 1):
        for key, value in _grays(array, normalization).items():
            facts[key if number == 1 else f"{key} {number}"] = value
    return facts


def _grays(array: np.ndarray, normalization: Normalization) -> dict[str, float]:
    step = max(1, array.size // SAMPLE)
    values = array.reshape(-1)[::step] if array.flags.c_contiguous else array.ravel()[::step]
    gray = normalization(values.astype(np.float32)).astype(np.float64)
    gray -= gray.mean()
    deviation = float(gray.std())
    return {
        "negative": float((values < 0).mean()),
        "deviation": deviation,
        "skewness": float((gray**3).mean() / deviation**3) if deviation > 1e-6 else 0.0,
    }


def ranges(facts: Iterable[Mapping[str, float] | None]) -> dict[str, list[float]]:
    """The smallest and the largest of each statistic; empty where none are known."""
    known = [entry for entry in facts if entry]
    keys = list(known[0]) if known else []
    return {key: [round(f(entry[key] for entry in known), 4) for f in (min, max)] for key in keys}


def remarks(facts: Mapping[str, float], seen: Any) -> list[str]:
    """How an image differs from those of the training, a sentence each; none where it does not, or nothing is known.

    Args:
        facts: of :func:`facts_of`.
        seen: what a model tells of :func:`ranges`; anything else is taken for nothing.
    """
    known = _checked(seen)
    found = []
    for key, factor, text in (
        ("pixel_mm", PIXELS, "its pixels measure {value:.2g} mm, and the model has seen {seen} mm"),
        ("field_mm", FIELD, "its slices are {value:.0f} mm wide, and the model has seen {seen} mm"),
    ):
        if key in known and not known[key][0] / factor <= facts[key] <= known[key][1] * factor:
            found.append(text.format(value=facts[key], seen=_span(*known[key])))
    for key in facts:
        kind, _, number = key.partition(" ")
        its = f"of its images, number {number}" if number else "it"
        if kind == "negative" and key in known and facts[key] > known[key][1] + NEGATIVE:
            found.append(f"{its} has many negative values, as CT has, and the model has seen none or few")
        if kind == "negative" and key in known and known[key][0] >= MANY and facts[key] < FEW:
            found.append(f"{its} has no negative values, as a CT in Hounsfield units (HU) has")
        if kind == "deviation" and "negative" in known and facts[key] < FLAT:
            found.append(f"{its} hardly has a contrast in the range of values that the model looks at: other units?")
        if kind == "skewness" and key in known:
            low, high = known[key]
            if not low - SKEWNESS <= facts[key] <= high + SKEWNESS:
                its = f"{its} has" if number else "its"
                found.append(f"{its} bright and dark parts are distributed unlike those that the model has seen")
    return found


def recognizable(grids: Sequence[SliceGrid], seen: Any) -> list[SliceGrid]:
    """Of the directions in which a volume is cut, the first, and those with slices nearly as wide as in the training.

    Slices of a volume that is cut through what is sought are strips, in which a network that has seen it whole finds
    nothing, and it would outvote the direction in which the slices are whole.

    Args:
        grids: one for each direction of the model.
        seen: as in :func:`remarks`.
    """
    shortest = _checked(seen).get("shortest_mm", (0.0, 0.0))[0]

    def wide(grid: SliceGrid) -> bool:
        side = min(count * mm for count, mm in zip(grid.source_shape, grid.pixel_spacing))
        return side >= NARROWER * shortest and min(grid.model_shape) >= NARROWEST

    return [*grids[:1], *(grid for grid in grids[1:] if wide(grid))]


def _span(low: float, high: float) -> str:
    return f"{low:.3g}" if math.isclose(low, high, rel_tol=0.01) else f"{low:.3g} to {high:.3g}"


def _checked(seen: Any) -> dict[str, tuple[float, float]]:
    known = {}
    for key, pair in seen.items() if isinstance(seen, Mapping) else ():
        numbers = isinstance(pair, (list, tuple)) and all(isinstance(v, (int, float)) for v in pair)
        if numbers and len(pair) == 2:
            known[str(key)] = (float(pair[0]), float(pair[1]))
    return known
