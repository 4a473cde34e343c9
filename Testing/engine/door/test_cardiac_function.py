"""Cardiac function of a cycle whose truth is known, and what cannot be measured."""

from __future__ import annotations

import math

import pytest

from cmaformer.door.cardiac_function import cardiac_function, rows
from cmaformer.door.errors import EngineError


def cycle(count: int = 20) -> list[dict[str, float]]:
    """A cycle: the left ventricle falls from 150 to 60 ml, the right one from 160 to 80; 100 ml of myocardium."""
    shapes = [0.5 + 0.5 * math.cos(2 * math.pi * n / count) for n in range(count)]
    return [
        {"Left ventricle": 60 + 90 * s, "right ventricle": 80 + 80 * s, "myocardium": 100.0 + (1 - s)} for s in shapes
    ]


def test_a_known_cycle():
    found = cardiac_function(cycle(), body=(180.0, 80.0))
    assert (found.end_diastole, found.end_systole) == (1, 11)
    assert found.left.edv_ml == pytest.approx(150) and found.left.esv_ml == pytest.approx(60)
    assert found.left.ejection_fraction == pytest.approx(60) and found.left.stroke_volume_ml == pytest.approx(90)
    assert found.right is not None and found.right.ejection_fraction == pytest.approx(50)
    assert found.mass_g == pytest.approx(105)
    assert found.surface_m2 == pytest.approx(2.0) and found.indexed["left_edv"] == pytest.approx(75)
    assert ("left ventricle ejection fraction", pytest.approx(60), "%") in rows(found)


def test_phases_can_be_chosen():
    found = cardiac_function(cycle(), end_diastole=2, end_systole=10)
    assert (found.end_diastole, found.end_systole) == (2, 10) and found.left.ejection_fraction < 60
    assert cardiac_function(list(reversed(cycle(20)[:11]))).end_diastole == 11


@pytest.mark.parametrize(
    ("phases", "choices", "words"),
    [
        (cycle()[:1], {}, "two phases"),
        ([{"liver": 3.0}] * 3, {}, "No left ventricle"),
        ([{"left ventricle": 0.0}] * 3, {}, "No left ventricle"),
        (cycle(), {"end_systole": 21}, "no phase 21"),
        (cycle(), {"body": (1.8, 80.0)}, "no body"),
    ],
)
def test_what_cannot_be_measured_is_said(phases, choices, words):
    with pytest.raises(EngineError, match=words):
        cardiac_function(phases, **choices)


def test_a_heart_without_a_right_ventricle_has_the_left_one():
    found = cardiac_function([{"left ventricle": 100.0}, {"left ventricle": 40.0}])
    assert found.right is None and found.mass_g is None and found.left.ejection_fraction == pytest.approx(60)
