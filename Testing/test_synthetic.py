"""The synthetic heart: deterministic, anatomically plausible, and drawn as its label map says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import synthetic


@pytest.fixture(scope="module")
def heart() -> synthetic.SyntheticVolume:
    return synthetic.short_axis_heart()


def test_the_same_seed_gives_the_same_voxels() -> None:
    first, second, other = (synthetic.short_axis_heart(96, 80, 3, (4.0, 4.0, 10.0), seed) for seed in (1, 1, 2))
    assert np.array_equal(first.image, second.image) and np.array_equal(first.labels, second.labels)
    assert not np.array_equal(first.image, other.image)


def test_shape_type_and_geometry(heart: synthetic.SyntheticVolume) -> None:
    assert heart.image.shape == heart.labels.shape == (10, 256, 216)
    assert heart.image.dtype == np.uint16 and heart.labels.dtype == np.uint8
    frame = np.reshape(heart.direction, (3, 3))
    assert np.allclose(frame.T @ frame, np.eye(3))
    assert np.abs(frame).max() < 0.95  # oblique to every axis of the patient
    assert np.linalg.det(frame) == pytest.approx(-1.0)


def test_volumes_are_those_of_an_adult_heart(heart: synthetic.SyntheticVolume) -> None:
    voxel_ml = np.prod(heart.spacing) / 1000.0
    volumes = {name: float((heart.labels == value).sum()) * voxel_ml for value, name in synthetic.STRUCTURES.items()}
    assert 120 < volumes["left ventricle"] < 260
    assert 120 < volumes["right ventricle"] < 260
    assert 100 < volumes["myocardium"] < 220


def test_the_muscle_closes_around_the_cavity_in_every_slice(heart: synthetic.SyntheticVolume) -> None:
    for labels in heart.labels:
        around = ndimage.binary_dilation(labels == 3) & (labels != 3)
        assert set(np.unique(labels[around])) == {2}
        assert ndimage.label(labels == 3)[1] == 1


def test_blood_is_bright_and_muscle_dark_as_in_balanced_ssfp(heart: synthetic.SyntheticVolume) -> None:
    right, muscle, left = (float(heart.image[heart.labels == value].mean()) for value in (1, 2, 3))
    assert muscle < 0.55 * min(left, right)
    assert 0.6 < right / left < 1.2


@pytest.fixture(scope="module")
def abdomen() -> synthetic.SyntheticVolume:
    return synthetic.abdomen()


def test_the_abdomen_is_drawn_the_same_again_and_lies_like_a_patient(abdomen: synthetic.SyntheticVolume) -> None:
    again, other = (synthetic.abdomen(45, 60, 13, (6.4, 6.4, 16.0), seed) for seed in (1, 2))
    assert np.array_equal(again.image, synthetic.abdomen(45, 60, 13, (6.4, 6.4, 16.0), 1).image)
    assert not np.array_equal(again.image, other.image)
    assert abdomen.image.dtype == np.int16 and abdomen.image.shape == abdomen.labels.shape == (52, 180, 240)
    middle = {
        name: np.argwhere(abdomen.labels == value).mean(0) for value, name in synthetic.ABDOMEN_STRUCTURES.items()
    }
    # Columns run to the patient's left, rows to the back, slices to the head.
    assert middle["right kidney"][2] < middle["aorta"][2] < middle["left kidney"][2]
    assert middle["liver"][2] < middle["stomach"][2] < middle["spleen"][2]
    assert middle["gallbladder"][1] < middle["aorta"][1] < middle["left kidney"][1]
    assert middle["right kidney"][0] < middle["spleen"][0]


def test_the_organs_of_the_abdomen_have_their_size_and_their_hounsfield_units(
    abdomen: synthetic.SyntheticVolume,
) -> None:
    ml = np.prod(abdomen.spacing) / 1000.0
    sizes = {"liver": (1000, 2200), "spleen": (100, 350), "left kidney": (80, 250), "right kidney": (80, 250)}
    sizes.update(gallbladder=(15, 70), pancreas=(40, 160), stomach=(150, 600), aorta=(30, 110))
    for value, name in synthetic.ABDOMEN_STRUCTURES.items():
        low, high = sizes[name]
        assert low < (abdomen.labels == value).sum() * ml < high, name
    organs = synthetic.ABDOMEN_STRUCTURES.items()
    means = {name: abdomen.image[abdomen.labels == value].mean() for value, name in organs}
    assert means["gallbladder"] < 40 < means["pancreas"] < means["spleen"] < means["aorta"]
    assert 90 < means["liver"] < 120 and 140 < means["left kidney"] < 200
    assert abdomen.image[:, 0, 0].max() < -850  # air around the patient


def test_nested_ellipsoids_hold_every_class_and_stay_inside() -> None:
    labels = synthetic.ellipsoid_labels((20, 30, 40), (1.0, 1.5, 3.0), classes=3)
    assert labels.shape == (20, 30, 40)
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    assert not labels[0].any() and not labels[:, 0].any() and not labels[:, :, 0].any()


@pytest.mark.parametrize("flip", [False, True])
def test_directions_from_angles_are_rotations(flip: bool) -> None:
    frame = np.reshape(synthetic.direction_from_angles((20.0, -35.0, 50.0), flip), (3, 3))
    assert np.allclose(frame.T @ frame, np.eye(3))
    assert np.linalg.det(frame) == pytest.approx(-1.0 if flip else 1.0)
