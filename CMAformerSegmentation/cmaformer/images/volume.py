"""Images with their geometry: read a file or a DICOM folder, write a label map on exactly the same grid.

Arrays are (K, J, I) as SimpleITK gives them.
"""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK

from ..door.errors import ImageError
from ..door.files import replaced
from ..door.names import LABEL_SUFFIXES, suffix_of
from . import exact
from .dicom import read_files, read_series
from .dicom_headers import is_dicom
from .geometry import Geometry, Volume
from .nifti import check_sizes
from .phases import phases_in, take
from .unsaid import unsaid
from .whole import check_meta_image, check_nifti, holds

# Cosines between axes may differ from 0, and lengths from 1, by this: rounded headers, not tilted gantries.
SHEARED = 5e-3
KINDS = "NRRD (.nrrd), NIfTI (.nii, .nii.gz), MetaImage (.mha)"


def read_volume(path: str | os.PathLike[str], phase: int | None = None) -> Volume:
    """Read one image: NRRD, NIfTI, MetaImage, a single DICOM file, or a DICOM folder (see ``images/dicom.py``).

    ``phase`` is the number from 1 of one of its phases, where it has several (see ``images/phases.py``). The stored
    number type is kept. Raises ImageError, which names the file and never its folder.
    """
    path = Path(path)
    try:
        str(path).encode()
    except UnicodeEncodeError:  # SimpleITK would end the process
        name = path.name.encode("utf-8", "replace").decode()
        raise ImageError("bad-name", f"The name of the file {name} is not text.", "Rename it.") from None
    if path.is_dir():
        return read_series(path, phase)
    if not path.is_file():
        raise ImageError("no-image", f"There is no file {path.name}.")
    if is_dicom(path):
        return read_files([path], phase)
    suffix = suffix_of(path.name).lower()
    if suffix.startswith(".nii"):
        check_sizes(path)
        check_nifti(path)
    elif suffix in (".mha", ".mhd"):
        check_meta_image(path)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        size = reader.GetSize()
        if len(size) > 4 and any(n > 1 for n in size[4:]):
            text = f"{path.name} has {len(size)} dimensions {size}; one volume is needed."
            raise ImageError("not-3d", text, "Save one time point as a volume.")
        if reader.GetNumberOfComponents() != 1 and phases_in(reader, path) == 1:
            raise ImageError(
                "not-scalar",
                f"{path.name} has {reader.GetNumberOfComponents()} values per voxel (color, vectors); one is needed.",
            )
        image = take(reader, path, phase)
    except RuntimeError as error:
        raise ImageError(
            "unreadable-image",
            f"{path.name} cannot be read as an image{_reason(error)}.",
            f"Supported are {KINDS} and DICOM.",
        ) from None
    if image.GetDimension() == 2:
        image = SimpleITK.JoinSeries(image)
    volume = Volume.of_image(image, path.name)
    _check_axes(volume.geometry, path.name)
    missing = unsaid(path, volume.geometry.spacing)
    return replace(volume, notes=(*volume.notes, *missing)) if missing else volume


def _check_axes(geometry: Geometry, name: str) -> None:
    """Refuse axes that are not perpendicular: voxels are no boxes then, and the network sees slanted organs."""
    axes = np.reshape(geometry.direction, (3, 3))
    if np.abs(axes.T @ axes - np.eye(3)).max() > SHEARED:
        raise ImageError(
            "sheared",
            f"{name}: its axes are not perpendicular (gantry tilt?), so its voxels are no boxes.",
            "Resample it in Slicer (Transforms, or Resample Scalar Volume), and segment the result.",
        )


def quiet() -> None:
    """Silence ITK's own warnings on standard error, which name files with their folders; for whole processes."""
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)


def finite(volume: Volume) -> tuple[Volume, int]:
    """The volume with NaN and infinite voxels replaced, and how many there were.

    NaN and minus infinity become the smallest finite value, plus infinity the largest (0 if nothing is finite). A
    volume without such voxels is returned as it is; otherwise its array is copied.
    """
    found = [_finite(array) for array in volume.arrays]
    bad = sum(count for _, count in found)
    if not bad:
        return volume, 0
    array, *others = (array for array, _ in found)
    return replace(volume, array=array, others=tuple(others)), bad


def _finite(array: np.ndarray) -> tuple[np.ndarray, int]:
    if array.dtype.kind != "f":
        return array, 0
    bad = sum(int(part.size - np.count_nonzero(np.isfinite(part))) for part in array)
    if not bad:
        return array, 0
    lows = [part[np.isfinite(part)].min(initial=np.inf) for part in array]
    highs = [part[np.isfinite(part)].max(initial=-np.inf) for part in array]
    low, high = (min(lows), max(highs)) if bad < array.size else (0.0, 0.0)
    return np.nan_to_num(array, nan=low, neginf=low, posinf=high), bad


def write_label_map(path: str | os.PathLike[str], labels: np.ndarray, geometry: Geometry) -> None:
    """Write a uint8 label map (K, J, I) on a geometry; the file appears whole or not at all.

    .nrrd and .nii.gz are compressed, .mha and .nii are not. Read again, the geometry is the given one to the last bit
    in .mha always, in .nrrd, .nii and .nii.gz if it came from a file of that format (NIfTI keeps single precision).
    Raises ImageError if it cannot be written.
    """
    path = Path(path)
    name = path.name.lower()
    if not name.endswith(LABEL_SUFFIXES):
        raise ImageError("unknown-format", f"{path.name}: a label map is written as {', '.join(LABEL_SUFFIXES)}.")
    if labels.dtype != np.uint8 or tuple(labels.shape) != geometry.shape_kji:
        raise ValueError(f"labels must be uint8 {geometry.shape_kji}, not {labels.dtype} {labels.shape}")
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(labels))
    geometry.apply_to(image)
    try:
        with replaced(path) as temporary:
            _write(image, temporary, geometry)
            if not holds(temporary, labels.size):  # some writers do not tell that the disk is full
                raise OSError("No space left")
    except (RuntimeError, OSError, ValueError, struct.error) as error:
        raise ImageError(
            "unwritable",
            f"{path.name} cannot be written{_reason(error)}.",
            "Is the folder there, writable, and not full?",
        ) from None


def _write(image: SimpleITK.Image, path: Path, geometry: Geometry) -> None:
    name = path.name.lower()
    plain = path.with_name(path.name[:-3]) if name.endswith(".gz") else path
    try:
        SimpleITK.WriteImage(image, str(plain), useCompression=name.endswith(".nrrd"))
        if name.endswith(".nrrd"):
            exact.patch_nrrd(plain, geometry)
        elif not name.endswith(".mha"):
            exact.patch_nifti(plain, geometry)
        if plain != path:
            exact.compress(plain, path)
    finally:
        if plain != path:
            plain.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    """A short cause without paths, or nothing."""
    text = str(error)
    for needle, reason in (
        ("orthonormal", ": its axes are not orthogonal"),
        ("No space left", ": the disk is full"),
        ("Permission denied", ": permission denied"),
    ):
        if needle in text:
            return reason
    return ""
