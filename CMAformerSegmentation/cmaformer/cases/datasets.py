"""Datasets in the layouts of others: the Medical Segmentation Decathlon, and nnU-Net 1 and 2.

All three have a ``dataset.json`` beside ``imagesTr`` and ``labelsTr``. The Decathlon and nnU-Net 1 list their files in
it and name the labels ``{"1": "liver"}``; nnU-Net 2 lists none and names them ``{"liver": 1}``. nnU-Net adds the number
of the channel to the names of images, ``liver_0_0000.nii.gz``, and not to those of label maps; the Decathlon has the
images of a case along the fourth axis of one file.

Sources: http://medicaldecathlon.com, and ``documentation/dataset_format.md``, ``documentation/dataset_conversion.md``
(version 1) and ``documentation/manual_data_splits.md`` of https://github.com/MIC-DKFZ/nnUNet.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..door.description import Structure
from ..door.files import read_text
from ..door.input_spec import MOST_IMAGES
from ..door.names import IMAGE_SUFFIXES, PALETTE, stem_of, suffix_of
from ..door.patients import patient_of
from .case_list import LARGEST_LABEL, Case, CaseList, CasesError

FILE = "dataset.json"
SPLITS = "splits_final.json"


def read_dataset(path: str | os.PathLike[str], fold: int | None = None) -> CaseList:
    """Read a dataset of the Medical Segmentation Decathlon or of nnU-Net, as it is written.

    Whether the files are there, :func:`cmaformer.cases.reading.read_cases` checks: the usual way to call this.
    Training cases are labeled; images without a label map, also those of ``imagesTs``, are unlabeled, and those of
    ``imagesTs`` with a label map in ``labelsTs`` (or in a list "validation" of the file) are held out. Names are
    the identifiers of the cases; their patients follow from them (``door/patients.py``). A label map may have another
    ending than its image. macOS' shadow files (``._name``) are passed over.

    Args:
        path: the folder or its ``dataset.json``.
        fold: number, from 0, of an entry of ``splits_final.json`` (beside the file, or in nnU-Net's folder of
            preprocessed data): its "train" cases are labeled, its "val" cases held out, and those in neither are used
            without their labels. Held-out cases of the dataset itself are then left alone, for the final test.

    Raises:
        CasesError: it is no such dataset, a case lacks a channel, it has regions or labels to ignore, its values
            are not 1, 2, ... without gaps, or there is no such fold. The message says what to do.
    """
    path = Path(path)
    file = path / FILE if path.is_dir() else path
    content = _content(file)
    structures = _structures(content.get("labels"))
    images = _image_names(content.get("channel_names", content.get("modality")))
    cases = _listed(file, content, images) if _lists(content) else _found(file, content, images)
    if fold is not None:
        cases = _of_fold(cases, _splits(file), fold)
    return CaseList(structures, tuple(cases), images=images)


def _content(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(file))
    except OSError:
        raise CasesError(
            "no-cases",
            f"There is no {FILE} in the folder." if file.parent.is_dir() else "There is no such folder.",
            f"Give a folder with a {FILE} (Medical Segmentation Decathlon, nnU-Net) or a cases.json.",
        ) from None
    except UnicodeError:
        raise CasesError("bad-cases", f"{file.name} is not text.", "Save it as UTF-8.") from None
    except ValueError as error:
        raise CasesError("bad-cases", f"{file.name} is not valid JSON: {error}.") from None
    if not isinstance(content, dict):
        raise CasesError("bad-cases", f'{file.name} needs "labels" and the cases.')
    return content


# --- labels and channels ----------------------------------------------------------------------------------------------


def _structures(labels: Any) -> tuple[Structure, ...]:
    """The classes, from either order of names and values."""
    if not isinstance(labels, dict) or not labels:
        raise CasesError("bad-cases", f'{FILE}: "labels" must name the values of the label maps.')
    first = all(re.fullmatch(r"\d+", str(key)) and isinstance(entry, str) for key, entry in labels.items())
    pairs = [(key, name) for key, name in labels.items()] if first else [(v, name) for name, v in labels.items()]
    values: dict[int, str] = {}
    for value, name in pairs:
        if isinstance(value, (list, tuple)):
            raise CasesError(
                "regions",
                f"{FILE}: {name!r} is a region made of several labels, {list(value)}; a voxel has one class here.",
                "List the parts themselves as labels, each with its own value.",
            )
        if str(name).lower() == "ignore":
            raise CasesError(
                "ignore-label",
                f"{FILE}: voxels to ignore (value {value}) are not supported.",
                "Label these voxels as background or as a structure, or leave those cases without label maps.",
            )
        if isinstance(value, bool) or not re.fullmatch(r"\d+", str(value)):
            raise CasesError("bad-cases", f"{FILE}: the label {name!r} has the value {value!r}, not a whole number.")
        if int(value) in values:
            raise CasesError("bad-cases", f"{FILE}: two labels have the value {value}.")
        values[int(value)] = str(name)
    values.pop(0, None)
    if sorted(values) != list(range(1, len(values) + 1)) or not 1 <= len(values) <= LARGEST_LABEL:
        raise CasesError(
            "label-gap",
            f"{FILE}: the values of the labels are {', '.join(map(str, sorted(values))) or 'missing'}; they must be "
            "1, 2, ... without gaps (0 is the background).",
            'Renumber them, or write a cases.json with a "label_map" from these values to 1, 2, ...',
        )
    return tuple(
        Structure(value, values[value], PALETTE[(value - 1) % len(PALETTE)]) for value in range(1, len(values) + 1)
    )


def _image_names(channels: Any) -> tuple[str, ...]:
    """Names of the images of a case in the order of their numbers; empty where there is one."""
    if not isinstance(channels, dict) or len(channels) < 2:
        return ()
    numbers = [str(number) for number in range(len(channels))]
    names = [str(channels.get(number, "")).strip() for number in numbers]
    if not all(names) or len(names) > MOST_IMAGES:
        raise CasesError(
            "bad-cases",
            f"{FILE}: the channels must be numbered 0, 1, ... and named, at most {MOST_IMAGES}, not {channels}.",
        )
    if len({name.casefold() for name in names}) < len(names):  # as in nnU-Net's own examples
        names = [f"{name} {number}" for number, name in enumerate(names, 1)]
    return tuple(names)


# --- cases ------------------------------------------------------------------------------------------------------------


def _lists(content: dict[str, Any]) -> bool:
    """Whether the file lists its cases (the Decathlon, nnU-Net 1), or the folders are the list (nnU-Net 2)."""
    return isinstance(content.get("training"), list) and "channel_names" not in content


def _listed(file: Path, content: dict[str, Any], names: Sequence[str]) -> list[Case]:
    cases = []
    for key, role in (("training", "labeled"), ("validation", "held-out"), ("test", "unlabeled")):
        for entry in content.get(key) or []:
            image, label = (entry.get("image"), entry.get("label")) if isinstance(entry, dict) else (entry, None)
            if not isinstance(image, str) or not (label is None or isinstance(label, str)):
                raise CasesError("bad-cases", f'{FILE}: an entry of "{key}" names no image.')
            if not _shadow(_path(image)):
                cases.append(_case(file, _path(image), _path(label) if label else None, role, names))
    # Further images without a label map are worth having; those with one were left out of the list on purpose.
    known = {case.name for case in cases}
    further = _images(file, "imagesTr", _ending(content), names)
    return cases + [case for case in further if case.labels is None and case.name not in known]


def _path(text: str) -> Path:
    """A path of the file; Windows programs write backslashes."""
    return Path(text.replace("\\", "/"))


def _case(file: Path, image: Path, label: Path | None, role: str, names: Sequence[str]) -> Case:
    """A case of the list; nnU-Net 1 lists images without the number of the channel that their files have."""
    ending = suffix_of(image.name)
    name = re.sub(r"_0000$", "", image.name[: len(image.name) - len(ending)])
    numbered = image.with_name(f"{name}_0000{ending}")
    others: list[Path] = []
    if not (file.parent / image).exists() and (file.parent / numbered).exists():
        image = numbered
    if image.name == numbered.name:
        others = [image.with_name(f"{name}_{number:04d}{ending}") for number in range(1, len(names))]
    if label is None:
        label = _label(file, image.parent.name, name, ending)
        role = "held-out" if label and image.parent.name == "imagesTs" else role
    return _made(file, name, [image, *others], label, role)


def _made(file: Path, name: str, images: Sequence[Path], label: Path | None, role: str) -> Case:
    labels = file.parent / label if label else None
    image, *others = (file.parent / path for path in images)
    return Case(name, image, labels, role if label else "unlabeled", patient_of(name), tuple(others))


def _found(file: Path, content: dict[str, Any], names: Sequence[str]) -> list[Case]:
    """The cases of nnU-Net 2: those of a "dataset" in the file, or those in the folders."""
    explicit, ending = content.get("dataset"), _ending(content)
    if not isinstance(explicit, dict):
        return _images(file, "imagesTr", ending, names) + _images(file, "imagesTs", ending, names)
    cases: list[Case] = []
    for name, entry in explicit.items():
        images = entry.get("images") if isinstance(entry, dict) else None
        if not isinstance(images, list) or not images or not all(isinstance(image, str) for image in images):
            raise CasesError("bad-cases", f'{FILE}: the case {name!r} of "dataset" needs "images" and "label".')
        if len(images) != max(1, len(names)):
            raise _channels(name, len(images), names)
        label = entry.get("label")
        files = [Path(os.path.expandvars(image)) for image in images]
        cases.append(_made(file, name, files, Path(os.path.expandvars(label)) if label else None, "labeled"))
    return cases + _images(file, "imagesTs", ending, names)


def _channels(name: str, found: int, names: Sequence[str]) -> CasesError:
    wanted = f"{len(names)} channels ({', '.join(names)})" if names else "one channel"
    return CasesError(
        "several-channels",
        f"{name} has {found} image(s), and {FILE} names {wanted}.",
        f"Name each channel in {FILE}, and give every case an image of each: NAME_0000, NAME_0001, ...",
    )


def _images(file: Path, folder: str, ending: str | None, names: Sequence[str]) -> list[Case]:
    """The cases of ``imagesTr`` or ``imagesTs`` by their files."""
    found: dict[str, dict[int, Path]] = {}
    endings: dict[str, str] = {}
    for image in sorted((file.parent / folder).glob("*")):
        suffix = ending or suffix_of(image.name)
        if _shadow(image) or not suffix or not image.name.endswith(suffix):
            continue
        name = image.name[: -len(suffix)]
        channel = re.search(r"_(\d{4})$", name)
        name = name[:-5] if channel else name
        found.setdefault(name, {})[int(channel[1]) if channel else 0] = Path(folder) / image.name
        endings[name] = suffix
    cases = []
    for name, files in found.items():
        # The Decathlon's one file has all of them along its fourth axis.
        one = set(files) == {0} and not re.search(r"_0000$", stem_of(files[0].name))
        if sorted(files) != list(range(max(1, len(names)))) and not one:
            raise _channels(name, len(files), names)
        label = _label(file, folder, name, endings[name])
        role = "held-out" if folder == "imagesTs" else "labeled"
        cases.append(_made(file, name, [files[number] for number in sorted(files)], label, role))
    return cases


def _label(file: Path, images: str, name: str, ending: str) -> Path | None:
    """The label map that belongs to an image of ``imagesTr`` or ``imagesTs``, if it is there."""
    folder = {"imagesTr": "labelsTr", "imagesTs": "labelsTs"}.get(images)
    if folder is None:
        return None
    found = [Path(folder) / f"{name}{suffix}" for suffix in (ending, ".seg.nrrd", *IMAGE_SUFFIXES)]
    found = [label for label in dict.fromkeys(found) if (file.parent / label).is_file()]
    if len(found) > 1 and found[0].name != f"{name}{ending}":
        raise CasesError(
            "several-labels",
            f"{folder} holds several label maps of one image: {', '.join(label.name for label in found)}.",
            "Keep the right one.",
        )
    return found[0] if found else None


def _ending(content: dict[str, Any]) -> str | None:
    ending = content.get("file_ending")
    return ending if isinstance(ending, str) and ending else None


def _shadow(path: Path) -> bool:
    return path.name.startswith(".")


# --- folds ------------------------------------------------------------------------------------------------------------


def _splits(file: Path) -> list[Any]:
    """The content of nnU-Net's ``splits_final.json``, which lies among the preprocessed data, or beside the dataset."""
    folder = file.resolve().parent
    for path in (folder / SPLITS, folder.parent.parent / "nnUNet_preprocessed" / folder.name / SPLITS):
        try:
            splits = json.loads(read_text(path))
        except OSError:
            continue
        except ValueError as error:
            raise CasesError("bad-split", f"{SPLITS} is not valid JSON: {error}.") from None
        if isinstance(splits, list) and all(isinstance(s, dict) and {"train", "val"} <= set(s) for s in splits):
            return splits
        raise CasesError("bad-split", f'{SPLITS} must be a list of {{"train": [...], "val": [...]}}.')
    raise CasesError("no-split", f"There is no {SPLITS} beside {FILE}.", "Copy it there from nnUNet_preprocessed.")


def _of_fold(cases: Iterable[Case], splits: list[Any], fold: int) -> list[Case]:
    if not 0 <= fold < len(splits):
        raise CasesError("no-fold", f"There is no fold {fold}; {SPLITS} has {len(splits)}, counted from 0.")
    train, held_out = set(splits[fold]["train"]), set(splits[fold]["val"])
    missing = (train | held_out) - {case.name for case in cases if case.labels}
    if missing:
        raise CasesError(
            "bad-split",
            f"{SPLITS} names {len(missing)} case(s) that the dataset does not have with a label map.",
            "Does it belong to another dataset?",
        )
    chosen = []
    for case in cases:
        if case.name in held_out:
            chosen.append(replace(case, role="held-out"))
        elif case.name in train:
            chosen.append(replace(case, role="labeled"))
        elif case.role != "held-out":
            chosen.append(replace(case, labels=None, role="unlabeled"))
    return chosen
