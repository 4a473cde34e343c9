"""Images in and label maps out: values, geometry to the last bit, and messages for what cannot be used."""

from __future__ import annotations

import gzip
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from geometries import GRIDS, blobs, geometry, rotation

from cmaformer.door.errors import ImageError
from cmaformer.images.geometry import Volume
from cmaformer.images.volume import finite, read_volume, write_label_map

FORMATS = (".mha", ".nrrd", ".nii.gz", ".nii")


@pytest.mark.parametrize(
    ("name", "header", "missing"),
    [
        ("a.nrrd", "NRRD0004\ntype: short\ndimension: 3\nsizes: 4 3 2\nencoding: raw\nendian: little\n\n", 2),
        (
            "b.nrrd",
            "NRRD0004\ntype: short\ndimension: 3\nsizes: 4 3 2\nspacings: 1 1 2\nencoding: raw\nendian: little\n\n",
            1,
        ),
        (
            "c.nrrd",
            "NRRD0004\ntype: short\ndimension: 3\nsizes: 4 3 2\nspace: left-posterior-superior\n"
            "space directions: (1,0,0) (0,1,0) (0,0,2)\nencoding: raw\nendian: little\n\n",
            0,
        ),
        (
            "a.mha",
            "ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementType = MET_SHORT\nElementDataFile = LOCAL\n",
            2,
        ),
        (
            "b.mha",
            "ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nTransformMatrix = 1 0 0 0 1 0 0 0 1\n"
            "ElementSpacing = 1 1 2\nElementType = MET_SHORT\nElementDataFile = LOCAL\n",
            0,
        ),
    ],
)
def test_what_a_header_does_not_say_is_told_and_not_made_up(tmp_path, name, header, missing):
    """Sizes of 1 mm, and the usual orientation, were assumed without a word."""
    (tmp_path / name).write_bytes(header.encode() + np.arange(24, dtype="<i2").tobytes())
    notes = read_volume(tmp_path / name).notes
    assert len(notes) == missing
    assert [("large its voxels" in note, "left and right" in note) for note in notes] == {
        0: [], 1: [(False, True)], 2: [(True, False), (False, True)]
    }[missing]  # fmt: skip


def test_a_nifti_without_orientation_and_a_picture_are_told(tmp_path):
    image = SimpleITK.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    SimpleITK.WriteImage(image, str(tmp_path / "a.nii"))
    assert read_volume(tmp_path / "a.nii").notes == ()
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[252:256] = bytes(4)  # qform_code and sform_code
    (tmp_path / "b.nii").write_bytes(content)
    (note,) = read_volume(tmp_path / "b.nii").notes
    assert "left and right" in note
    SimpleITK.WriteImage(SimpleITK.Cast(image, SimpleITK.sitkUInt16), str(tmp_path / "c.tif"))
    assert len(read_volume(tmp_path / "c.tif").notes) == 2
    image.SetSpacing((0.7, 0.7, 1.0))
    SimpleITK.WriteImage(SimpleITK.Cast(image, SimpleITK.sitkUInt16), str(tmp_path / "d.tif"))
    volume = read_volume(tmp_path / "d.tif")
    assert volume.geometry.spacing[0] == pytest.approx(0.7, rel=1e-3) and len(volume.notes) == 1


def random_grid(seed: int):
    rng = np.random.default_rng(seed)
    mirror = [1, 1, -1 if seed % 2 else 1]
    return geometry((5, 4, 3), rng.uniform(0.3, 6, 3), rotation(seed) * mirror, tuple(rng.normal(0, 150, 3)))


def write_image(path: Path, array: np.ndarray, grid) -> None:
    image = SimpleITK.GetImageFromArray(array)
    grid.apply_to(image)
    SimpleITK.WriteImage(image, str(path))


@pytest.mark.parametrize("name", GRIDS)
def test_mha_keeps_any_geometry_to_the_last_bit(tmp_path: Path, name: str) -> None:
    labels = blobs(GRIDS[name])
    write_label_map(tmp_path / "labels.mha", labels, GRIDS[name])
    again = read_volume(tmp_path / "labels.mha")
    assert again.geometry == GRIDS[name]
    assert again.array.dtype == np.uint8
    np.testing.assert_array_equal(again.array, labels)


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("seed", range(15))
def test_label_map_has_exactly_the_geometry_of_its_image(tmp_path: Path, extension: str, seed: int) -> None:
    """What is read from an image of a format and written in that format is read again without a changed bit."""
    write_image(tmp_path / f"image{extension}", np.zeros((3, 4, 5), np.int16), random_grid(seed))
    image = read_volume(tmp_path / f"image{extension}")
    labels = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    write_label_map(tmp_path / f"labels{extension}", labels, image.geometry)
    again = read_volume(tmp_path / f"labels{extension}")
    assert again.geometry == image.geometry
    np.testing.assert_array_equal(again.array, labels)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["quaternion", "loose scales"])
