"""Generated images: whatever they are, what is read is right, or it is refused in words."""

from __future__ import annotations

import gzip
import itertools
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from generated import HARD, MANY
from hypothesis import given
from hypothesis import strategies as st
from tinymodel import save_tiny

from cmaformer.door.errors import ImageError
from cmaformer.images.geometry import Geometry, Volume
from cmaformer.images.volume import read_volume
from cmaformer.models.installed import open_model
from cmaformer.segmenting.segment import segment
from dicomseries import write_series

TYPES = ("uint8", "int16", "uint16", "int32", "float32", "float64")
ENDINGS = (".nrrd", ".nii", ".nii.gz", ".mha")


@st.composite
def images(draw) -> tuple[np.ndarray, sitk.Image]:
    """Voxels of any type on any grid without shear."""
    shape = tuple(draw(st.integers(1 if axis == 0 else 4, 9)) for axis in range(3))
    kind = draw(st.sampled_from(TYPES))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    array = rng.integers(0, 200, shape).astype(kind)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([draw(st.floats(0.05, 20.0)) for _ in range(3)])
    image.SetOrigin([draw(st.floats(-500, 500)) for _ in range(3)])
    axes = np.eye(3)[list(draw(st.permutations(range(3))))] * [draw(st.sampled_from([1, -1])) for _ in range(3)]
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0] if draw(st.booleans()) else np.eye(3)
    image.SetDirection((turn @ axes).ravel().tolist())
    return array, image


def _same(volume: Volume, array: np.ndarray, image: sitk.Image) -> bool:
    geometry = volume.geometry
    pairs = (
        (geometry.spacing, image.GetSpacing()),
        (geometry.origin, image.GetOrigin()),
        (geometry.direction, image.GetDirection()),
    )
    near = all(np.allclose(one, two, rtol=1e-4, atol=1e-3) for one, two in pairs)
    return near and np.array_equal(volume.array, array)


@MANY
@given(images(), st.sampled_from(ENDINGS))
def test_what_was_written_is_read(tally, made, ending):
    array, image = made
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"image{ending}"
        try:
            sitk.WriteImage(image, str(path))
        except RuntimeError:  # a left-handed grid in a format that cannot say it
            return
        try:
            volume = read_volume(path)
        except ImageError as error:
            assert error.message
            tally("files: grids and types", "refused")
            return
        assert _same(volume, array, image)
        tally("files: grids and types", "right")


@MANY
@given(images(), st.sampled_from(ENDINGS), st.floats(0.02, 0.999), st.booleans())
def test_files_that_were_cut_or_changed_are_refused(tally, made, ending, where, cut):
    array, image = made
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"image{ending}"
        try:
            sitk.WriteImage(image, str(path), useCompression=ending in (".nrrd", ".mha"))
        except RuntimeError:
            return
        data = bytearray(path.read_bytes())
        at = int(where * len(data))
        if cut:
            data = data[:at]
        elif ending == ".nii.gz":
            data[at] ^= 0x55  # the checksum of gzip tells; other formats have none for their voxels
        else:
            return
        path.write_bytes(bytes(data))
        try:
            volume = read_volume(path)
        except ImageError as error:
            assert error.message
            tally("files: cut short or changed", "refused")
            return
        assert _same(volume, array, image)  # a byte that means nothing, in the header of gzip
        tally("files: cut short or changed", "right")


@MANY
@given(images(), st.floats(0.05, 0.8))
def test_sheared_grids_are_refused(tally, made, shear):
    _array, image = made
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.mha"
        matrix = np.reshape(image.GetDirection(), (3, 3)).copy()
        sitk.WriteImage(image, str(path))
        tilted = matrix.copy()
        tilted[:, 2] += shear * tilted[:, 1]
        tilted[:, 2] /= np.linalg.norm(tilted[:, 2])
        text = " ".join(f"{value:.9g}" for value in tilted.T.ravel())
        head, _, voxels = path.read_bytes().partition(b"ElementDataFile = LOCAL\n")
        lines = [line for line in head.decode().splitlines() if not line.startswith("TransformMatrix")]
        lines.insert(3, f"TransformMatrix = {text}")
        path.write_bytes("\n".join([*lines, "ElementDataFile = LOCAL", ""]).encode() + voxels)
        with pytest.raises(ImageError):
            read_volume(path)
        tally("files: sheared", "refused")


