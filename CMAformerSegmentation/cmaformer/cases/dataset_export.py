"""A list of cases as a dataset in the layout of nnU-Net v2, which this engine, nnU-Net and others read back.

F. Isensee *et al.*, *nnU-Net*, Nature Methods 18, 2021; its layout is in its ``documentation/dataset_format.md``.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK

from ..door.errors import EngineError
from ..door.files import private_folder, write_json
from ..images import exact
from ..images.reorder import in_order_of
from ..images.volume import write_label_map
from .case_list import Case, CaseList, CasesError
from .datasets import SPLITS
from .images import read_images
from .labels import read_labels

ENDING = ".nrrd"  # keeps the geometry to the last bit, which NIfTI does not
NAME = re.compile(r"Dataset\d{3}_\w+")


def export_dataset(
    case_list: CaseList,
    folder: Path,
    channel: str = "MRI",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write images, label maps and ``dataset.json``; held-out cases are the validation in ``splits_final.json``.

    This engine reads the split beside the dataset; nnU-Net looks for it in its folder of preprocessed data.

    Cases are called by the number of their patient and their own ("patient002_case003"), as datasets are handed on. The
    images are those of the list: nothing in them is made anonymous but the names of the files.

    Args:
        case_list: the cases.
        folder: new, named as nnU-Net wants it: ``Dataset123_Name``. It appears whole or not at all.
        channel: the name of the only channel, where the list names no several; "CT" makes nnU-Net normalize as for CT.
        progress: called with the number of cases done and in all.

    Raises:
        CasesError: the folder is there ("exists"), or is not named so ("bad-name"); a label map lies elsewhere than its
            image ("other-grid").
        ImageError: an image cannot be read or written.
    """
    if not NAME.fullmatch(folder.name):
        raise CasesError("bad-name", f"{folder.name} is no name for nnU-Net.", "Call it Dataset123_Name.")
    if folder.exists():
        raise CasesError("exists", f"{folder.name} is there already, and is not written over.", "Give another name.")
    # Under a name that nobody else has: what a killed run has left is never handed on.
    part = private_folder(folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part"))
    try:
        _write(case_list, part, channel, progress)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(case_list: CaseList, folder: Path, channel: str, progress: Callable[[int, int], None]) -> None:
    for name in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / name).mkdir(exist_ok=True)
    patients = {name: n for n, name in enumerate(dict.fromkeys(case.patient for case in case_list.cases), 1)}
    training: list[str] = []
    validation: list[str] = []
    for number, case in enumerate(case_list.cases, 1):
        name = f"patient{patients[case.patient]:03d}_case{number:03d}"
        if case.role == "unlabeled":  # whether or not it has a label map
            _write_case(case, case_list, folder / "imagesTs" / name)
        else:
            labels = folder / "labelsTr" / f"{name}{ENDING}"
            _write_case(case, case_list, folder / "imagesTr" / name, labels)
            (validation if case.role == "held-out" else training).append(name)
        progress(number, len(case_list.cases))
    classes = {"background": 0, **{structure.name: structure.value for structure in case_list.structures}}
    write_json(
        folder / "dataset.json",
        {
            "channel_names": {str(n): image for n, image in enumerate(case_list.images or (channel,))},
            "labels": classes,
            "numTraining": len(training) + len(validation),
            "file_ending": ENDING,
        },
        indent=1,
    )
    if validation:
        write_json(folder / SPLITS, [{"train": training, "val": validation}], indent=1)


def _write_case(case: Case, case_list: CaseList, image: Path, labels: Path | None = None) -> None:
    volume = read_images(case, case_list)
    for number, array in enumerate(volume.arrays):
        path = image.with_name(f"{image.name}_{number:04d}{ENDING}")
        written = SimpleITK.GetImageFromArray(np.ascontiguousarray(array))
        volume.geometry.apply_to(written)
        try:
            SimpleITK.WriteImage(written, str(path), useCompression=True)
            exact.patch_nrrd(path, volume.geometry)
        except (RuntimeError, OSError):
            raise EngineError("unwritable", f"{path.name} cannot be written.", "Is the disk full?") from None
    if labels is not None:
        found = in_order_of(read_labels(case, case_list), volume.geometry)
        if found is None:
            raise CasesError("other-grid", f"{case.name}: the label map does not lie on the voxels of its image.")
        write_label_map(labels, found.astype(np.uint8), volume.geometry)