def test_nifti_of_other_programs_is_met_exactly(tmp_path: Path, kind: str, seed: int) -> None:
    """The grid is in the quaternion only, or the matrix does not quite have the length of the spacing."""
    write_image(tmp_path / "image.nii", np.zeros((3, 4, 5), np.int16), random_grid(seed))
    data = bytearray((tmp_path / "image.nii").read_bytes())
    if kind == "quaternion":
        data[254:256] = b"\0\0"  # sform_code
    else:
        matrix = np.frombuffer(data, np.float32, 12, 280).reshape(3, 4).copy()
        matrix[:, :3] *= np.float32(1.0001)
        data[280:328] = matrix.tobytes()
    (tmp_path / "image.nii").write_bytes(data)
    image = read_volume(tmp_path / "image.nii")
    write_label_map(tmp_path / "labels.nii.gz", np.zeros((3, 4, 5), np.uint8), image.geometry)
    assert read_volume(tmp_path / "labels.nii.gz").geometry == image.geometry


def test_a_geometry_of_another_format_is_kept_as_well_as_the_format_can(tmp_path: Path) -> None:
    for seed in range(5):
        grid = random_grid(seed)
        for extension, tolerance in ((".nrrd", 1e-14), (".nii", 1e-6), (".nii.gz", 1e-6)):
            write_label_map(tmp_path / f"l{extension}", np.zeros((3, 4, 5), np.uint8), grid)
            again = read_volume(tmp_path / f"l{extension}").geometry
            assert again.spacing == pytest.approx(grid.spacing, rel=tolerance)
            assert again.origin == pytest.approx(grid.origin, rel=tolerance)
            assert again.direction == pytest.approx(grid.direction, abs=tolerance)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32, np.float64, np.uint8, np.int32])
def test_number_type_and_values_are_kept(tmp_path: Path, dtype: type) -> None:
    array = np.random.default_rng(0).normal(50, 20, (3, 4, 5)).astype(dtype)
    write_image(tmp_path / "image.nrrd", array, geometry((5, 4, 3)))
    volume = read_volume(tmp_path / "image.nrrd")
    assert volume.array.dtype == dtype
    np.testing.assert_array_equal(volume.array, array)


def test_a_flat_image_is_a_volume_of_one_slice(tmp_path: Path) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((4, 5), np.int16)), str(tmp_path / "flat.mha"))
    assert read_volume(tmp_path / "flat.mha").array.shape == (1, 4, 5)


def test_one_time_point_of_a_4d_file_is_a_volume(tmp_path: Path) -> None:
    for points in (1, 3):
        image = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(np.ones((2, 4, 5), np.int16))] * points)
        SimpleITK.WriteImage(image, str(tmp_path / f"{points}.nrrd"))
    assert read_volume(tmp_path / "1.nrrd").array.shape == (2, 4, 5)
    with pytest.raises(ImageError, match=r"3\.nrrd has \d+ phases") as caught:
        read_volume(tmp_path / "3.nrrd")
    assert caught.value.code == "not-3d"


def test_colours_are_refused(tmp_path: Path) -> None:
    colors = SimpleITK.GetImageFromArray(np.zeros((2, 4, 5, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(colors, str(tmp_path / "rgb.nrrd"))
    with pytest.raises(ImageError, match="3 values per voxel"):
        read_volume(tmp_path / "rgb.nrrd")


@pytest.mark.parametrize("name", ["broken.nrrd", "broken.nii.gz", "broken.mha", "broken.xyz"])
def test_a_damaged_file_is_named_without_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"NRRD0004\nnonsense")
    with pytest.raises(ImageError) as caught:
        read_volume(tmp_path / name)
    assert name in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert caught.value.code == "unreadable-image"


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "image.mha", np.zeros((9, 40, 50), np.int16), geometry((50, 40, 9)))
    data = (tmp_path / "image.mha").read_bytes()
    (tmp_path / "image.mha").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=r"image\.mha cannot be read"):
        read_volume(tmp_path / "image.mha")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no file heart\.nrrd"):
        read_volume(tmp_path / "heart.nrrd")


def test_a_label_map_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    labels = np.zeros((12, 37, 41), np.uint8)
    with pytest.raises(ImageError, match=r"out\.nrrd cannot be written"):
        write_label_map(tmp_path / "missing" / "out.nrrd", labels, geometry())
    with pytest.raises(ImageError, match=r"out\.txt"):
        write_label_map(tmp_path / "out.txt", labels, geometry())
    with pytest.raises(ValueError, match="uint8"):
        write_label_map(tmp_path / "out.nrrd", labels.astype(np.int16), geometry())
    assert list(tmp_path.iterdir()) == []
    write_label_map(tmp_path / "out.nrrd", labels, geometry())
    write_label_map(tmp_path / "out.nrrd", labels + 1, geometry())
    assert [p.name for p in tmp_path.iterdir()] == ["out.nrrd"]
    assert read_volume(tmp_path / "out.nrrd").array.min() == 1


