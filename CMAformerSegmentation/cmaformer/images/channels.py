"""Several images of one patient that a network sees together, such as T1 and FLAIR: read, and brought onto one grid.

The first image is the one that is segmented: the others are resampled to its voxels where theirs are elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Union

import numpy as np
import SimpleITK

from ..door.errors import ImageError
from .geometry import Geometry, Volume
from .phases import phases_of
from .reorder import in_order_of
from .volume import finite, read_volume

Image = Union[str, "os.PathLike[str]", Volume]
Images = Union[Image, Sequence[Image], Mapping[str, Image]]

# Of the voxels of the first image, the part that another must cover: less is another part of the body.
LEAST_COVERED = 0.5
# Less than this is told.
COVERED = 0.95
# Two images whose voxels lie nearer than this part of a voxel have the same.
SAME = 0.05
# Points along each axis at which it is looked whether an image covers another.
POINTS = 9


def read_images(images: Images, names: Sequence[str] = ()) -> Volume:
    """One volume of all images that a model needs of a patient.

    Args:
        images: a file, DICOM folder or Volume; or several in the order of ``names``, or by name. One file with as many
            phases as there are names holds them all, as in the Medical Segmentation Decathlon.
        names: of the images of the model; empty for one.

    Raises:
        ImageError: an image cannot be read; there are more or fewer than the model needs ("missing-image"); they are
            of several patients ("several-patients"); or one shows another part of the body than the first
            ("other-place").
    """
    given = _in_order(images, names)
    if len(names) < 2:
        if len(given) != 1:
            raise _count(given, names)
        volume = _read(given[0])
        if volume.others:
            raise _count([volume, *volume.others], names)
        return volume
    if len(given) == 1:
        volumes = _phases(given[0], names)
        if isinstance(volumes, Volume):
            return volumes
    elif len(given) == len(names):
        volumes = [_read(image) for image in given]
    else:
        raise _count(given, names)
    if len({volume.patient for volume in volumes if volume.patient}) > 1:
        raise ImageError("several-patients", "The images are of several patients.", "Give those of one patient.")
    first, notes, others = volumes[0], list(volumes[0].notes), []
    for name, volume in zip(names[1:], volumes[1:]):
        array, note = _on_grid(volume, first.geometry, name, names[0])
        others.append(array)
        notes += [f"{name}: {text}" for text in volume.notes] + ([note] if note else [])
    return replace(first, notes=tuple(notes), others=tuple(others))


def _in_order(images: Images, names: Sequence[str]) -> list[Image]:
    if isinstance(images, Mapping):
        if len(names) < 2:
            raise ImageError("missing-image", "The model looks at one image, which has no name: give it alone.")
        keys = {str(key).casefold(): image for key, image in images.items()}
        missing = [name for name in names if name.casefold() not in keys]
        if missing or len(keys) != len(names):
            raise _count(list(images), names)
        return [keys[name.casefold()] for name in names]
    if isinstance(images, (str, os.PathLike, Volume)):
        return [images]
    if not all(isinstance(image, (str, os.PathLike, Volume)) for image in images):
        raise _count([image for image in images if image is not None], names)
    return list(images)


def _count(given: Sequence[object], names: Sequence[str]) -> ImageError:
    count = "1 was" if len(given) == 1 else f"{len(given)} were"
    if len(names) < 2:
        return ImageError("missing-image", f"The model needs one image of a patient, and {count} given.")
    return ImageError(
        "missing-image",
        f"The model needs {len(names)} images of a patient ({', '.join(names)}), and {count} given.",
        "Give them in this order (segment A B ... --channels), or as one file with a fourth axis.",
    )


def _read(image: Image) -> Volume:
    return image if isinstance(image, Volume) else read_volume(image)


def _phases(image: Image, names: Sequence[str]) -> Volume | list[Volume]:
    """The images in the phases of a file; a volume that holds them already stays as it is."""
    if isinstance(image, Volume):
        if len(image.others) + 1 != len(names):
            raise _count([image, *image.others], names)
        return image
    path = Path(image)
    if path.exists() and phases_of(path) != len(names):
        raise _count([None] * phases_of(path), names)
    return [read_volume(path, number) for number in range(1, len(names) + 1)]


def _on_grid(volume: Volume, geometry: Geometry, name: str, first: str) -> tuple[np.ndarray, str]:
    """The voxels of an image on another grid, and what is to be told of that."""
    array = in_order_of(volume, geometry, SAME)
    if array is not None:
        return array, ""
    covered = _covered(volume.geometry, geometry)
    if covered < LEAST_COVERED:
        raise ImageError(
            "other-place",
            f"{name} covers only {100 * covered:.0f} % of {first}.",
            "Do both belong to the same patient? Register them in Slicer (General Registration), and save the result.",
        )
    whole, _ = finite(volume)
    image = SimpleITK.GetImageFromArray(whole.array.astype(np.float32))
    volume.geometry.apply_to(image)
    wanted = SimpleITK.Image(geometry.size_ijk, SimpleITK.sitkUInt8)
    geometry.apply_to(wanted)
    lowest = float(whole.array.min())
    moved = SimpleITK.Resample(
        image, wanted, SimpleITK.Transform(), SimpleITK.sitkLinear, lowest, SimpleITK.sitkFloat32
    )
    note = f"{name} has other voxels than {first} and was resampled to them."
    if covered < COVERED:
        note += f" It covers {100 * covered:.0f} % of them; the rest is taken as its darkest value."
    return np.asarray(SimpleITK.GetArrayFromImage(moved)), note


def _covered(inner: Geometry, outer: Geometry) -> float:
    """The part of the points of a grid that lie inside of another."""
    axes = np.reshape(outer.direction, (3, 3)) * outer.spacing
    places = [np.linspace(0, n - 1, POINTS) if n > 1 else np.zeros(1) for n in outer.size_ijk]
    points = np.array(list(product(*places))) @ axes.T + outer.origin
    inverse = np.linalg.inv(np.reshape(inner.direction, (3, 3)) * inner.spacing)
    indices = (points - inner.origin) @ inverse.T
    return float(np.all((indices >= -0.5) & (indices <= np.array(inner.size_ijk) - 0.5), axis=1).mean())
