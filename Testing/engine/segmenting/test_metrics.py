"""Dice, HD95 and ASSD against MONAI's metrics, and the rules for structures that are absent."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from cmaformer.segmenting.metrics import agreement, dice

SPACING = (3.0, 0.7, 1.2)


def shapes(seed: int, classes: int = 3, shape=(14, 30, 26)) -> tuple[np.ndarray, np.ndarray]:
    """Two smooth random label maps that overlap in part."""
    rng = np.random.default_rng(seed)
    base = [ndimage.gaussian_filter(rng.normal(size=shape), 3) for _ in range(classes)]
    other = [b + 0.4 * ndimage.gaussian_filter(rng.normal(size=shape), 3) for b in base]
    return np.argmax(base, 0).astype(np.uint8), np.argmax(other, 0).astype(np.uint8)


@pytest.mark.parametrize("seed", range(4))
def test_all_measures_equal_monai(seed):
    from monai.metrics import DiceMetric, HausdorffDistanceMetric, SurfaceDistanceMetric

    prediction, reference = shapes(seed)
    ours = agreement(prediction, reference, 3, SPACING)

    def one_hot(labels):
        return torch.stack([torch.from_numpy(labels == c) for c in range(3)])[None].float()

    a, b = one_hot(prediction), one_hot(reference)
    theirs = {
        "dice": DiceMetric(include_background=False)(a, b)[0],
        "hd95_mm": HausdorffDistanceMetric(include_background=False, percentile=95)(a, b, spacing=SPACING)[0],
        "assd_mm": SurfaceDistanceMetric(include_background=False, symmetric=True)(a, b, spacing=SPACING)[0],
    }
    for measure, values in theirs.items():
        assert [getattr(entry, measure) for entry in ours] == pytest.approx(values.tolist(), rel=1e-5), measure


def test_shifted_box_has_the_distances_of_the_shift_in_mm():
    a, b = np.zeros((10, 40, 40), np.uint8), np.zeros((10, 40, 40), np.uint8)
    a[3:6, 10:20, 10:20] = 1
    b[5:8, 10:20, 10:20] = 1
    (result,) = agreement(a, b, 2, (3.0, 1.0, 1.0))
    assert result.dice == pytest.approx(1 / 3)
    assert result.hd95_mm == pytest.approx(6.0)
    assert 0 < result.assd_mm < 6.0


def test_absent_structures_count_as_said():
    empty = np.zeros((4, 8, 8), np.uint8)
    full = empty.copy()
    full[1:3, 2:6, 2:6] = 1
    assert np.isnan(dice(empty, empty, 2)).all()  # in neither map: no score at all, not 1
    assert dice(full, empty, 2).tolist() == [0.0]
    assert dice(empty, full, 2).tolist() == [0.0]
    (missed,) = agreement(empty, full, 2, (1, 1, 1))
    assert missed.dice == 0 and np.isnan(missed.hd95_mm) and np.isnan(missed.assd_mm)


def test_structure_at_the_border_of_the_volume_has_a_surface_there():
    a = np.ones((3, 6, 6), np.uint8)
    (same,) = agreement(a, a, 2, (1, 1, 1))
    assert same == (1.0, 0.0, 0.0)


def test_dice_is_of_the_volume_and_not_a_mean_of_slices():
    reference, prediction = np.zeros((10, 8, 8), np.uint8), np.zeros((10, 8, 8), np.uint8)
    reference[4, :4] = 1
    prediction[4, 2:6] = 1
    # Nine slices are empty in both; counted as 1 each, a mean over slices would say 0.95.
    assert dice(prediction, reference, 2)[0] == pytest.approx(0.5)
