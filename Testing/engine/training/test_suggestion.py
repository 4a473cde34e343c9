"""Grid, patches and batches of a fresh model follow the size of the structures and of the slices."""

from __future__ import annotations

import pytest

from cmaformer.preflight.report import CaseFacts, Report
from cmaformer.training.suggestion import Suggestion, completed, suggested


def report(extent: float, field: float, pixel: float, count: int = 3) -> Report:
    facts = [CaseFacts(n + 1, "labeled", extent_mm=extent, field_mm=field) for n in range(count)]
    held_out = CaseFacts(9, "held-out", extent_mm=1000.0, field_mm=1000.0)
    return Report({1: "x"}, (*facts, held_out), (), spacing_mm=(pixel, pixel))


@pytest.mark.parametrize(
    ("extent", "field", "pixel", "side", "spacing"),
    [
        (113.0, 384.0, 1.5, 96, 1.96),  # a heart
        (39.0, 50.0, 1.0, 64, 1.0),  # a hippocampus in an image cut around it
        (290.0, 350.0, 1.33, 160, 2.41),  # abdominal organs
        (10.0, 240.0, 0.5, 128, 0.625),  # a small lesion in a head: a third of the slice is seen
        (10.0, 240.0, 1.0, 64, 1.25),
    ],
)
def test_patches_show_the_structures_with_some_surroundings(extent, field, pixel, side, spacing):
    suggestion = suggested(report(extent, field, pixel))
    settings, found = suggestion.settings, suggestion.spacing_mm
    assert (
        settings["patch"] == side
        and suggestion.slicing is None
        and found == pytest.approx((spacing, spacing), rel=0.01)
    )
    assert 6 <= settings["batch_size"] <= 16
    assert side * found[0] >= min(1.1 * field, max(extent, field / 3)) - 1e-6


def test_pixels_keep_their_proportion():
    wide = Report({1: "x"}, report(113.0, 384.0, 1.5).cases, (), spacing_mm=(1.5, 1.2))
    assert suggested(wide).spacing_mm == pytest.approx((1.958, 1.567), rel=0.01)


def test_without_labels_nothing_is_suggested():
    empty = Report({1: "x"}, (CaseFacts(1, "labeled"),), (), spacing_mm=(1.0, 1.0))
    assert suggested(empty) == Suggestion({}, (1.0, 1.0))


@pytest.mark.parametrize(
    ("size", "spacing", "slicing"),
    [
        ((36, 50, 35), (1.0, 1.0, 1.0), "orthogonal"),  # a hippocampus
        ((36, 50, 35), (1.0, 1.0, 1.2), "orthogonal"),
        ((36, 50, 35), (1.0, 1.0, 3.0), None),
        ((512, 512, 400), (0.8, 0.8, 0.8), None),  # too many probabilities to keep
        ((200, 200, 8), (1.0, 1.0, 1.0), None),  # too few slices from the side
    ],
)
def test_small_volumes_with_voxels_of_equal_sides_are_seen_from_three_sides(size, spacing, slicing):
    facts = [CaseFacts(n, "labeled", size, spacing, extent_mm=30.0, field_mm=50.0) for n in (1, 2)]
    found = suggested(Report({1: "x"}, tuple(facts), (), spacing_mm=spacing[:2]))
    assert found.slicing == slicing
    thick = CaseFacts(3, "labeled", size, (1.0, 1.0, 5.0), extent_mm=30.0, field_mm=50.0)
    assert suggested(Report({1: "x"}, (*facts, thick), (), spacing_mm=spacing[:2])).slicing is None


def test_what_the_user_says_stays():
    suggestion = {"patch": 96, "batch_size": 8}
    assert completed({"batch_size": 4}, suggestion) == {"patch": 96, "batch_size": 4}
    assert completed({"patch": 64}, suggestion) == {"patch": 64}
    assert completed({"whole": True}, suggestion) == {"whole": True}
