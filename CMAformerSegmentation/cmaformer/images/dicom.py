"""DICOM files as one volume: which of them, and the proof that their images are the slices of one regular grid.

Nothing is computed from a stack that only looks like a volume: images at the same place (time points, echoes), of
another orientation or size, missing slices and tilted stacks are found in the headers, and refused or told.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK

from ..door.errors import ImageError
from .dicom_headers import TIMES, Frame, Header, headers_of
from .geometry import Geometry, Volume

# Positions nearer than this (mm) are the same place.
SAME_MM = 0.01
# Steps between slices may differ by this part before it is told, and before the volume is refused.
TOLD, REFUSED = 0.01, 0.1
# Slices may be shifted sideways from slice to slice by this part of their distance.
TILTED = 0.02
# So many images, or this part of them, may be of another kind (a scout among the slices), and are left out.
FEW, FEW_PART = 3, 0.1


def read_series(folder: Path, phase: int | None = None) -> Volume:
    """The DICOM series of a folder and of all its subfolders that has the most images; localizers come last.

    Voxels are (K, J, I), slices in the order of their positions along the normal of the images. ``phase`` is the number
    from 1 of one of several phases, of the same number of images at each place.

    Raises:
        ImageError: there is none (``no-dicom``); images of several patients (``several-patients``); several images at
            one place (``several-images``) where no phase is asked for, or no such phase (``no-phase``); slices that
            are unevenly spaced (``uneven-slices``) or tilted (``sheared``);
            no position, orientation or size of the pixels (``no-geometry``); colors; files cut short (``cut-short``).
    """
    return read_files(files_of(folder), phase)


def files_of(folder: Path) -> list[Path]:
    """All files below a folder."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def read_files(paths: Sequence[Path], phase: int | None = None) -> Volume:
    """The same of some files, of which others than DICOM images are left alone."""
    chosen, frames, notes = _ordered(paths, phase)
    volume = _volume(frames, {header.path: header for header in chosen})
    who = hashlib.sha256(chosen[0].patient.encode()).hexdigest() if chosen[0].patient else ""
    return replace(volume, notes=tuple(notes), modality=chosen[0].modality, patient=who)


def ordered_frames(folder: Path, phase: int | None = None) -> list[Frame]:
    """The images that `read_series` stacks, in the order of the slices. Raises as it does."""
    return _ordered(files_of(folder), phase)[1]


def _ordered(paths: Sequence[Path], phase: int | None) -> tuple[list[Header], list[Frame], list[str]]:
    """The headers that count, the images of a volume in the order of its slices, and what to tell of it."""
    chosen, frames, notes = _frames(paths)
    ordered = in_phases(frames)
    if phase is not None:
        if not 1 <= phase <= len(ordered):
            raise no_phase("The DICOM series", phase, len(ordered))
        frames = ordered[phase - 1]
    frames, more = _in_order(frames)
    return chosen, frames, [*notes, *more]


def count_phases(paths: Sequence[Path]) -> int:
    """How many phases the series of these files has that would be read; 1 where it is one volume. Raises ImageError."""
    return len(in_phases(_frames(paths)[1]))


def _frames(paths: Sequence[Path]) -> tuple[list[Header], list[Frame], list[str]]:
    """The headers that count, their images of one kind, and what to tell of the others."""
    headers = headers_of(paths)
    if not headers:
        raise ImageError(
            "no-dicom", "The folder holds no DICOM images.", "Choose the folder with the DICOM files of one series."
        )
    patients = {header.patient for header in headers}
    if len(patients) > 1:
        raise ImageError(
            "several-patients",
            f"The folder holds DICOM images of {len(patients)} patients.",
            "Give the folder of one patient.",
        )
    chosen, notes = _choose(headers)
    if chosen[0].samples != 1:
        raise ImageError("not-scalar", "The DICOM series has colors; gray values are needed.")
    frames, left_out = _alike([frame for header in chosen for frame in header.frames])
    return chosen, frames, [*notes, *left_out]


def in_phases(frames: list[Frame]) -> list[list[Frame]]:
    """Images sorted into phases, in time: as many at each place, and told apart by one tag everywhere.

    One phase, with all images, where there is one image a place, or nothing tells them apart (``_in_order`` refuses
    those): echoes and diffusion weightings are no phases.
    """
    first = frames[0]
    if len(frames) < 2 or first.orientation is None or any(frame.position is None for frame in frames):
        return [frames]
    along = np.array([frame.position for frame in frames], float) @ _normal(first.orientation)
    order = np.argsort(along, kind="stable")
    cuts = np.flatnonzero(np.diff(along[order]) >= SAME_MM) + 1
    places = [[frames[n] for n in part] for part in np.split(order, cuts)]
    count = len(places[0])
    if count == 1 or any(len(place) != count for place in places) or len({frame.kind for frame in frames}) > 1:
        return [frames]
    for tag in range(len(TIMES)):
        times = [[frame.when[tag] if frame.when else None for frame in place] for place in places]
        if all(None not in values and len(set(values)) == count for values in times):
            ordered = [
                [frame for _, frame in sorted(zip(values, place), key=lambda pair: pair[0] or 0.0)]
                for values, place in zip(times, places)
            ]
            return [[place[number] for place in ordered] for number in range(count)]
    return [frames]


