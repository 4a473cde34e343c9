"""A close look at one case before a training: its image, its label map, and whether both fit."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..cases.case_list import Case, CaseList, CasesError
from ..cases.images import read_images
from ..door.errors import ImageError
from ..door.input_spec import InputSpec
from ..images.geometry import Geometry
from ..images.grid import SliceGrid, grids_of
from ..images.volume import read_volume
from .report import ERROR, NOTE, WARNING, CaseFacts, Finding

# Largest distance in voxels between the corners of an image and of its label map. Rounding a spacing to three decimals
# moves the far corner of a large image by a third of a voxel; a shift that matters is half a voxel or more.
GRID_TOLERANCE = 0.4
SMALLEST_SIDE = 32
PERCENTILES = (0.5, 99.5)
# The percentiles that people read come from an even subset of this many voxels.
SUBSET = 2_000_000
# More values than this are no label map, and counting them all would take long.
MOST_VALUES = 1000


# Takes severity, code, message and hint of a finding about the case at hand.
Tell = Callable[..., None]


@dataclass(frozen=True)
class CaseCheck:
    """What the comparison of the cases needs of one of them, beside its facts.

    Attributes:
        facts: for the report.
        findings: about this case alone.
        geometry: of the image, None if it cannot be read.
        digest: of the voxels as numbers, the same for the same image in another file format.
        itemsize: bytes of a stored voxel of all its images.
        images: how many it has.
    """

    facts: CaseFacts
    findings: tuple[Finding, ...]
    geometry: Geometry | None = None
    digest: str = ""
    itemsize: int = 0
    images: int = 1


def check_case(
    number: int,
    case: Case,
    case_list: CaseList,
    classes: Callable[[Case], dict[int, int]],
    source: InputSpec,
) -> CaseCheck:
    """Read one case, and forget its voxels again.

    Args:
        number: of the case in the list, from 1.
        case_list: that it belongs to, which names its images.
        case: its files; a missing one is passed over, because the list's own check has told.
        classes: class of each value that its label map may hold (`labels.classes_of`); if empty, any value will do.
        source: what the model eats.
    """
    findings: list[Finding] = []

    def tell(severity: str, code: str, message: str, hint: str = "") -> None:
        findings.append(Finding(severity, code, number, message, hint))

    geometry, digest, itemsize, intensity = None, "", 0, None
    if all(image.exists() for image in case.images):
        try:
            volume = read_images(case, case_list)
        except ImageError as error:
            tell(ERROR, "unreadable-image", f"The image cannot be used: {_reason(error, *case.images)}", error.hint)
        else:
            for note in volume.notes:
                tell(NOTE, "image-note", note, "Look at the image before you train on it.")
            geometry, itemsize = volume.geometry, sum(array.itemsize for array in volume.arrays)
            digest, intensity = _digest(*volume.arrays), _intensity(volume.array, case, tell)
            grids = grids_of(geometry, source.slicing, source.spacing_mm)
            _check_side(min(grids, key=lambda grid: min(*grid.source_shape, *grid.model_shape)), tell)
            del volume  # the label map is read without it
    voxels: dict[int, int] = {}
    extent, field = None, None
    if geometry is not None:
        field = float(max(np.multiply(grids[0].source_shape, grids[0].pixel_spacing)))
    if case.labels is not None and case.labels.exists():
        try:
            labels, known = read_volume(case.labels), classes(case)
        except CasesError as error:
            tell(ERROR, error.code, error.message.removeprefix(f"{case.name}: "), error.hint)
        except ImageError as error:
            tell(ERROR, "unreadable-labels", f"The label map cannot be used: {_reason(error, case.labels)}", error.hint)
        else:
            if geometry is not None:
                _check_grid(geometry, labels.geometry, tell)
            voxels = _check_values(labels.array, known, tell)
            if geometry is not None and labels.geometry.shape_kji == geometry.shape_kji:
                extent = _extent_mm(labels.array, known, geometry, grids[0].slice_axis)
    facts = CaseFacts(
        number,
        case.role,
        geometry.size_ijk if geometry else None,
        geometry.spacing if geometry else None,
        intensity,
        voxels,
        extent,
        field,
    )
    return CaseCheck(facts, tuple(findings), geometry, digest, itemsize, max(1, len(case_list.images)))


def _extent_mm(array: np.ndarray, known: dict[int, int], geometry: Geometry, slice_axis: int) -> float | None:
    """Longest side in mm, across the slices' axis, of the box around what is a structure."""
    structures = [value for value, class_ in known.items() if class_]
    seen = [np.zeros(side, bool) for side in array.shape]
    for k, plane in enumerate(array):
        mask = np.isin(plane, structures) if structures else plane != 0
        if mask.any():
            seen[0][k] = True
            seen[1] |= mask.any(axis=1)
            seen[2] |= mask.any(axis=0)
    if not seen[0].any():
        return None
    spacing = geometry.spacing[::-1]
    ends = (np.flatnonzero(side)[[0, -1]] for side in seen)
    sides = [float((last - first + 1) * mm) for (first, last), mm in zip(ends, spacing)]
    return max(side for axis, side in enumerate(sides) if axis != slice_axis)


