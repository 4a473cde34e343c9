"""Cases out of a folder: which label map belongs to which image, by their names alone.

Known are the folders of the Medical Segmentation Decathlon and of nnU-Net, a folder of images beside a folder of label
maps, label maps beside their images with an ending of their own, and folders of DICOM images.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from slicer.i18n import tr as _

from cmaformer.door.names import IMAGE_SUFFIXES, stem_of, suffix_of

from ..refusal import Refusal
from .case import LABELED, UNLABELED, TrainingCase

_imageFolders = ("images", "image", "imagestr", "imgs", "img", "volumes")
_labelFolders = ("labels", "label", "labelstr", "segmentations", "masks", "segs")
_unlabeledFolders = ("imagests", "unlabeled")
_labelEnding = re.compile(r"[-_. ](seg|segmentation|label|labels|labelmap|mask|gt)$", re.IGNORECASE)
_dicomFiles = 3  # fewer slices are no volume
_dicomLevels = 2  # a patient's folder, its studies, and their series


def casesInFolder(folder: str | Path) -> list[TrainingCase]:
    """The cases of a folder, sorted by name: labeled where a label map is found, else unlabeled. Fit for a thread.

    :raises ValueError: in words, when there are none.
    :raises OSError: when it cannot be read.
    """
    folder = Path(folder)
    subfolders = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    images = next((subfolders[name] for name in _imageFolders if name in subfolders), None)
    labels = next((subfolders[name] for name in _labelFolders if name in subfolders), None)
    if images is not None:
        maps = {_stem(path): path for path in _files(labels)} if labels is not None else {}
        cases = [_case(path, _match(path, maps)) for path in _files(images)]
        for name in _unlabeledFolders:
            cases += [_case(path, None) for path in _files(subfolders.get(name))]
    else:
        cases = _besideEachOther(_files(folder))
        for path in subfolders.values():
            cases += _dicomCases(path)
        if not cases and _isDicom(folder):
            cases = [TrainingCase(folder, role=UNLABELED, name=folder.name)]
    if not cases:
        raise Refusal(lambda: _("There are no images in the folder {name}.").format(name=folder.name))
    return cases


def casesOfFiles(paths: Iterable[str | Path]) -> list[TrainingCase]:
    """The cases among some files that a user has chosen together."""
    return _besideEachOther([Path(path) for path in paths])


def _besideEachOther(files: list[Path]) -> list[TrainingCase]:
    """Images with their label maps in one folder: `a.nrrd` with `a-label.nrrd`, `a_seg.nii.gz` or `a.seg.nrrd`."""
    maps = {_labelEnding.sub("", _stem(path)): path for path in files if _labelEnding.search(_stem(path))}
    images = [path for path in files if not _labelEnding.search(_stem(path))]
    return [_case(path, _match(path, maps)) for path in images]


def _match(image: Path, maps: dict[str, Path]) -> Path | None:
    stem = _stem(image)
    # nnU-Net numbers the channels of an image, and its label map has no number.
    return maps.get(stem) or maps.get(re.sub(r"_0000$", "", stem))


def _case(image: Path, labels: Path | None) -> TrainingCase:
    name = re.sub(r"_0000$", "", _stem(image))
    return TrainingCase(image, labels, LABELED if labels is not None else UNLABELED, name, _patient(name))


def _patient(name: str) -> str:
    """Who is in an image, where its name tells several images of one person apart by a frame or a time point."""
    return re.sub(r"[-_ ](frame|phase|time|t|visit|scan)[-_]?\d+$", "", name, flags=re.IGNORECASE)


def _stem(path: Path) -> str:
    return stem_of(path.name) if suffix_of(path.name) else path.stem


def _files(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    found = (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))
    return [path for path in found if path.name.lower().endswith(IMAGE_SUFFIXES)]


def _dicomCases(patient: Path) -> list[TrainingCase]:
    """The DICOM series in a patient's folder, in it or in folders of studies and series within."""
    folders = [patient]
    for _level in range(_dicomLevels):
        folders += [path for folder in folders for path in sorted(folder.iterdir()) if path.is_dir()]
        folders = list(dict.fromkeys(folders))
    series = [folder for folder in folders if _isDicom(folder)]
    cases = []
    for folder in series:
        name = patient.name if len(series) == 1 else "/".join(folder.relative_to(patient.parent).parts)
        cases.append(TrainingCase(folder, role=UNLABELED, name=name, patient=patient.name))
    return cases


def _isDicom(folder: Path) -> bool:
    """Whether a folder holds files that are DICOM images, by the mark in the first one."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    if len(files) < _dicomFiles:
        return False
    with open(files[0], "rb") as file:
        return file.read(132)[128:] == b"DICM"
