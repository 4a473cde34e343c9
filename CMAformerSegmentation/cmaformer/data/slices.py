"""Training slices: cut, normalized and cached on disk once, then read in place.

The cache holds one set of ``.npy`` files a case on the model's grid, memory-mapped when read, so memory does not grow
with the number of cases; a cache made on one computer can be trained on another that has only torch, numpy and scipy.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from ..cases.case_list import Case, CaseList, CasesError
from ..cases.images import read_images
from ..cases.labels import read_labels
from ..door.errors import CancelledError, EngineError, JobError
from ..door.files import write_json
from ..door.input_spec import InputSpec
from ..door.slicing import SLICINGS
from ..door.watcher import Watcher
from .slice_entry import SliceEntry

# Signed distances are cached up to here (in pixels of the model's grid): twice what a network learns (see
# `augmentation.DISTANCE_PIXELS`), so that a patch shrunk to half still knows them all.
CACHED_PIXELS = 48
INDEX = "index.json"


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """Signed distance map of a binary mask (H, W) in [-1, 1], as int8 in -127..127: negative inside.

    Euclidean distance in pixels over CACHED_PIXELS, truncated. Without foreground it is +1 everywhere.
    """
    if not mask.any():
        return np.full(mask.shape, 127, np.int8)
    distance = np.asarray(ndimage.distance_transform_edt(~mask)) - np.asarray(ndimage.distance_transform_edt(mask))
    return np.rint(np.clip(distance / CACHED_PIXELS, -1, 1) * 127).astype(np.int8)


def prepare(
    case_list: CaseList,
    source: InputSpec,
    folder: Path,
    watcher: Watcher | None = None,
) -> None:
    """Cut every case into slices on the model's grid and cache them in ``folder``; cases already there are kept.

    Of a model with several slicing directions, cases to learn from have an entry for each: the further ones come after
    those of all cases, and name the number of theirs as "case". Held-out cases have the first direction alone.

    Args:
        case_list: the cases; labels are needed for labeled and held-out ones.
        source: how the model eats them.
        folder: where the cache goes.
        watcher: is told the number of entries done and in all, and may stop the work, also within a case.

    Raises:
        CasesError: a label map lies on another grid than its image, or holds a value that is no class.
        ImageError: a file cannot be read.
        CancelledError: asked to stop.

    Errors name a case by its number in the list, from 1: they end in the events of a job.
    """
    watched = watcher or Watcher()
    folder.mkdir(parents=True, exist_ok=True)
    first, *further = SLICINGS[source.slicing]
    work = [(number, first) for number in range(len(case_list.cases))]
    work += [(n, axis) for axis in further for n, case in enumerate(case_list.cases) if case.role != "held-out"]
    entries = []
    for number, (of, axis) in enumerate(work):
        watched.check()
        about = folder / f"{number:05d}.json"
        if not about.exists():
            case = case_list.cases[of]
            try:
                entry = _prepare_case(case, number, case_list, source.along(axis), folder, watched)
            except CancelledError:
                raise
            except EngineError as error:
                raise _by_number(error, case, of + 1) from None
            if number != of:
                entry = replace(entry, of_case=of, facts=None)  # an image is compared in the first direction
            write_json(about, entry.to_dict())
        entries.append(json.loads(about.read_text(encoding="utf-8")))
        watched.progress(number + 1, len(work), None)
    write_json(folder / INDEX, {"classes": len(case_list.structures) + 1, "cases": entries})


def _prepare_case(
    case: Case,
    number: int,
    case_list: CaseList,
    source: InputSpec,
    folder: Path,
    watcher: Watcher,
) -> SliceEntry:
    # Reading images needs SimpleITK, which a computer that trains a prepared cache may not have.
    from ..images.grid import SliceGrid
    from ..images.intensity import Normalization, tamed
    from ..images.likeness import facts_of
    from ..images.volume import finite

    volume, _ = finite(read_images(case, case_list))
    specs = [image.normalization for image in source.images]
    arrays = [tamed(array, spec) for array, spec in zip(volume.arrays, specs)]
    grid = SliceGrid(volume.geometry, source.slicing, source.spacing_mm)
    every = np.arange(grid.count)
    normalize = [Normalization(spec, array) for spec, array in zip(specs, arrays)]
    each = [n(grid.to_model(array, every)).astype(np.float16) for n, array in zip(normalize, arrays)]
    images = each[0] if len(each) == 1 else np.stack(each)
    entry = SliceEntry(
        number,
        case.role,
        (grid.count, *grid.model_shape),
        spacing_mm=(grid.slice_spacing, *(source.spacing_mm or grid.pixel_spacing)),
        crc32={"images": _save(folder / f"{number:05d}.images.npy", images)},
        facts=facts_of(arrays, grid, normalize),
    )
    if case.labels is None:
        return entry
    labels, structures = read_labels(case, case_list), len(case_list.structures)
    if labels.geometry.shape_kji != volume.geometry.shape_kji:
        raise CasesError(
            "label-grid",
            f"{case.name}: the label map has {labels.geometry.shape_kji} voxels and the image "
            f"{volume.geometry.shape_kji} (slices, rows, columns).",
            "Export the segmentation with the image as its reference.",
        )
    maps = grid.labels_to_model(labels.array, every, structures + 1)
    sums = {**entry.crc32, "labels": _save(folder / f"{number:05d}.labels.npy", maps)}
    distances = np.empty((len(maps), structures, *maps.shape[1:]), np.int8)
    for slice_, planes in zip(maps, distances):
        watcher.check()  # a large volume with many classes takes a minute
        for value, plane in enumerate(planes, 1):
            plane[...] = signed_distance(slice_ == value)
    sums["distances"] = _save(folder / f"{number:05d}.distances.npy", distances)
    pixels = {v: [int(n) for n in np.count_nonzero(maps == v, axis=(1, 2))] for v in range(structures + 1)}
    return replace(entry, crc32=sums, pixels=pixels)


def _save(path: Path, array: np.ndarray) -> int:
    """Save an array; returns the checksum of its file."""
    np.save(path, array)
    return _checksum(path)


def _checksum(path: Path) -> int:
    sum_ = 0
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            sum_ = zlib.crc32(chunk, sum_)
    return sum_


def verify(folder: Path, watcher: Watcher | None = None) -> None:
    """Compare the prepared slices with their checksums: jobs are carried between computers.

    Args:
        folder: a folder that :func:`prepare` has filled.
        watcher: may stop the work before each case.

    Raises:
        JobError: a file is missing, cut short or damaged; the case is named by its number.
    """
    store = SliceStore(folder)
    for entry in store.cases:
        (watcher or Watcher()).check()
        for kind, wanted in entry.crc32.items():
            try:
                good = _checksum(store.path(entry.number, kind)) == wanted
            except OSError:
                good = False
            if not good:
                raise JobError(
                    "damaged-slices",
                    f"The prepared slices of case {entry.case + 1} are missing or damaged.",
                    "Copy the whole job folder again, or start the training from its images.",
                )


def _by_number(error: EngineError, case: Case, number: int) -> EngineError:
    """The error without the names of the case and its files."""
    message = error.message.removeprefix(f"{case.name}: ")
    for path in (*case.images, case.labels):
        if path is not None:
            message = message.replace(path.name, "its file")
    return type(error)(error.code, f"Case {number}: {message}", error.hint)


def by_image(images: np.ndarray) -> np.ndarray:
    """Stored slices of one image (S, H, W) or of several as (M, S, H, W): a view."""
    return images if images.ndim == 4 else images[None]


def share(slices: Path, folder: Path, roles: Callable[[SliceEntry], str]) -> None:
    """Give prepared slices other roles in another folder, which then only points to them.

    Args:
        slices: a folder that :func:`prepare` has filled.
        folder: the other folder; both may be moved together.
        roles: the new role of a case, from its entry in the index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index = json.loads((slices / INDEX).read_text(encoding="utf-8"))
    cases = [{**entry, "role": roles(SliceEntry.of(entry))} for entry in index["cases"]]
    write_json(folder / INDEX, {**index, "cases": cases, "arrays": Path(os.path.relpath(slices, folder)).as_posix()})


