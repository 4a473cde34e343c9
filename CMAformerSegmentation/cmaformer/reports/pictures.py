"""Slices of a volume with the outlines of its structures, as PNG pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK

from ..door.description import Structure
from ..images.geometry import Volume
from ..images.grid import SliceGrid

SMALLEST = 220  # pixels of a picture's shorter side, at least
MARGIN = 0.6  # of the extent of the structures, around them
DARK, BRIGHT = 1.0, 99.0  # percentiles of the volume that are black and white


def chosen_slices(planes: np.ndarray, count: int) -> list[int]:
    """Indices of slices to show, in their order: evenly spread over those with a structure, or over all of them.

    Args:
        planes: label map (slices, rows, cols).
        count: how many, at most.
    """
    found = np.flatnonzero(planes.any(axis=(1, 2)))
    places = found if len(found) else np.arange(len(planes))
    steps = np.linspace(0, len(places) - 1, min(count, len(places)))
    return [int(places[round(step)]) for step in steps]


def slice_pictures(
    volume: Volume,
    labels: np.ndarray,
    structures: Sequence[Structure],
    count: int = 6,
    reference: np.ndarray | None = None,
) -> list[tuple[int, bytes]]:
    """Slices as they are looked at (see ``SliceGrid``, "oriented"), with outlines in the colors of the structures.

    Args:
        volume: the image.
        labels: uint8 (K, J, I), on its grid.
        structures: values and colors.
        count: of pictures, at most.
        reference: uint8 (K, J, I): its outlines are white, beneath the others.

    Returns:
        Pairs of the index of the slice along its axis of the stored array, from 0, and a PNG file's bytes.
    """
    grid = SliceGrid(volume.geometry, "oriented")
    image, found = grid.oriented(volume.array), grid.oriented(labels)
    truth = None if reference is None else grid.oriented(reference)
    finite = volume.array[np.isfinite(volume.array)]
    low, high = np.percentile(finite, [DARK, BRIGHT]) if finite.size else (0.0, 1.0)
    height_mm, width_mm = grid.pixel_spacing
    seen = found if truth is None else found | truth
    box = _around(seen)
    image, found = image[:, box[0], box[1]], found[:, box[0], box[1]]
    truth = None if truth is None else truth[:, box[0], box[1]]
    result = []
    for index in chosen_slices(seen, count):
        gray = np.nan_to_num((image[index].astype(np.float64) - low) / max(high - low, 1e-9), nan=0.0).clip(0, 1)
        planes = [_square(plane, height_mm, width_mm) for plane in (gray, found[index])]
        pixels = np.repeat((255 * planes[0])[..., None], 3, axis=2).astype(np.uint8)
        if truth is not None:
            shown = _square(truth[index], height_mm, width_mm)
            for structure in structures:
                pixels[_outline(shown == structure.value)] = (255, 255, 255)
        for structure in structures:
            pixels[_outline(planes[1] == structure.value)] = structure.color
        result.append((int(grid.places([index])[0]), _png(pixels)))
    return result


def _around(planes: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of what was found anywhere with a margin; the whole slice where nothing was."""
    sides = []
    for axis in (1, 2):
        places = np.flatnonzero(planes.any(axis=(0, 3 - axis)))
        if not len(places):
            return slice(None), slice(None)
        margin = round(MARGIN * (places[-1] - places[0] + 1)) + 4
        sides.append(slice(max(0, int(places[0]) - margin), int(places[-1]) + margin + 1))
    return sides[0], sides[1]


def _square(plane: np.ndarray, height_mm: float, width_mm: float) -> np.ndarray:
    """A slice with square pixels, and large enough to be looked at; nearest neighbors, so that nothing is invented."""
    rows, columns = plane.shape
    pixel = min(height_mm, width_mm, rows * height_mm / SMALLEST, columns * width_mm / SMALLEST)
    # A slice that is extremely long and narrow is shown as it is.
    shape = [min(max(1, round(n * mm / pixel)), 2000) for n, mm in ((rows, height_mm), (columns, width_mm))]
    places = [np.minimum((np.arange(new) * old) // new, old - 1) for new, old in zip(shape, (rows, columns))]
    return plane[np.ix_(*places)]


def _outline(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask that touch what is outside of it."""
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def _png(pixels: np.ndarray) -> bytes:
    """Colors uint8 (rows, cols, 3) as a PNG file."""
    with tempfile.TemporaryDirectory(prefix="cmaformer-") as folder:  # only its owner can look into it
        path = Path(folder) / "slice.png"
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels, isVector=True), str(path))
        return path.read_bytes()
