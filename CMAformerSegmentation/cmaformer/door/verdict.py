"""Whether a new model is better than its base on the same held-out cases, with a margin for chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BETTER, SAME, WORSE, FEW = "better", "same", "worse", "few"
# Mean Dice that is worth a change of model, and cases below which chance cannot be told from skill.
MARGIN, FEWEST = 0.005, 3
# Of the bootstrap: draws, and the part of them between the ends of the interval.
DRAWS, CONFIDENCE = 10_000, 0.95

Scores = Sequence[Sequence["float | None"]]


@dataclass(frozen=True)
class Verdict:
    """``name`` is "better", "same", "worse" or "few". ``difference`` is the mean over ``cases`` of the change of the
    mean Dice of a case; ``low`` and ``high`` are the ends of its 95 % interval."""

    name: str
    difference: float
    low: float
    high: float
    cases: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        numbers = {key: round(getattr(self, key), 4) for key in ("difference", "low", "high")}
        return {"verdict": self.name, **numbers, "cases": self.cases}


def verdict(before: Scores, after: Scores) -> Verdict | None:
    """Compare Dice (cases, structures) of the same cases by a paired bootstrap over the cases.

    B. Efron and R. Tibshirani, *An Introduction to the Bootstrap*, 1993: percentiles of the mean difference in draws of
    the cases with replacement. Better (or worse) is what is so by `MARGIN` at least, in the mean, with an interval
    that leaves out 0; all else is about the same. With fewer cases than `FEWEST` nothing is said.

    Returns:
        None where no case can be compared. A structure that is in neither map, None or NaN, does not count.
    """
    pairs = [_means(old, new) for old, new in zip(before, after)]
    changes = np.array([new - old for old, new in filter(None, pairs)])
    if not changes.size:
        return None
    rng = np.random.default_rng(0)
    means = changes[rng.integers(0, len(changes), (DRAWS, len(changes)))].mean(axis=1)
    low, high = (float(end) for end in np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    difference = float(changes.mean())
    name = SAME
    if len(changes) < FEWEST:
        name = FEW
    elif difference >= MARGIN and low > 0:
        name = BETTER
    elif difference <= -MARGIN and high < 0:
        name = WORSE
    return Verdict(name, difference, low, high, len(changes))


def average(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are known; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _means(old: Sequence[float | None], new: Sequence[float | None]) -> tuple[float, float] | None:
    """The mean Dice of a case before and after, over the structures that both have."""
    known = [(a, b) for a, b in zip(old, new) if a is not None and b is not None and a == a and b == b]
    return (float(np.mean([a for a, _ in known])), float(np.mean([b for _, b in known]))) if known else None