def no_phase(what: str, phase: int, count: int) -> ImageError:
    """The error of a phase that is not there."""
    has = "one volume, without phases" if count == 1 else f"{count} phases"
    return ImageError("no-phase", f"{what} has {has}; there is no phase {phase}.", f"Choose 1 to {count}.")


def _choose(headers: list[Header]) -> tuple[list[Header], list[str]]:
    """The headers of the series with the most images, and what to tell of the others."""
    series: dict[str, list[Header]] = {}
    for header in headers:
        series.setdefault(header.series, []).append(header)

    def rank(one: list[Header]) -> tuple[bool, int]:
        return not all(header.scout for header in one), sum(len(header.frames) for header in one)

    ranked = sorted(series.values(), key=rank, reverse=True)
    if len(ranked) == 1:
        return ranked[0], []
    count = rank(ranked[0])[1]
    which = f"the one with the most images ({count}) was read"
    if rank(ranked[1]) == rank(ranked[0]):
        which = f"several have {count} images, and one of these was read"
    return ranked[0], [f"The folder holds {len(ranked)} DICOM series; {which}. Give the folder of one to choose it."]


def _alike(frames: list[Frame]) -> tuple[list[Frame], list[str]]:
    """The images of the kind that most are of: size, orientation and pixels; and what to tell of the others."""

    def kind(frame: Frame) -> tuple[tuple[int, int], tuple[float, ...]]:
        return frame.size, tuple(round(v, 2) + 0.0 for v in (*(frame.orientation or ()), *(frame.pixel_mm or ())))

    kinds = Counter(kind(frame) for frame in frames)
    example = next(frame for frame in frames if kind(frame) == kinds.most_common(1)[0][0])
    alike = [frame for frame in frames if _is_like(frame, example)]
    others = len(frames) - len(alike)
    if not others:
        return frames, []
    if others > max(FEW, FEW_PART * len(alike)) or others >= len(alike):
        raise ImageError(
            "several-kinds",
            "The DICOM series has images of several sizes or orientations; they are no slices of one volume.",
            "Export the images of one orientation as a series of their own.",
        )
    what = "1 image was" if others == 1 else f"{others} images were"
    return alike, [f"{what} left out of the DICOM series, because of another size or orientation (a localizer?)."]


def _is_like(frame: Frame, other: Frame) -> bool:
    """Whether two images have the same size, orientation and pixels, but for rounding."""
    if frame.size != other.size:
        return False
    for one, two in ((frame.orientation, other.orientation), (frame.pixel_mm, other.pixel_mm)):
        if (one is None) != (two is None):
            return False
        if one is not None and two is not None and not np.allclose(one, two, rtol=1e-3, atol=2e-3):
            return False
    return True


def _in_order(frames: list[Frame]) -> tuple[list[Frame], list[str]]:
    """The images sorted along their normal, proved to be evenly spaced slices of one grid; and what to tell."""
    first = frames[0]
    if first.pixel_mm is None or min(first.pixel_mm) <= 0:
        raise _without("how large their pixels are")
    if len(frames) == 1:
        return frames, []
    if first.orientation is None or any(frame.position is None for frame in frames):
        raise _without("where in the patient they lie")
    positions = np.array([frame.position for frame in frames], float)
    normal = _normal(first.orientation)
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    frames, positions, along = [frames[n] for n in order], positions[order], along[order]
    steps = np.diff(along)
    if steps.min() < SAME_MM:
        raise _several(along)
    typical = float(np.median(steps))
    sideways = np.diff(positions, axis=0) - np.outer(steps, normal)
    if np.linalg.norm(sideways, axis=1).max() > TILTED * typical:
        raise ImageError(
            "sheared",
            "The slices of the DICOM series are tilted against their stack (gantry tilt): the voxels are no boxes.",
            "Load it in Slicer, which can regularize it (DICOM, Advanced), and segment that volume.",
        )
    worst = float(np.abs(steps / typical - 1).max())
    if worst > REFUSED:
        missing = int(np.rint(steps / typical - 1).clip(0).sum())
        raise ImageError(
            "uneven-slices",
            f"The slices of the DICOM series are not evenly spaced: {steps.min():.3g} to {steps.max():.3g} mm apart"
            + (f"; {missing} may be missing." if missing else "."),
            "Export the series again, or resample it to even slices in Slicer.",
        )
    if worst > TOLD:
        return frames, [f"The slices of the DICOM series are {steps.min():.3f} to {steps.max():.3f} mm apart."]
    return frames, []