class SliceStore:
    """The cached slices of a training, read in place.

    Args:
        folder: a folder that :func:`prepare` has filled.

    Raises:
        CasesError: the cache is not complete.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            self.classes = int(index["classes"])
            self.cases = [SliceEntry.of(entry) for entry in index["cases"]]
            self.arrays = folder / index.get("arrays", "")
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            raise CasesError(
                "no-slices", "The prepared slices are missing or damaged.", "Start the training from its images."
            ) from None
        self._arrays: dict[tuple[int, str], np.ndarray] = {}

    def numbers(self, role: str) -> list[int]:
        """Numbers of the entries of a role: the cases, each as often as it is cut."""
        return [entry.number for entry in self.cases if entry.role == role]

    def count(self, role: str) -> int:
        """How many cases of a role there are."""
        return len({self.cases[number].case for number in self.numbers(role)})

    def array(self, number: int, kind: str) -> np.ndarray:
        """One case, memory-mapped.

        ``kind`` is "images", float16 (S, H, W), or (M, S, H, W) of several images a case; "labels", uint8 (S, H, W); or
        "distances", int8 (S, C-1, H, W).
        """
        key = (number, kind)
        if key not in self._arrays:
            self._arrays[key] = np.load(self.path(number, kind), mmap_mode="r")
        return self._arrays[key]

    def path(self, number: int, kind: str) -> Path:
        """The file of :meth:`array`."""
        return self.arrays / f"{number:05d}.{kind}.npy"

    def class_shares(self, numbers: list[int]) -> np.ndarray:
        """Share of each class among the labeled pixels of some cases: (classes,), sums to 1."""
        counts = np.zeros(self.classes)
        for number in numbers:
            for value, pixels in self.cases[number].pixels.items():
                counts[value] += sum(pixels)
        return counts / max(1.0, counts.sum())
