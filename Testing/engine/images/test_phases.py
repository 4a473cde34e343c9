"""Images of several phases: one is read, or all, in time, wherever they come from and in whatever order they lie."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from tinymodel import save_tiny

from cmaformer.__main__ import main
from cmaformer.door.errors import ImageError
from cmaformer.images.phases import phases_of
from cmaformer.images.volume import read_volume
from dicomseries import write_series

COUNT, SHAPE = 4, (3, 24, 30)


def voxels() -> np.ndarray:
    """A cine (T, K, J, I): each phase is brighter than the one before, in ways of its own."""
    rng = np.random.default_rng(0)
    return (rng.integers(0, 50, (COUNT, *SHAPE)) + 100 * np.arange(COUNT)[:, None, None, None]).astype(np.int16)


def four_dimensions(path: Path) -> None:
    volumes = []
    for phase in voxels():
        image = sitk.GetImageFromArray(phase)
        image.SetSpacing((1.5, 1.4, 8.0))
        image.SetOrigin((5.0, -6.0, 7.0))
        volumes.append(image)
    sitk.WriteImage(sitk.JoinSeries(volumes), str(path))


def sequence(path: Path) -> None:
    """As Slicer writes a sequence: the list is the fastest axis."""
    data = np.ascontiguousarray(np.moveaxis(voxels(), 0, -1))
    sizes = " ".join(map(str, data.shape[::-1]))
    head = f"NRRD0005\ntype: int16\ndimension: 4\nspace: left-posterior-superior\nsizes: {sizes}\n"
    head += "space directions: none (1.5,0,0) (0,1.4,0) (0,0,8)\nkinds: list domain domain domain\n"
    head += "endian: little\nencoding: raw\nspace origin: (5,-6,7)\n\n"
    path.write_bytes(head.encode() + data.tobytes())


def cine(folder: Path, order: str, tag: str = "TriggerTime") -> None:
    """A cine of one series: file names and instance numbers phase by phase, slice by slice, or anyhow."""
    data = voxels()
    places = [(phase, k) for phase in range(COUNT) for k in range(SHAPE[0])]
    if order == "slices":
        places.sort(key=lambda place: place[::-1])
    if order == "anyhow":
        places = [places[n] for n in np.random.default_rng(1).permutation(len(places))]
    for number, (phase, k) in enumerate(places):
        write_series(folder / "new", [8.0 * k], "77", size=SHAPE[:0:-1])
        (path,) = (folder / "new").iterdir()
        file = pydicom.dcmread(path)
        file.PixelData = data[phase, k].tobytes()
        file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number + 1}"
        file.InstanceNumber = number + 1
        if tag:
            setattr(file, tag, str(10 * phase) if tag != "TemporalPositionIdentifier" else phase + 1)
        file.save_as(folder / f"{number:03d}.dcm")
        path.unlink()
    (folder / "new").rmdir()


SOURCES = {
    "cine.nii.gz": four_dimensions,
    "cine.nrrd": four_dimensions,
    "cine.mha": four_dimensions,
    "cine.seq.nrrd": sequence,
    "by phase": lambda path: cine(path, "phases"),
    "by slice": lambda path: cine(path, "slices", ""),
    "in any order": lambda path: cine(path, "anyhow", "TemporalPositionIdentifier"),
}


@pytest.fixture(params=SOURCES)
def source(request, tmp_path) -> Path:
    path = tmp_path / request.param
    if "." not in path.name:
        path.mkdir()
    SOURCES[request.param](path)
    return path


def test_every_phase_is_read_in_time(source):
    assert phases_of(source) == COUNT
    expected = voxels()
    for number in range(1, COUNT + 1):
        volume = read_volume(source, number)
        np.testing.assert_array_equal(volume.array, expected[number - 1])
        assert volume.geometry.size_ijk == SHAPE[::-1]
    with pytest.raises(ImageError, match=rf"{COUNT} phases; there is no phase 9") as caught:
        read_volume(source, 9)
    assert caught.value.code == "no-phase"
    with pytest.raises(ImageError, match=r"phases|at the same place") as caught:
        read_volume(source)
    assert "--phase" in caught.value.hint


def test_geometry_of_a_sequence_is_that_of_its_file(tmp_path):
    four_dimensions(tmp_path / "a.nii.gz")
    sequence(tmp_path / "b.seq.nrrd")
    one, two = (read_volume(tmp_path / name, 2).geometry for name in ("a.nii.gz", "b.seq.nrrd"))
    for geometry in (one, two):
        assert geometry.spacing == pytest.approx((1.5, 1.4, 8.0)) and geometry.origin == pytest.approx((5, -6, 7))


def test_the_command_segments_one_phase_or_all(source, tmp_path, capsys):
    model = save_tiny(tmp_path / "tiny")
    command = ["segment", str(source), "--model", str(model.folder), "--device", "cpu"]
    assert main([*command, "-o", str(tmp_path / "one.nrrd"), "--phase", "2"]) == 0
    assert main([*command, "-o", str(tmp_path / "one.nrrd")]) == 1 and "--phase" in capsys.readouterr().err
    assert main([*command, "-o", str(tmp_path / "one.nrrd"), "--phases", "all"]) == 2
    assert main([*command, "-o", str(tmp_path / "all"), "--phases", "all"]) == 0
    labels = sorted((tmp_path / "all").glob("*-labels.nrrd"))
    assert [path.name[-19:] for path in labels] == [f"phase0{n}-labels.nrrd" for n in range(1, COUNT + 1)]
    with open(tmp_path / "all" / "volumes.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert [row[0] for row in rows] == [f"{source.name} phase {n}" for n in range(1, COUNT + 1)]
    one, second = (read_volume(path).array for path in (tmp_path / "one.nrrd", labels[1]))
    np.testing.assert_array_equal(one, second)


def test_an_image_of_one_volume_has_no_second_phase(tmp_path):
    write_series(tmp_path / "series", [0, 3, 6], "1")
    assert phases_of(tmp_path / "series") == 1
    with pytest.raises(ImageError, match="one volume, without phases"):
        read_volume(tmp_path / "series", 2)
    assert read_volume(tmp_path / "series", 1).array.shape[0] == 3


def test_echoes_are_no_phases(tmp_path):
    (tmp_path / "echoes").mkdir()
    cine(tmp_path / "echoes", "phases", "EchoTime")
    assert phases_of(tmp_path / "echoes") == 1
    with pytest.raises(ImageError, match="at the same place"):
        read_volume(tmp_path / "echoes")


def test_colors_are_no_phases(tmp_path):
    image = sitk.GetImageFromArray(np.zeros((3, 8, 9, 3), np.uint8), isVector=True)
    sitk.WriteImage(image, str(tmp_path / "color.nrrd"))
    assert phases_of(tmp_path / "color.nrrd") == 1
    with pytest.raises(ImageError, match="values per voxel"):
        read_volume(tmp_path / "color.nrrd")