def _several(along: np.ndarray) -> ImageError:
    places = 1 + int(np.count_nonzero(np.diff(along) >= SAME_MM))
    each, rest = divmod(len(along), places)
    how = f"{each} at each of {places} places" if not rest else f"{len(along)} at {places} places"
    return ImageError(
        "several-images",
        f"The DICOM series has several images at the same place: {how} (time points, or echoes).",
        "Choose one time point with --phase, or one echo of it.",
    )


def _without(what: str) -> ImageError:
    return ImageError(
        "no-geometry",
        f"The DICOM images do not say {what}, so nothing can be measured in them.",
        "Use the images as the scanner wrote them, not a copy made for viewing.",
    )


def _normal(orientation: Sequence[float]) -> np.ndarray:
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(row, column)
    length = float(np.linalg.norm(normal))
    if abs(length - 1) > 0.01:
        raise ImageError(
            "no-geometry", "The rows and columns of the DICOM images are not at right angles.", "Export them again."
        )
    return normal / length


def _volume(frames: list[Frame], headers: dict[Path, Header]) -> Volume:
    """The voxels and the geometry of sorted images."""
    used = [headers[frame.path] for frame in frames]
    try:
        plain = all(len(h.frames) == 1 for h in used) and all(frame.rescale is None for frame in frames)
        if plain and len({header.rescale for header in used}) == 1:
            image = _stack([str(frame.path) for frame in frames])
            array = SimpleITK.GetArrayFromImage(image)
            read: Geometry | None = Geometry.of_image(image)
        else:  # each with its own rescaling, in a type that holds them all
            cache = {path: SimpleITK.ReadImage(str(path)) for path in {frame.path for frame in frames}}
            arrays = {path: SimpleITK.GetArrayFromImage(image) for path, image in cache.items()}
            planes = [arrays[frame.path].reshape(-1, *frame.size)[frame.number] for frame in frames]
            array = np.stack(_rescaled(planes, frames))
            read = Geometry.of_image(next(iter(cache.values()))) if len(cache) == 1 else None
    except RuntimeError:
        raise ImageError(
            "unreadable-image", f"The DICOM series of {len(frames)} images cannot be read as a volume."
        ) from None
    proved = _geometry(frames, read)
    if read is not None and _same(read, proved):
        proved = read  # to the last bit, as the reader of the format has it
    return Volume(array, proved)


def _rescaled(planes: list[np.ndarray], frames: list[Frame]) -> list[np.ndarray]:
    """Images with what the decoder left out of their slopes and intercepts, in a type that holds them."""
    scales = [frame.rescale or (1.0, 0.0) for frame in frames]
    if all(scale == (1.0, 0.0) for scale in scales):
        return planes
    whole = all(value.is_integer() for scale in scales for value in scale)
    kind = np.int32 if whole and all(plane.dtype.kind in "iu" for plane in planes) else np.float32
    return [
        (plane.astype(np.float64) * slope + intercept).astype(kind) for plane, (slope, intercept) in zip(planes, scales)
    ]


def _stack(names: list[str]) -> SimpleITK.Image:
    if len(names) == 1:
        return SimpleITK.ReadImage(names[0])
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(names)
    return reader.Execute()


def _geometry(frames: list[Frame], read: Geometry | None) -> Geometry:
    """The grid that the positions of the images make."""
    first, last = frames[0], frames[-1]
    assert first.pixel_mm is not None
    size = (first.size[1], first.size[0], len(frames))
    if len(frames) == 1 and (first.position is None or first.orientation is None):
        if read is None:
            raise _without("where in the patient they lie")
        return read
    assert first.position is not None and first.orientation is not None and last.position is not None
    normal = _normal(first.orientation)
    step = float((np.array(last.position) - np.array(first.position)) @ normal) / max(1, len(frames) - 1)
    if len(frames) == 1:
        step = read.spacing[2] if read is not None else 1.0
    axes = np.stack([first.orientation[:3], first.orientation[3:], normal], axis=1)
    spacing = (float(first.pixel_mm[1]), float(first.pixel_mm[0]), step)
    x, y, z = (float(value) for value in first.position)
    return Geometry(size, spacing, (x, y, z), tuple(float(value) for value in axes.ravel()))


def _same(one: Geometry, other: Geometry) -> bool:
    return one.size_ijk == other.size_ijk and all(
        np.allclose(getattr(one, name), getattr(other, name), rtol=1e-4, atol=1e-3)
        for name in ("spacing", "origin", "direction")
    )
