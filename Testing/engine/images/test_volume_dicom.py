"""DICOM folders, written here with SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicomseries import write_series
from geometries import SAGITTAL

from cmaformer.door.errors import ImageError
from cmaformer.images.volume import read_volume


def test_a_folder_is_one_volume_in_the_order_of_positions(tmp_path: Path) -> None:
    voxels = write_series(tmp_path, [0, 3, 6, 9, 12], "5")
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, voxels)
    assert volume.geometry.size_ijk == (30, 24, 5)
    assert volume.geometry.spacing == pytest.approx((0.8, 0.9, 3.0))
    assert volume.notes == ()


def test_a_sagittal_series_keeps_its_direction(tmp_path: Path) -> None:
    sagittal = np.array(SAGITTAL, float) * [1, 1, -1]  # DICOM knows right-handed volumes only
    voxels = write_series(tmp_path, [0, 3, 6, 9], "6", sagittal)
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, voxels)
    assert np.reshape(volume.geometry.direction, (3, 3)) == pytest.approx(sagittal)


def test_of_two_series_the_largest_is_read(tmp_path: Path) -> None:
    write_series(tmp_path, [0, 3, 6], "7", seed=1)
    voxels = write_series(tmp_path, [0, 3, 6, 9, 12, 15], "8", seed=2)
    write_series(tmp_path, [0, 3], "9", seed=3)
    np.testing.assert_array_equal(read_volume(tmp_path).array, voxels)


def test_a_series_in_a_sub_folder_is_found(tmp_path: Path) -> None:
    voxels = write_series(tmp_path / "study" / "series", [0, 3, 6], "10")
    np.testing.assert_array_equal(read_volume(tmp_path).array, voxels)


def test_a_folder_with_one_file_is_a_volume_of_one_slice(tmp_path: Path) -> None:
    voxels = write_series(tmp_path, [7], "14")
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, voxels)
    assert volume.geometry.origin == pytest.approx((0, 0, 7))


def test_missing_slices_are_noted(tmp_path: Path) -> None:
    write_series(tmp_path, [0, 3, 6, 12, 15], "11")
    (note,) = read_volume(tmp_path).notes
    assert "not evenly spaced" in note


def test_tilted_slices_are_noted(tmp_path: Path) -> None:
    write_series(tmp_path, [(0, 0.5 * n, 3.0 * n) for n in range(5)], "12")
    (note,) = read_volume(tmp_path).notes
    assert "tilt" in note


def test_several_images_at_one_place_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path, [0, 0, 3, 3, 6, 6], "13")
    with pytest.raises(ImageError) as caught:
        read_volume(tmp_path)
    assert caught.value.code == "several-images"


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ImageError) as caught:
        read_volume(tmp_path)
    assert caught.value.code == "no-dicom"
    assert tmp_path.name not in str(caught.value)
