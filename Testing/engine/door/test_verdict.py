"""Whether a new model is better than its base, with a margin for chance."""

from __future__ import annotations

import numpy as np
import pytest

from cmaformer.door.verdict import BETTER, FEW, SAME, WORSE, verdict


def scores(changes, base=0.8):
    """Dice of one structure before and after."""
    return [[base] for _change in changes], [[base + change] for change in changes]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ([0.02, 0.03, 0.01, 0.02, 0.04], BETTER),
        ([-0.02, -0.03, -0.01, -0.02, -0.04], WORSE),
        ([0.001, 0.001, 0.001, 0.001], SAME),  # always better, by next to nothing
        ([0.2, -0.05, -0.06, -0.05, 0.02], SAME),  # better in the mean, by one case alone
        ([0.1, 0.1], FEW),
        ([-0.1], FEW),
    ],
)
def test_chance_and_margin(changes, name):
    found = verdict(*scores(changes))
    assert found.name == name and found.cases == len(changes)
    assert found.difference == pytest.approx(np.mean(changes))
    assert found.low - 1e-12 <= found.difference <= found.high + 1e-12


def test_the_interval_is_that_of_the_mean():
    changes = np.random.default_rng(1).normal(0.03, 0.02, 40)
    found = verdict(*scores(changes))
    half = 1.96 * changes.std() / np.sqrt(len(changes))
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)
    assert verdict(*scores(changes)) == found  # the draws are the same each time


def test_structures_that_are_in_neither_map_do_not_count():
    before = [[0.5, None], [0.6, 0.7], [None, None], [0.5, 0.5]]
    found = verdict(before, [[0.6, 0.9], [0.7, float("nan")], [1.0, 1.0], [0.6, 0.6]])
    assert found.cases == 3 and found.difference == pytest.approx(0.1)
    assert verdict([[None]], [[0.5]]) is None and verdict([], []) is None