@pytest.mark.parametrize("name", ["image.nii", "image.nrrd", "image.mha"])
def test_a_gzip_with_another_name_is_read_right_or_refused(tmp_path, name, tally):
    image = sitk.GetImageFromArray(np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    sitk.WriteImage(image, str(tmp_path / name))
    (tmp_path / name).write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    try:
        assert np.array_equal(read_volume(tmp_path / name).array, sitk.GetArrayFromImage(image))
        tally("files: gzip by another name", "right")
    except ImageError as error:
        assert error.message
        tally("files: gzip by another name", "refused")


# What can be wrong with a series of slices, and whether it can be read right all the same.
SERIES = {
    "as it is": True,
    "a slice is missing": False,
    "the last slice is missing": True,
    "a file twice": True,
    "another slice at a place": False,
    "another patient's slice": False,
    "a slice moved aside": False,
    "a localizer": True,
    "another series": True,
    "rescaled each in its way": True,
    "unevenly spaced": False,
    "without positions": False,
    "without pixel size": False,
    "in subfolders": True,
}


@MANY
@given(st.sampled_from(sorted(SERIES)), st.integers(4, 9), st.integers(0, 99), st.booleans())
def test_series_are_one_regular_grid_or_refused(tally, wrong, count, seed, tilted):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "series"
        direction = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0] if tilted else np.eye(3)
        if np.linalg.det(direction) < 0:
            direction[:, 2] *= -1
        positions = [3.0 * number for number in range(count)]
        wanted = write_series(root, positions, "1", direction, seed, size=(8, 6)).astype(float)
        wanted = _spoiled(root, wrong, wanted, direction, seed)
        try:
            volume = read_volume(root)
        except ImageError as error:
            assert error.message and wrong != "as it is"
            tally("DICOM series", "refused")
            return
        assert SERIES[wrong], f"{wrong}: read without a word"
        assert volume.array.shape == wanted.shape and np.allclose(volume.array, wanted), wrong
        assert np.isclose(volume.geometry.spacing[2], 3.0)
        tally("DICOM series", "warned" if volume.notes else "right")