def test_voxels_that_are_not_numbers_become_the_minimum() -> None:
    array = np.random.default_rng(0).normal(size=(12, 37, 41)).astype(np.float32)
    array[3, 4, 5], array[4] = np.nan, -np.inf
    array[5, 6, 7] = np.inf
    before = array.copy()
    volume, count = finite(Volume(array, geometry()))
    low, high = before[np.isfinite(before)].min(), before[np.isfinite(before)].max()
    assert count == 2 + 37 * 41
    assert volume.array[3, 4, 5] == low
    assert (volume.array[4] == low).all()
    assert volume.array[5, 6, 7] == high
    np.testing.assert_array_equal(array, before)
    same = Volume(np.zeros((12, 37, 41), np.float32), geometry())
    assert finite(same) == (same, 0)
    assert (finite(Volume(np.full((12, 37, 41), np.nan), geometry()))[0].array == 0).all()


def nifti_header(shape: tuple[int, int, int], sizes: tuple[float, float, float], matrix: np.ndarray) -> bytes:
    """A NIfTI-1 header of int16 voxels whose only valid orientation is its matrix (sform)."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *shape, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, *sizes, 1, 1, 1, 1)
    struct.pack_into("<3f", header, 108, 352, 1, 0)
    header[123] = 2
    struct.pack_into("<2h", header, 252, 0, 1)
    struct.pack_into("<12f", header, 280, *np.asarray(matrix, float).ravel())
    header[344:348] = b"n+1\0"
    return bytes(header)


@pytest.mark.parametrize("packed", [False, True])
def test_a_nifti_file_that_says_two_sizes_is_refused(tmp_path: Path, packed: bool) -> None:
    voxels = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    matrix = np.hstack([np.diag([1.5, 1.5, 8.0]), np.zeros((3, 1))])
    opened = gzip.open if packed else open
    for sizes, refused in (((1.5, 1.5, 8.0), False), ((1.0, 1.0, 1.0), True)):
        path = tmp_path / ("a.nii.gz" if packed else "a.nii")
        with opened(path, "wb") as file:
            file.write(nifti_header((5, 4, 3), sizes, matrix) + voxels.tobytes())
        if not refused:
            assert read_volume(path).geometry.spacing == pytest.approx(sizes)
            continue
        with pytest.raises(ImageError, match=r"1 x 1 x 1 mm .* 1\.5 x 1\.5 x 8 mm") as caught:
            read_volume(path)
        assert caught.value.code == "two-sizes"


def test_a_sheared_volume_is_refused(tmp_path: Path) -> None:
    voxels = np.zeros((3, 4, 5), np.int16)
    axes = "(1.5,0,0) (0,1.5,0) (1.5,0,2.6)"
    lines = ["NRRD0005", "type: short", "dimension: 3", "sizes: 5 4 3", "endian: little", "encoding: raw"]
    lines += ["space: left-posterior-superior", f"space directions: {axes}", "space origin: (0,0,0)"]
    (tmp_path / "a.nrrd").write_bytes(("\n".join(lines) + "\n\n").encode() + voxels.tobytes())
    with pytest.raises(ImageError, match="not perpendicular") as caught:
        read_volume(tmp_path / "a.nrrd")
    assert caught.value.code == "sheared"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the names of files are text")
def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/m\xfcller.nrrd"
    with open(path, "wb"):
        pass
    with pytest.raises(ImageError, match="is not text") as caught:
        read_volume(os.fsdecode(path))
    str(caught.value).encode()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "plain.mha", "packed.mha", "plain.nrrd", "packed.nrrd"])
@pytest.mark.parametrize("cut", [8, 100, 0.3])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, name: str, cut: float) -> None:
    """Readers fill up NIfTI files with zeros, and keep the parts of a damaged MetaImage file that they could read."""
    voxels = np.random.default_rng(0).integers(0, 500, (6, 32, 32)).astype(np.int16)
    path = tmp_path / name
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(voxels), str(path), name.startswith("packed"))
    np.testing.assert_array_equal(read_volume(path).array, voxels)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - (cut if cut >= 1 else int(cut * len(whole)))])
    with pytest.raises(ImageError):
        read_volume(path)


@pytest.mark.parametrize("name", ["a.nii.gz", "packed.mha", "packed.nrrd"])
def test_damaged_bytes_of_a_compressed_file_are_noticed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    voxels = np.random.default_rng(0).integers(0, 500, (6, 32, 32)).astype(np.int16)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(voxels), str(path), True)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(ImageError):
        read_volume(path)
