"""Many images with one model: the network is loaded once, and an image that cannot be segmented does not stop the rest.

Under ``torchrun`` each process takes its share of the images, and its own GPU.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..door.errors import CancelledError, EngineError
from ..door.files import replaced
from ..door.log import log_traceback
from ..door.names import stem_of, suffix_of
from ..door.pairing import LABELS_ENDING, UNSURE_ENDING, label_maps, together
from ..door.watcher import Watcher
from ..images.dicom_headers import is_dicom, read_header
from ..images.dicom_seg import SUFFIX, check_dicom_seg, write_dicom_seg
from ..images.phases import ImagePart, phases_of
from ..images.volume import read_volume, write_label_map
from ..network.device import with_fallback
from ..parallel.launcher import own_place
from .network_cache import NetworkCache
from .segment import Segmentation, segment

if TYPE_CHECKING:
    from ..models.model import Model

ENDING = LABELS_ENDING
TABLE = "volumes"


@dataclass
class Outcome:
    """What became of one image: its result, or why there is none; neither where it was done before."""

    image: ImagePart
    output: Path
    result: Segmentation | None = None
    error: EngineError | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether it was done before and left alone."""
        return self.result is None and self.error is None


def images_of(
    paths: Sequence[str | os.PathLike[str]], phases: str | int | None = None, names: Sequence[str] = ()
) -> list[ImagePart]:
    """The images that are named: files, folders of one DICOM series, and all images in other folders but label maps.

    A folder with a folder of DICOM images for each patient is all of these. ``phases`` is "all", or the number of one,
    of images that have several; None takes images of one volume. ``names`` are those of the images of a patient that
    the model looks at together (see :func:`cmaformer.door.pairing.together`): a fourth axis has them then, and no
    phases.

    Raises:
        EngineError: a folder of files has none that is an image ("no-images"); one phase is asked for of images that a
            model looks at together ("bad-options").
    """
    images: list[Path] = []
    for path in map(Path, paths):
        found = sorted(p for p in path.iterdir() if _is_image(p)) if path.is_dir() else []
        if found:
            maps = label_maps(found)
            images += [image for image in found if image not in maps]
        else:  # folders of patients, or a file, a DICOM folder, or nothing: reading it tells
            images += _patients(path) or [path]
    if names and isinstance(phases, int):
        raise EngineError("bad-options", f"The model looks at {', '.join(names)} of a patient; there are no phases.")
    if names:
        return [ImagePart(files[0], None, tuple(files[1:]), base) for base, files in together(images, names)]
    return [part for image in images for part in _parts(image, phases)]


def _parts(image: Path, phases: str | int | None) -> list[ImagePart]:
    if phases is None:
        return [ImagePart(image)]
    count = phases_of(image)
    if phases != "all":  # of a single volume too: reading it tells that there is none but the first
        return [ImagePart(image, int(phases))]
    return [ImagePart(image, number) for number in range(1, count + 1)] if count > 1 else [ImagePart(image)]


def _patients(folder: Path) -> list[Path]:
    """The subfolders of a folder whose DICOM images are of a patient each; none where they are of one together."""
    if not folder.is_dir():
        return []
    found: dict[str, Path] = {}
    for child in sorted(path for path in folder.iterdir() if path.is_dir()):
        path = next((path for path in sorted(child.rglob("*")) if path.is_file() and is_dicom(path)), None)
        header = read_header(path) if path is not None else None
        if header is None:
            continue
        if header.patient in found:
            return []
        found[header.patient] = child
    return list(found.values()) if len(found) > 1 else []


def outputs(images: Sequence[ImagePart], folder: Path, suffix: str = ".nrrd") -> list[Path]:
    """Where the label map of each image goes.

    Raises:
        EngineError: two images would have the same one ("same-name").
    """
    names = [f"{image.stem}{ENDING}{suffix}" for image in images]
    double = next((name for name, count in Counter(names).items() if count > 1), None)
    if double is not None:
        raise EngineError(
            "same-name",
            f"Two images would both be written to {double}.",
            "Give them different names, or other folders.",
        )
    return [folder / name for name in names]


def beside(output: Path) -> Path:
    """Where it is written how sure the model is of a label map."""
    stem = stem_of(output.name)
    stem = stem[: -len(ENDING)] if stem.endswith(ENDING) else stem
    suffix = suffix_of(output.name) or ".nrrd"  # beside a DICOM SEG, which has no room for it
    return output.with_name(f"{stem.removesuffix(SUFFIX)}{UNSURE_ENDING}{suffix}")


