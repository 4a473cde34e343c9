"""A folder of DICOM files as one volume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK

from ..door.errors import ImageError
from .geometry import Volume

POSITION = "0020|0032"


def read_series(folder: Path) -> Volume:
    """The largest DICOM series of a folder (of its sub-folders if it holds none itself), as stored by GDCM's order.

    Raises ImageError if there is none, if it has colors, or several images at one place. A series with missing or
    tilted slices is read, with a note.
    """
    names = _largest(folder)
    if not names:
        for child in sorted(p for p in folder.rglob("*") if p.is_dir()):
            names = max(names, _largest(child), key=len)
    if not names:
        raise ImageError(
            "no-dicom", "The folder holds no DICOM images.", "Choose the folder with the DICOM files of one series."
        )
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(names)
    reader.MetaDataDictionaryArrayUpdateOn()
    try:
        # One file is one slice, or all slices (enhanced DICOM); the series reader would give it one more dimension.
        image = reader.Execute() if len(names) > 1 else SimpleITK.ReadImage(names[0])
    except RuntimeError:
        raise ImageError(
            "unreadable-image", f"The DICOM series of {len(names)} files cannot be read as a volume."
        ) from None
    if image.GetDimension() != 3:
        raise ImageError("not-3d", f"The DICOM series has {image.GetDimension()} dimensions; one volume is needed.")
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise ImageError("not-scalar", "The DICOM series has colors; gray values are needed.")
    volume = Volume.of_image(image, "The DICOM series")
    return Volume(volume.array, volume.geometry, _notes(reader, len(names), volume))


def _largest(folder: Path) -> tuple[str, ...]:
    reader = SimpleITK.ImageSeriesReader
    series = [reader.GetGDCMSeriesFileNames(str(folder), uid) for uid in reader.GetGDCMSeriesIDs(str(folder))]
    return max(series, key=len, default=())


def _notes(reader: SimpleITK.ImageSeriesReader, count: int, volume: Volume) -> tuple[str, ...]:
    """What the positions of the slices say about the volume made of them."""
    if count < 2 or not all(reader.HasMetaDataKey(n, POSITION) for n in range(count)):
        return ()
    positions = np.array([[float(v) for v in reader.GetMetaData(n, POSITION).split("\\")] for n in range(count)])
    normal = np.asarray(volume.geometry.direction).reshape(3, 3)[:, 2]
    steps = np.diff(positions, axis=0)
    along = np.abs(steps @ normal)
    typical = float(np.median(along))
    if along.min() < 1e-3:
        raise ImageError(
            "several-images",
            "The DICOM series has several images at the same place.",
            "Choose one time point or one echo of it.",
        )
    notes = []
    if along.max() > 1.1 * typical or along.min() < 0.9 * typical:
        notes.append(
            "The slices of the DICOM series are not evenly spaced; some may be missing, and lengths are not reliable."
        )
    sideways = np.linalg.norm(steps - np.outer(steps @ normal, normal), axis=1)
    if sideways.max() > 0.02 * typical:
        notes.append("The slices of the DICOM series are tilted (gantry tilt); the volume is not sheared back.")
    return tuple(notes)
