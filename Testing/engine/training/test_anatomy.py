"""What labeled cases show of the shapes of structures, and that a new model cleans up by it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from trainingdata import write_cases

from cmaformer.cases.reading import read_cases
from cmaformer.recipes.recipe import Recipe
from cmaformer.training.anatomy import learned
from cmaformer.training.work import train

SHORT = Recipe(iterations=2, batch_size=2, patch=32, evaluate_every=0)


def shapes(*maps: np.ndarray, classes: int = 3):
    store = SimpleNamespace(
        classes=classes,
        numbers=lambda role: list(range(len(maps))) if role == "labeled" else [],
        array=lambda number, kind: maps[number],
    )
    found = learned(store)
    return found.single, found.together


def heart(apart: int = 0) -> np.ndarray:
    """A ring around a disk, in 3 slices; and so many voxels of the ring elsewhere."""
    rows, columns = np.mgrid[:40, :40] - 20
    radius = np.hypot(rows, columns)
    plane = np.where(radius < 6, 1, np.where(radius < 10, 2, 0)).astype(np.uint8)
    plane[0, :apart] = 2
    return np.stack([plane] * 3)


def test_structures_in_one_part_that_touch():
    assert shapes(heart(), heart()) == ((1, 2), (1, 2))
    assert shapes(heart(), heart(1)) == ((1, 2), (1, 2))  # a stray voxel is no part


def test_one_case_with_two_parts_is_enough_to_leave_a_structure_alone():
    assert shapes(heart(), heart(12)) == ((1,), ())


def test_organs_that_hardly_touch_are_not_kept_together():
    organs = np.zeros((3, 40, 40), np.uint8)
    organs[:, 5:15, 5:15], organs[:, 14:25, 15:25] = 1, 2  # at one corner
    assert shapes(organs) == ((1, 2), ())


def test_structure_that_no_case_has_is_left_alone():
    only = np.where(heart() == 1, 1, 0).astype(np.uint8)
    assert shapes(only) == ((1,), ())
    assert shapes(only, classes=2) == ((1,), ())


@pytest.mark.parametrize("chosen", [None, (), (2,)])
def test_new_model_cleans_up_by_what_was_seen_unless_somebody_chose(tmp_path, chosen):
    cases = read_cases(write_cases(tmp_path, ["labeled", "labeled"]))
    folder = train(cases, tmp_path / "job", "model", device="cpu", recipe=SHORT, largest_component=chosen)
    found = json.loads((folder / "model.json").read_text())["postprocessing"]
    assert found["largest_component"] == ([1, 2] if chosen is None else list(chosen))
