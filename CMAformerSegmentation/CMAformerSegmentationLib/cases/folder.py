"""Cases out of a folder: which label map belongs to which image, by their names alone.

Known are the folders of the Medical Segmentation Decathlon and of nnU-Net, a folder of images beside a folder of label
maps, label maps beside their images with an ending or a beginning of their own (also of BIDS, LiTS and ACDC, the latter
in a folder for each patient), and folders of DICOM images. A label map is never taken for an image.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from cmaformer.door.names import IMAGE_SUFFIXES
from cmaformer.door.pairing import case_name, has_label_name, label_maps, paired
from cmaformer.door.patients import patient_of

from ..refusal import Refusal
from .case import LABELED, UNLABELED, TrainingCase

_imageFolders = ("images", "image", "imagestr", "imgs", "img", "volumes")
_labelFolders = ("labels", "label", "labelstr", "segmentations", "masks", "segs")
_unlabeledFolders = ("imagests", "unlabeled")
_dicomFiles = 3  # fewer slices are no volume, but for files of many slices
_dicomLooks = 64  # files that are looked at; others lie beside the images
_dicomLevels = 4  # a patient's folder, those of a CD, its studies, and their series
_numberOfFrames = b"\x28\x00\x08\x00"  # the tag (0028,0008), as nearly all files have it


class FoundCases(list[Any]):
    """Cases that were found, and the names of files that are none of them.

    :ivar notUsed: further channels and times of images, and label maps without an image.
    """

    def __init__(self, cases: Iterable[TrainingCase] = (), notUsed: Iterable[str] = ()) -> None:
        super().__init__(cases)
        self.notUsed = list(notUsed)


def casesInFolder(folder: str | Path) -> FoundCases:
    """The cases of a folder, sorted by name: labeled where a label map is found, else unlabeled. Fit for a thread.

    :raises ValueError: in words, when there are none.
    :raises OSError: when it cannot be read.
    """
    folder = Path(folder)
    subfolders = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    images = next((subfolders[name] for name in _imageFolders if name in subfolders), None)
    labels = next((subfolders[name] for name in _labelFolders if name in subfolders), None)
    if images is not None:
        cases = _paired(_files(images), _files(labels))
        for name in _unlabeledFolders:
            further = _paired(_files(subfolders.get(name)), [])
            cases = FoundCases([*cases, *further], [*cases.notUsed, *further.notUsed])
    else:
        cases = _besideEachOther(_files(folder))
        for path in subfolders.values():
            found = _besideEachOther(_files(path)) or _dicomCases(path)
            cases = FoundCases([*cases, *found], [*cases.notUsed, *getattr(found, "notUsed", ())])
        if not cases and _isDicom(folder):
            cases = FoundCases([TrainingCase(folder, role=UNLABELED, name=folder.name)])
    if not cases:
        raise Refusal(lambda: _("There are no images in the folder {name}.").format(name=folder.name))
    return cases


def casesOfFiles(paths: Iterable[str | Path]) -> FoundCases:
    """The cases among some files that a user has chosen together."""
    return _besideEachOther([Path(path) for path in paths])


def _besideEachOther(files: list[Path]) -> FoundCases:
    """Images with their label maps in one folder: `a.nrrd` with `a-label.nrrd`, `a_seg.nii.gz` or `a.seg.nrrd`.

    Here also a name that has no image beside it says that a file is a label map: it is never learned from as an image.
    """
    maps = label_maps(files) | {path for path in files if has_label_name(path)}
    return _paired([path for path in files if path not in maps], [path for path in files if path in maps])


def _paired(images: list[Path], maps: list[Path]) -> FoundCases:
    found = paired(images, maps)
    return FoundCases((_case(*pair) for pair in found.pairs), (path.name for path in found.not_used))


def _case(image: Path, labels: Path | None) -> TrainingCase:
    name = case_name(image)
    return TrainingCase(image, labels, LABELED if labels is not None else UNLABELED, name, patient_of(name))


def _files(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    found = (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))
    return [path for path in found if path.name.lower().endswith(IMAGE_SUFFIXES)]


def _dicomCases(patient: Path) -> list[TrainingCase]:
    """The DICOM series in a patient's folder, in it or in folders of studies and series within.

    A series that goes on in a subfolder is one: what lies below a folder with images is read with it.
    """
    series, folders = [], [patient]
    for _level in range(_dicomLevels + 1):
        found = [folder for folder in folders if _isDicom(folder)]
        series += found
        others = [folder for folder in folders if folder not in found]
        folders = [path for folder in others for path in sorted(folder.iterdir()) if path.is_dir()]
    cases = []
    for folder in series:
        name = patient.name if len(series) == 1 else "/".join(folder.relative_to(patient.parent).parts)
        cases.append(TrainingCase(folder, role=UNLABELED, name=name, patient=patient.name))
    return cases


def _isDicom(folder: Path) -> bool:
    """Whether a folder holds the DICOM images of a volume: several files, or one of several images."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    count = 0
    for path in files[:_dicomLooks]:
        with open(path, "rb") as file:
            if file.read(132)[128:] != b"DICM":
                continue
            count += 1
            if count >= _dicomFiles or _numberOfFrames in file.read(1 << 16):
                return True
    return False
