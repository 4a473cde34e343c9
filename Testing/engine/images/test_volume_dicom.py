"""DICOM folders, written here with SimpleITK."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from geometries import SAGITTAL
from tinymodel import save_tiny

from cmaformer import segment
from cmaformer.door.errors import ImageError
from cmaformer.door.watcher import Watcher
from cmaformer.images.volume import read_volume
from dicomseries import write_enhanced, write_series


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


def test_of_several_series_the_largest_is_read_and_the_others_are_told(tmp_path: Path) -> None:
    write_series(tmp_path, [0, 3, 6], "7", seed=1)
    voxels = write_series(tmp_path, [0, 3, 6, 9, 12, 15], "8", seed=2)
    write_series(tmp_path, [0, 3], "9", seed=3)
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, voxels)
    (note,) = volume.notes
    assert "3 DICOM series" in note and "(6)" in note


def test_a_series_in_a_sub_folder_is_found(tmp_path: Path) -> None:
    voxels = write_series(tmp_path / "study" / "series", [0, 3, 6], "10")
    np.testing.assert_array_equal(read_volume(tmp_path).array, voxels)


def test_a_folder_with_one_file_is_a_volume_of_one_slice(tmp_path: Path) -> None:
    voxels = write_series(tmp_path, [7], "14")
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, voxels)
    assert volume.geometry.origin == pytest.approx((0, 0, 7))


def refusal(folder: Path) -> ImageError:
    with pytest.raises(ImageError) as caught:
        read_volume(folder)
    assert folder.name not in str(caught.value)
    return caught.value


def test_missing_slices_are_refused_and_small_differences_told(tmp_path: Path) -> None:
    write_series(tmp_path / "gap", [0, 3, 6, 12, 15], "11")
    error = refusal(tmp_path / "gap")
    assert error.code == "uneven-slices" and "3 to 6 mm" in str(error) and "1 may be missing" in str(error)
    write_series(tmp_path / "rounded", [0, 3, 6.1, 9, 12], "15")
    volume = read_volume(tmp_path / "rounded")
    assert volume.geometry.spacing[2] == pytest.approx(3.0)
    assert volume.notes == ("The slices of the DICOM series are 2.900 to 3.100 mm apart.",)


def test_tilted_slices_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path, [(0, 0.5 * n, 3.0 * n) for n in range(5)], "12")
    error = refusal(tmp_path)
    assert error.code == "sheared" and "tilt" in str(error)


@pytest.mark.parametrize("places", [[0, 0, 3, 3, 6, 6], [0, 3, 6, 0, 3, 6]], ids=["by slice", "by phase"])
def test_several_images_at_one_place_are_refused(tmp_path: Path, places) -> None:
    write_series(tmp_path, places, "13")
    error = refusal(tmp_path)
    assert error.code == "several-images" and "2 at each of 3 places" in str(error)


def test_a_series_that_goes_on_in_a_subfolder_is_one_and_copies_count_once(tmp_path: Path) -> None:
    voxels = write_series(tmp_path, [0, 3, 6, 9], "20")
    files = sorted(tmp_path.glob("*.dcm"))
    (tmp_path / "000001").mkdir()
    files[0].rename(tmp_path / "000001" / files[0].name)
    shutil.copy(files[1], tmp_path / "000001" / "copy.dcm")
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, voxels)
    assert volume.notes == ()


def changed(path: Path, **tags) -> None:
    """Change tags of a file; None removes one."""
    data = pydicom.dcmread(path)
    for name, value in tags.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    data.save_as(path)


def test_a_localizer_among_the_slices_is_left_out(tmp_path: Path) -> None:
    voxels = write_series(tmp_path, [0, 3, 6, 9], "21")
    write_series(tmp_path / "scout", [(5, 5, 5)], "22", np.array(SAGITTAL, float) * [1, 1, -1])
    (scout,) = (tmp_path / "scout").glob("*.dcm")
    one = pydicom.dcmread(next(tmp_path.glob("*.dcm")))
    changed(scout, SeriesInstanceUID=one.SeriesInstanceUID)
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, voxels)
    (note,) = volume.notes
    assert "1 image was left out" in note and "another size or orientation" in note


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"PixelSpacing": None}, "no-geometry"),
        ({"ImagePositionPatient": None}, "no-geometry"),
        ({"ImageOrientationPatient": None}, "no-geometry"),
        ({"PatientID": "another"}, "several-patients"),
    ],
    ids=lambda value: str(value),
)
def test_what_the_headers_do_not_say_is_not_made_up(tmp_path: Path, tags, code) -> None:
    write_series(tmp_path, [0, 3, 6, 9], "23")
    files = sorted(tmp_path.glob("*.dcm"))
    for path in files[:1] if "PatientID" in tags else files:
        changed(path, **tags)
    assert refusal(tmp_path).code == code


def test_a_file_that_is_cut_short_is_named(tmp_path: Path) -> None:
    write_series(tmp_path, [0, 3, 6, 9], "24")
    path = sorted(tmp_path.glob("*.dcm"))[2]
    path.write_bytes(path.read_bytes()[:-100])
    error = refusal(tmp_path)
    assert error.code == "cut-short" and path.name in str(error)


def test_each_slice_is_rescaled_by_its_own_slope(tmp_path: Path) -> None:
    """As in PET: the values of a slice are not cut to the type of the first one."""
    voxels = write_series(tmp_path, [0, 3, 6], "25")
    for number, path in enumerate(sorted(tmp_path.glob("*.dcm"))):
        changed(path, RescaleSlope="1" if number == 0 else "40.5", RescaleIntercept="0")
    slopes = {}
    for path in tmp_path.glob("*.dcm"):
        data = pydicom.dcmread(path)
        slopes[float(data.ImagePositionPatient[2])] = float(data.RescaleSlope)
    expected = np.stack([voxels[n] * slopes[3.0 * n] for n in range(3)])
    np.testing.assert_allclose(read_volume(tmp_path).array, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["2.1", "4.1", "130", "2.2", "7.3"])
@pytest.mark.parametrize(
    ("shared", "frames"),
    [((1.0, -1024.0), None), (None, [(1.0, -1024.0)] * 4), (None, [(2.0, 10.0), (1.0, 0.0), (0.5, -3.0), (2.0, 10.0)])],
)
def test_frames_of_an_enhanced_file_are_rescaled_once(tmp_path: Path, kind: str, shared, frames) -> None:
    """Frames with slopes of their own were all read with that of the first, without a word."""
    raw = np.random.default_rng(0).integers(0, 3000, (4, 24, 30))
    write_enhanced(tmp_path / "a.dcm", raw, kind, shared, frames)
    volume = read_volume(tmp_path / "a.dcm")
    scales = frames or [shared] * 4
    wanted = np.stack([plane * slope + intercept for plane, (slope, intercept) in zip(raw, scales)])
    np.testing.assert_allclose(volume.array, wanted, atol=1e-3)
    assert volume.geometry.spacing == pytest.approx((0.8, 0.9, 3.0))


@pytest.mark.parametrize("kind", ["2.1", "4.1", "7.3"])
@pytest.mark.parametrize("scales", [[(1.0, 0.0), (1.0, -1024.0), (1.0, -1024.0)], [(1.0, 0.0), (0.5, 0.0), (2.0, 7.0)]])
def test_enhanced_files_of_one_frame_have_slopes_of_their_own(tmp_path: Path, kind: str, scales) -> None:
    """As a stack they had the number type of the first, and values that wrapped around."""
    raw = np.random.default_rng(0).integers(0, 900, (3, 24, 30))
    for number, scale in enumerate(scales):
        write_enhanced(tmp_path / f"{number}.dcm", raw[number : number + 1], kind, None, [scale], first=number)
    volume = read_volume(tmp_path)
    wanted = np.stack([plane * slope + intercept for plane, (slope, intercept) in zip(raw, scales)])
    np.testing.assert_allclose(volume.array, wanted, atol=1e-3)


def test_a_series_of_another_modality_than_the_model_is_told(tmp_path: Path) -> None:
    write_series(tmp_path / "series", [0, 3, 6, 9], "1", size=(40, 36))
    told: dict[str, list[str]] = {}
    for modality in ("MR", "CT", "other"):
        model = save_tiny(tmp_path / modality, modality=modality)
        codes = told.setdefault(modality, [])
        watcher = Watcher(warning=lambda code, message, hint, codes=codes: codes.append(f"{code} {message}"))
        segment(tmp_path / "series", model, device="cpu", watcher=watcher)
    assert any("other-modality The image is CT, and the model is for MR" in text for text in told["MR"])
    assert not any("other-modality" in text for text in told["CT"] + told["other"])


def test_bright_small_values_are_turned_around(tmp_path: Path) -> None:
    voxels = write_series(tmp_path, [0, 3, 6], "26")
    for path in tmp_path.glob("*.dcm"):
        changed(path, PhotometricInterpretation="MONOCHROME1")
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, -1 - voxels)  # 16 bits with a sign: -32768 becomes 32767


def test_a_single_file_is_held_to_the_same(tmp_path: Path) -> None:
    voxels = write_series(tmp_path, [0], "27")
    (path,) = tmp_path.glob("*.dcm")
    np.testing.assert_array_equal(read_volume(path).array, voxels)
    changed(path, PixelSpacing=None)
    assert refusal(path).code == "no-geometry"


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ImageError) as caught:
        read_volume(tmp_path)
    assert caught.value.code == "no-dicom"
    assert tmp_path.name not in str(caught.value)
