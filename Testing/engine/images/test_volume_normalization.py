"""Intensities: the two normalizations against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

from cmaformer.door.errors import ModelError
from cmaformer.images import intensity as normalization
from cmaformer.images.intensity import Normalization

PERCENTILE = {"type": "percentile", "low": 0.5, "high": 99.5}


def expected(array: np.ndarray) -> np.ndarray:
    clipped = np.clip(array.astype(np.float64), *np.percentile(array.astype(np.float64), (0.5, 99.5)))
    return (clipped - clipped.mean()) / clipped.std()


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.uint8, np.int32, np.float32, np.float64])
def test_percentile_is_clip_and_z_score_of_the_volume(dtype: type) -> None:
    array = np.random.default_rng(1).gamma(2, 30, (5, 17, 13)).astype(dtype)
    result = Normalization(PERCENTILE, array)(array.astype(np.float32))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected(array), atol=1e-4)


def test_negative_integers_are_counted_right() -> None:
    array = np.random.default_rng(2).normal(-500, 300, (5, 17, 13)).astype(np.int16)
    np.testing.assert_allclose(Normalization(PERCENTILE, array)(array.astype(np.float32)), expected(array), atol=1e-4)


def test_a_large_floating_point_volume_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.random.default_rng(3).gamma(2, 30, (20, 60, 50)).astype(np.float32)
    monkeypatch.setattr(normalization, "SUBSET", 15_000)
    result = Normalization(PERCENTILE, array)(array)
    np.testing.assert_allclose(result, expected(array), atol=0.05)


def test_window_maps_to_minus_one_and_one() -> None:
    window = Normalization({"type": "window", "low": -160, "high": 240}, np.zeros((1, 1, 1)))
    slices = np.array([-1000, -160, 40, 240, 3000], np.float32)
    np.testing.assert_allclose(window(slices), [-1, -1, 0, 1, 1])
    assert slices[0] == -1000


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
@pytest.mark.parametrize("value", [0, 7, 1000.1])
def test_a_constant_image_gives_zeros(dtype: type, value: float) -> None:
    array = np.full((3, 4, 5), value, dtype)
    result = Normalization(PERCENTILE, array)(array.astype(np.float32))
    np.testing.assert_allclose(result, 0, atol=1e-3)


def test_what_is_not_finite_does_not_count() -> None:
    array = np.random.default_rng(4).normal(size=(5, 17, 13)).astype(np.float32)
    clean = Normalization(PERCENTILE, array[1:])
    array[0] = np.nan
    assert vars(Normalization(PERCENTILE, array)) == pytest.approx(vars(clean))
    assert np.isfinite(list(vars(Normalization(PERCENTILE, np.full((1, 2, 2), np.nan))).values())).all()


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"type": "histogram"},
        {"type": "window", "low": 1},
        {"type": "window", "low": 3, "high": 2},
        {"type": "percentile", "low": -1, "high": 99},
        {"type": "percentile", "low": "0", "high": 99},
        {"type": "window", "low": 0, "high": float("nan")},
    ],
)
def test_other_specifications_are_refused(spec: dict) -> None:
    with pytest.raises(ModelError):
        Normalization(spec, np.zeros((1, 1, 1)))
