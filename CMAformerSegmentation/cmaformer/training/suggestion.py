"""Grid, patches and batches of a fresh model, from what the labeled cases show: how large the structures are.

Measured on hearts, hippocampi and abdomens (Testing/benchmarks/README.md): per second of a processor, a network learns
most from patches that show all structures with some surroundings, at a grid that is not much coarser than the images,
and from many patches a step, over which batch norm takes its statistics.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..preflight.report import CaseFacts, Report

# Sides of patches to choose from, in pixels.
SIDES = (64, 96, 128, 160)
# How much of a patch the structures may take, and how much of a slice a patch shows at least, and at most.
FILLED, LEAST, MOST = 0.6, 1 / 3, 1.1
# A grid may be so much coarser than the images before a larger patch is taken.
COARSER = 1.5
# Sides of voxels that count as equal, the most probabilities that are kept of a volume seen from three sides, and its
# fewest slices in any direction. A hippocampus in voxels of 1 mm: Dice 0.858 instead of 0.833 (20 minutes of one core).
EQUAL, MOST_VOTES, THINNEST = 1.25, 50_000_000, 16
# Pixels of a batch, and patches in it.
PIXELS, FEWEST, LARGEST = 8 * 96**2, 6, 16


@dataclass(frozen=True)
class Suggestion:
    """What suits the labeled cases.

    Attributes:
        settings: of a recipe, "patch" and "batch_size"; empty where nothing is known.
        spacing_mm: (row, column) of the grid.
        slicing: one of :data:`cmaformer.door.slicing.SLICINGS`; None: as usual.
    """

    settings: Mapping[str, Any]
    spacing_mm: tuple[float, float] | None
    slicing: str | None = None


def suggested(report: Report) -> Suggestion:
    """What suits the cases of a report, whose ``spacing_mm`` is the median of the labeled images."""
    labeled = [facts for facts in report.cases if facts.role == "labeled" and facts.extent_mm and facts.field_mm]
    if not labeled or report.spacing_mm is None:
        return Suggestion({}, report.spacing_mm)
    extent = statistics.median(facts.extent_mm or 0.0 for facts in labeled)
    field = statistics.median(facts.field_mm or 0.0 for facts in labeled)
    shown = min(max(extent / FILLED, LEAST * field), MOST * field)
    pixel = max(report.spacing_mm)
    side = next((side for side in SIDES if shown / side <= COARSER * pixel), SIDES[-1])
    factor = max(1.0, shown / side / pixel)
    rows, columns = (round(factor * mm, 3) for mm in report.spacing_mm)
    batch = min(LARGEST, max(FEWEST, round(PIXELS / side**2)))
    slicing = "orthogonal" if all(_suits_three_directions(facts, len(report.classes)) for facts in labeled) else None
    return Suggestion({"patch": side, "batch_size": batch}, (rows, columns), slicing)


def _suits_three_directions(facts: CaseFacts, structures: int) -> bool:
    """Whether an image is worth looking at from three sides: voxels with equal sides, and not too many of them."""
    if facts.spacing_mm is None or facts.size is None:
        return False
    equal = max(facts.spacing_mm) <= EQUAL * min(facts.spacing_mm)
    return equal and math.prod(facts.size) * (structures + 1) <= MOST_VOTES and min(facts.size) >= THINNEST


def completed(settings: Mapping[str, Any], suggestion: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a user, and of the suggestion what they leave open; both or neither where the user chose a patch."""
    return {**({} if "patch" in settings or settings.get("whole") else suggestion), **settings}
