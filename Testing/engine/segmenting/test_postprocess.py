"""Clean-up of a label map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from geometries import geometry
from segmentcases import KNOWN, WINDOW, image_of
from tinymodel import Thresholds, save_tiny

from cmaformer import segment as segment_function
from cmaformer.segmenting.clean_up import clean_up


def test_clean_up_follows_the_model(tmp_path: Path) -> None:
    save_tiny(
        tmp_path / "m",
        input={**WINDOW, "spacing_mm": None},
        postprocessing={"largest_component": [1], "fill_holes": [1]},
    )
    labels = np.zeros((12, 37, 41), np.uint8)
    labels[3:9, 5:20, 5:20] = 1
    clean = labels.copy()
    labels[6, 10, 10] = 0
    labels[0, 30, 30] = 1
    image = image_of(labels, geometry())
    kept = segment_function(image, tmp_path / "m", device="cpu", network=Thresholds(*KNOWN), cleanup=False)
    np.testing.assert_array_equal(kept.labels, labels)
    cleaned = segment_function(image, tmp_path / "m", device="cpu", network=Thresholds(*KNOWN))
    np.testing.assert_array_equal(cleaned.labels, clean)


def test_clean_up_touches_nothing_else() -> None:
    labels = np.zeros((9, 20, 20), np.uint8)
    labels[2:7, 2:12, 2:12] = 1
    labels[4, 5, 5] = 2  # enclosed, but another structure
    labels[3:6, 7:9, 7:9] = 0  # a hole
    labels[2, 10, 10] = 0  # a dent that touches the outside
    labels[7, 12, 12] = 1  # touches by a corner, so it belongs to the large part
    labels[8, 18, 18] = 2
    expected = labels.copy()
    expected[3:6, 7:9, 7:9] = 1
    clean_up(labels, [1], [1, 3])
    np.testing.assert_array_equal(labels, expected)
    clean_up(labels, [2])
    assert (labels == 2).sum() == 1


def test_structures_that_touch_are_cleaned_up_as_one() -> None:
    """A large part of one structure far away from the others is not the one that stays."""
    labels = np.zeros((6, 30, 30), np.uint8)
    labels[1:5, 4:12, 4:12] = 2
    labels[2:4, 6:9, 6:9] = 3  # small, and inside of the other
    labels[2:4, 20:28, 20:28] = 3
    alone, as_one = labels.copy(), labels.copy()
    clean_up(alone, [2, 3])
    assert (alone[2:4, 6:9, 6:9] == 0).all() and (alone[2:4, 20:28, 20:28] == 3).all()
    clean_up(as_one, [2, 3], together=[2, 3])
    labels[2:4, 20:28, 20:28] = 0
    np.testing.assert_array_equal(as_one, labels)
    beside = np.zeros_like(labels)
    beside[2:4, 5:15, 5:15], beside[2:4, 5:10, 18:22] = 2, 3  # three voxels apart: not to be lost
    kept = beside.copy()
    clean_up(kept, [2, 3], together=[2, 3])
    np.testing.assert_array_equal(kept, beside)
    empty = np.zeros_like(labels)
    clean_up(empty, [2, 3], [3], together=[2, 3])
    assert not empty.any()