def _spoiled(root: Path, wrong: str, wanted: np.ndarray, direction: np.ndarray, seed: int) -> np.ndarray:
    """Change the files of a series; returns the voxels that are right now."""
    files = sorted(root.iterdir(), key=lambda path: int(pydicom.dcmread(path).InstanceNumber))
    middle = files[len(files) // 2]
    data = pydicom.dcmread(middle)
    if wrong == "a slice is missing":
        middle.unlink()
    elif wrong == "the last slice is missing":
        files[-1].unlink()
        return wanted[:-1]
    elif wrong == "a file twice":
        shutil.copyfile(middle, root / "copy.dcm")
    elif wrong == "another slice at a place":
        data.SOPInstanceUID, data.InstanceNumber = "1.2.3", 77
        data.save_as(root / "other.dcm")
    elif wrong == "another patient's slice":
        data.PatientID = "somebody else"
        data.save_as(middle)
    elif wrong in ("a slice moved aside", "unevenly spaced"):
        way = direction[:, 0] if wrong == "a slice moved aside" else direction[:, 2]
        position = np.array([float(value) for value in data.ImagePositionPatient]) + 1.4 * way
        data.ImagePositionPatient = [f"{value:.6f}" for value in position]
        data.save_as(middle)
    elif wrong == "a localizer":
        data.SOPInstanceUID, data.ImageType = "1.2.3", ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        turned = direction[:, [1, 2, 0]]
        data.ImageOrientationPatient = [f"{value:.6f}" for value in (*turned[:, 0], *turned[:, 1])]
        data.save_as(root / "scout.dcm")
    elif wrong == "another series":
        write_series(root / "more", [0.0, 3.0], "2", direction, seed + 1, size=(8, 6))
    elif wrong == "rescaled each in its way":
        for number, path in enumerate(files):
            one = pydicom.dcmread(path)
            one.RescaleSlope, one.RescaleIntercept = str(1 + number), str(-5 * number)
            one.save_as(path)
            wanted[number] = wanted[number] * (1 + number) - 5 * number
    elif wrong == "without positions":
        for path in files:
            one = pydicom.dcmread(path)
            del one.ImagePositionPatient
            one.save_as(path)
    elif wrong == "without pixel size":
        for path in files:
            one = pydicom.dcmread(path)
            del one.PixelSpacing
            one.save_as(path)
    elif wrong == "in subfolders":
        (root / "rest").mkdir()
        for path in files[::2]:
            path.rename(root / "rest" / path.name)
    return wanted


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A random network that sees contrast: its normalization is by percentiles."""
    return save_tiny(tmp_path_factory.mktemp("model") / "tiny", structures=2, input={"slicing": "oriented"})


def _phantom(kind: str = "float64") -> np.ndarray:
    rng = np.random.default_rng(3)
    k, j, i = np.indices((3, 40, 44))
    return np.where(np.hypot(j - 20, i - 22) < 9, 300.0, 100.0).astype(kind) + rng.integers(0, 30, k.shape)


def _labels(model, array: np.ndarray) -> np.ndarray:
    geometry = Geometry(array.shape[::-1], (1.5, 1.5, 8.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    return segment(Volume(array, geometry), model, device="cpu").labels


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e8, 1e9, -1e9, 1e12])
@pytest.mark.parametrize("factor", [1.0, 1e-3, 1e200])
def test_offsets_and_scales_change_nothing_for_percentiles(tiny, offset, factor, tally):
    if offset and factor != 1.0:
        return
    usual = _labels(tiny, _phantom())
    assert 0 < (usual > 0).mean() < 1
    agreed = (_labels(tiny, (_phantom() + offset) * factor) == usual).mean()
    assert agreed > 0.995
    tally("numbers", "right")


@pytest.mark.parametrize("value", [1e30, 1e300, -1e300, np.inf, -np.inf, np.nan])
def test_single_wild_voxels_change_what_they_touch_alone(tiny, value, tally):
    array = _phantom()
    usual = _labels(tiny, array)
    array[1, 2, 3] = value
    assert (_labels(tiny, array) == usual)[[0, 2]].mean() > 0.995
    tally("numbers", "right")


def _dice(one: np.ndarray, two: np.ndarray) -> float:
    scores = []
    for value in np.unique(one)[1:]:
        a, b = one == value, two == value
        scores.append(2 * (a & b).sum() / (a.sum() + b.sum()))
    return float(min(scores))


ORDERS = list(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)))


@pytest.mark.parametrize("model", ["cardiac-cine-mr", "abdomen-ct"])
def test_storage_order_is_no_matter(model, slicerApp, tally):
    """Turned, flipped and permuted, the same anatomy gets the same labels."""
    import synthetic

    made = synthetic.short_axis_heart() if model == "cardiac-cine-mr" else synthetic.abdomen()
    array = made.image[:, ::2, ::2] if model == "abdomen-ct" else made.image
    mm = np.array(made.spacing) * ([2, 2, 1] if model == "abdomen-ct" else 1)
    opened = open_model(model)
    usual = segment(Volume(array, _plain(array, mm)), opened, device="cpu").labels
    chosen = ORDERS if HARD else ORDERS[5::19]
    for axes, signs in chosen[:: 6 if HARD and model == "abdomen-ct" else 1]:
        stored = np.ascontiguousarray(array.transpose(axes)[tuple(slice(None, None, sign) for sign in signs)])
        direction = np.zeros((3, 3))
        for new, (old, sign) in enumerate(zip(axes, signs)):
            direction[2 - old, 2 - new] = sign
        spacing = tuple(float(mm[2 - axes[2 - number]]) for number in range(3))
        geometry = Geometry(stored.shape[::-1], spacing, (0.0, 0.0, 0.0), tuple(direction.ravel()))
        labels = segment(Volume(stored, geometry), opened, device="cpu").labels
        back = labels[tuple(slice(None, None, sign) for sign in signs)].transpose(np.argsort(axes))
        assert _dice(usual, back) >= 0.985, (axes, signs)
        tally(f"storage order, {model}", "right")


def _plain(array: np.ndarray, mm: np.ndarray) -> Geometry:
    spacing = (float(mm[0]), float(mm[1]), float(mm[2]))
    return Geometry(array.shape[::-1], spacing, (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
