"""Grid, patches and batches of a fresh model, from what the labeled cases show: how large the structures are.

Measured on hearts, hippocampi and abdomens (Testing/benchmarks/README.md): per second of a processor, a network learns
most from patches that show all structures with some surroundings, at a grid that is not much coarser than the images,
and from many patches a step, over which batch norm takes its statistics.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from ..preflight.report import Report

# Sides of patches to choose from, in pixels.
SIDES = (64, 96, 128, 160)
# How much of a patch the structures may take, and how much of a slice a patch shows at least, and at most.
FILLED, LEAST, MOST = 0.6, 1 / 3, 1.1
# A grid may be so much coarser than the images before a larger patch is taken.
COARSER = 1.5
# Pixels of a batch, and patches in it.
PIXELS, FEWEST, LARGEST = 8 * 96**2, 6, 16


def suggested(report: Report) -> tuple[dict[str, Any], tuple[float, float] | None]:
    """Settings of a recipe ("patch", "batch_size") and the (row, column) spacing in mm; nothing where nothing is known.

    Args:
        report: of the cases, whose ``spacing_mm`` is the median of the labeled images.
    """
    labeled = [facts for facts in report.cases if facts.role == "labeled" and facts.extent_mm and facts.field_mm]
    if not labeled or report.spacing_mm is None:
        return {}, report.spacing_mm
    extent = statistics.median(facts.extent_mm or 0.0 for facts in labeled)
    field = statistics.median(facts.field_mm or 0.0 for facts in labeled)
    shown = min(max(extent / FILLED, LEAST * field), MOST * field)
    pixel = max(report.spacing_mm)
    side = next((side for side in SIDES if shown / side <= COARSER * pixel), SIDES[-1])
    factor = max(1.0, shown / side / pixel)
    spacing = tuple(round(factor * mm, 3) for mm in report.spacing_mm)
    batch = min(LARGEST, max(FEWEST, round(PIXELS / side**2)))
    return {"patch": side, "batch_size": batch}, (spacing[0], spacing[1])


def completed(settings: Mapping[str, Any], suggestion: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a user, and of the suggestion what they leave open; both or neither where the user chose a patch."""
    return {**({} if "patch" in settings or settings.get("whole") else suggestion), **settings}