def segment_all(
    images: Sequence[ImagePart],
    model: Model,
    folder: Path,
    device: str = "auto",
    *,
    suffix: str = ".nrrd",
    skip_done: bool = False,
    report: Callable[[Outcome], None] = lambda outcome: None,
    **settings: Any,
) -> list[Outcome]:
    """Segment images one after the other into ``folder``, with a table of the volumes (ml) of all of them.

    Args:
        images: files or DICOM folders, or phases of them; of several processes, each takes its share.
        model: the model.
        folder: made if it is not there. Label maps appear whole or not at all; ``volumes.csv`` (of several processes,
            ``volumes-N.csv``) is brought up to date after each image. While another program holds it open, as
            spreadsheets do on Windows, the newer one is ``volumes-new.csv``.
        device: as for :func:`cmaformer.network.device.choose_device`.
        suffix: of the label maps; ``.dcm`` writes DICOM SEG, of images that are DICOM series.
        skip_done: leave images alone that have a label map there; what the table said of them stays.
        report: called after each image.
        settings: further arguments of :func:`cmaformer.segmenting.segment.segment`; warnings go into the outcomes.

    Raises:
        EngineError: two images would have the same label map, the device is not there, or the table was still held open
            at the end ("table-in-use"; the label maps are written).
        CancelledError: asked to stop.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number, count = own_place()
    if count > 1 and torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", number)) % torch.cuda.device_count())
    pairs = list(zip(images, outputs(images, folder, suffix)))[number::count]
    table = folder / (f"{TABLE}.csv" if count == 1 else f"{TABLE}-{number}.csv")
    newer = table.with_name(f"{table.stem}-new.csv")
    cache, outcomes, in_use = NetworkCache(), [], False
    before = _rows_of(table, model) if skip_done else {}
    for place, (image, output) in enumerate(pairs, 1):
        outcome = Outcome(image, output)
        if not (skip_done and output.exists()):
            _segment_one(outcome, model, cache, device, settings)
        outcomes.append(outcome)
        # What is still to be looked at keeps its rows, in case that this run is stopped.
        later = [before[name] for name in (_shown(later) for later, _ in pairs[place:]) if name in before]
        in_use = not _write_table(table, newer, model, outcomes, before, later)
        report(outcome)
    if in_use:
        raise EngineError(
            "table-in-use",
            f"{table.name} is open in another program, and older than the label maps.",
            f"Close it there, and put {newer.name} in its place.",
        )
    return outcomes


def _segment_one(outcome: Outcome, model: Model, cache: NetworkCache, device: str, settings: dict[str, Any]) -> None:
    def note(_code: str, message: str, hint: str) -> None:
        outcome.notes.append(f"{message} {hint}".strip())

    try:
        path, phase, others, _ = outcome.image
        as_dicom = outcome.output.suffix == SUFFIX
        if as_dicom:
            check_dicom_seg(path)
        given = [path, *others] if others else path if phase is None else read_volume(path, phase)
        result = with_fallback(
            device,
            lambda where: segment(
                given,
                model,
                device=where,
                network=cache.get(model, where),
                **{**settings, "watcher": replace(settings.get("watcher") or Watcher(), warning=note)},
            ),
            note,
        )
        if as_dicom:
            write_dicom_seg(outcome.output, result.labels, result.geometry, path, model.description, phase)
        else:
            write_label_map(outcome.output, result.labels, result.geometry)
        if result.uncertainty is not None:
            write_label_map(beside(outcome.output), result.uncertainty.percent, result.geometry)
            expected = result.uncertainty.mean_expected_dice()
            if expected is not None:
                outcome.notes.append(f"Expected Dice {expected:.2f}.")
        outcome.result = result
    except (CancelledError, OSError):
        raise
    except EngineError as error:
        if error.code in ("no-device", "bad-device"):  # no image will fare better
            raise
        outcome.error = error
    except MemoryError:
        outcome.error = EngineError(
            "out-of-memory", "The memory of this computer is not sufficient for this image.", "Crop it."
        )
    except Exception as error:
        log_traceback()
        outcome.error = EngineError("internal", f"Unexpected failure inside the engine ({type(error).__name__}).")


def _rows_of(table: Path, model: Model) -> dict[str, list[str]]:
    """The rows of a table that this command wrote before, by image; none of a table with other structures."""
    try:
        with open(table, newline="", encoding="utf-8", errors="replace") as file:
            head, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error):
        return {}
    return {row[0]: row for row in rows if len(row) == len(head)} if head == _heads(model) else {}


def _heads(model: Model) -> list[str]:
    return ["image", *(f"{structure.name} (ml)" for structure in model.description.classes), "remarks"]


def _shown(image: ImagePart) -> str:
    """The name of an image in the table; names of files need not be text on every system."""
    return image.name.encode("utf-8", "replace").decode()


def _write_table(
    path: Path,
    newer: Path,
    model: Model,
    outcomes: Sequence[Outcome],
    before: dict[str, list[str]],
    later: list[list[str]],
) -> bool:
    """Write the table to ``path``, or to ``newer`` where another program holds that open; whether to ``path``."""
    names = [structure.name for structure in model.description.classes]
    rows = []
    for outcome in outcomes:
        volumes = [""] * len(names)
        if outcome.result is not None:
            volumes = [f"{structure['volume_ml']:.3f}" for structure in outcome.result.structures]
        elif outcome.kept:
            outcome.notes = ["kept"]
            known = before.get(_shown(outcome.image))
            if known is not None:
                rows.append(known)
                continue
        remarks = [str(outcome.error)] if outcome.error is not None else outcome.notes
        rows.append([_shown(outcome.image), *volumes, " ".join(remarks)])

    def write(target: Path) -> None:
        with replaced(target) as part, open(part, "w", newline="", encoding="utf-8", errors="replace") as file:
            csv.writer(file).writerows([_heads(model), *rows, *later])

    try:
        write(path)
    except PermissionError:
        write(newer)
        return False
    newer.unlink(missing_ok=True)
    return True


def _is_image(path: Path) -> bool:
    return bool(suffix_of(path.name)) and not path.name.startswith(".") and path.is_file()