def _reason(error: ImageError, *paths: Path) -> str:
    """What is wrong, without the names of the files."""
    message = error.message
    for path in paths:
        message = message.replace(path.name, "the file")
    return message


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.blake2b(repr(arrays[0].shape).encode(), digest_size=16)
    for array in arrays:
        for part in array:
            digest.update(np.ascontiguousarray(part, np.float32).tobytes())
    return digest.hexdigest()


def _intensity(array: np.ndarray, case: Case, tell: Tell) -> dict[str, float] | None:
    finite = array.dtype.kind != "f" or bool(all(np.isfinite(part).all() for part in array))
    if not finite:
        array = array[np.isfinite(array)]
        hint = "They are trained on as the darkest or brightest voxels; export the image again if they are inside."
        tell(WARNING, "non-finite", "The image has voxels that are no number (NaN or infinity).", hint)
    if not array.size or array.min() == array.max():
        severity = WARNING if case.role == "unlabeled" else ERROR
        hint = "Is it the right file? Correct it, or remove the case."
        tell(severity, "constant-image", "All voxels of the image have the same value.", hint)
    if not array.size:
        return None
    subset = array.reshape(-1)[:: max(1, array.size // SUBSET)].astype(np.float64)
    low, high = (float(value) for value in np.percentile(subset, PERCENTILES))
    return {"min": float(array.min()), "low": low, "high": high, "max": float(array.max())}


def _check_side(grid: SliceGrid, tell: Tell) -> None:
    rows, columns = (min(sizes) for sizes in zip(grid.source_shape, grid.model_shape))
    if min(rows, columns) < SMALLEST_SIDE:
        message = f"The slices have only {rows} x {columns} pixels, which is small for a network."
        tell(WARNING, "small-image", message, "Check the direction of the slices and the spacing of the image.")


def _check_grid(image: Geometry, labels: Geometry, tell: Tell) -> None:
    hint = "Export the segmentation with the image as its reference."
    if image.size_ijk != labels.size_ijk:
        sizes = (" x ".join(str(n) for n in geometry.size_ijk) for geometry in (labels, image))
        tell(ERROR, "label-grid", "The label map has {} voxels and the image {}.".format(*sizes), hint)
        return
    moved = grid_distance(image, labels)
    if moved > GRID_TOLERANCE:
        message = f"The label map lies elsewhere in space than the image, by up to {moved:.1f} voxels."
        tell(ERROR, "label-place", message, f"{hint} The labels would be learned at the wrong place.")


def grid_distance(one: Geometry, two: Geometry) -> float:
    """Largest distance, in voxels of ``one``, between the same corners of two grids of the same size."""
    corners = np.array(np.meshgrid(*[[0, n - 1] for n in one.size_ijk], indexing="ij")).reshape(3, -1)

    def axes(geometry: Geometry) -> np.ndarray:
        return np.reshape(geometry.direction, (3, 3)) * np.array(geometry.spacing)

    there = axes(two) @ corners + np.array(two.origin)[:, None]
    back = np.linalg.solve(axes(one), there - np.array(one.origin)[:, None])
    return float(np.abs(back - corners).max())


def _check_values(array: np.ndarray, known: dict[int, int], tell: Tell) -> dict[int, int]:
    """Voxels of each class but the background; tells of values that are none."""
    counts: Counter[float] = Counter()
    for part in array:
        values, numbers = np.unique(part, return_counts=True)
        counts.update(dict(zip(values.tolist(), numbers.tolist())))
        if len(counts) > MOST_VALUES:
            break
    if not all(np.isfinite(value) and value == round(value) for value in counts):
        message = "The label map has values that are no whole numbers."
        hint = "Give the segmentation itself, not a probability map or a smoothed or interpolated copy."
        tell(ERROR, "fractional-labels", message, hint)
        return {}
    strange = sorted(value for value in counts if value not in known) if known else []
    if strange:
        shown = ", ".join(f"{value:g}" for value in strange[:5]) + (", ..." if len(strange) > 5 else "")
        plural, verb = ("", "is") if len(strange) == 1 else ("s", "are")
        message = f"The label map holds the value{plural} {shown}, which {verb} no class of the list."
        tell(ERROR, "unknown-label", message, "Add it to the classes, or remove it from the label map.")
    voxels = dict.fromkeys(sorted(set(known.values()) - {0}), 0)
    for value, number in counts.items():
        if known.get(int(value), 0):
            voxels[known[int(value)]] += number
    if not strange and not any(number for value, number in counts.items() if known.get(int(value), value)):
        hint = "If nothing is to be found there, this is right; otherwise give its segmentation, or make it unlabeled."
        tell(WARNING, "empty-labels", "The label map is empty.", hint)
    return voxels
