"""The files that the commands of README.md and the documentation name: small, but real images, lists and datasets."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

import synthetic
from readme import repository

sys.path.append(str(repository / "Testing" / "engine"))

from taskdata import NUMBERS, acdc, lits, synapse
from tinymodel import save_tiny
from trainingdata import phantom, write_volume

from dicomseries import write_series

__all__ = ["FILES", "console", "heart", "listed"]


COARSE = {"rows": 64, "columns": 64, "slices": 3, "spacing": (3.0, 3.0, 25.0)}
USUAL = {"rows": 180, "columns": 192, "slices": 7, "spacing": (1.1, 1.1, 12.0)}


def heart(image: Path, labels: Path | None = None, seed: int = 0, structures: int = 3, size: dict = COARSE) -> None:
    """A synthetic heart, and on request its label map with so many structures."""
    drawn = synthetic.short_axis_heart(**size, seed=seed)
    pairs = [(image, drawn.image)] + ([(labels, np.minimum(drawn.labels, structures))] if labels else [])
    for path, array in pairs:
        path.parent.mkdir(parents=True, exist_ok=True)
        written = sitk.GetImageFromArray(array)
        written.SetSpacing(drawn.spacing)
        written.SetOrigin(drawn.origin)
        written.SetDirection(drawn.direction)
        sitk.WriteImage(written, str(path), True)


def listed(folder: Path, text: str) -> None:
    """Write a list of cases of a page as cases.json, and the images that it lists."""
    (folder / "cases.json").write_text(text, encoding="utf-8")
    content = json.loads(text)
    for seed, case in enumerate(content["cases"]):
        labels = case.get("labels")
        for image in case.get("images", {"": case.get("image")}).values():
            heart(folder / image, labels and folder / labels, seed, len(content["classes"]))


def command_line(folder: Path) -> None:
    """One heart, folders of hearts, a DICOM series; and the models of a checkout."""
    heart(folder / "heart.nrrd", size=USUAL)
    for seed, name in enumerate(("images/a.nrrd", "images/b.nii.gz", "more/c.nrrd")):
        heart(folder / name, seed=seed)
    write_series(folder / "dicom-folder", [0, 3, 6, 9], "1", size=(64, 48))
    (folder / "Resources").symlink_to(repository / "Resources", target_is_directory=True)


def datasets(folder: Path) -> None:
    """A dataset of the Decathlon, one of nnU-Net with its folds, and both tasks of the paper."""
    names = ["hippocampus_001", "hippocampus_003", "hippocampus_004"]
    decathlon, nnunet = folder / "Task04_Hippocampus", folder / "nnUNet_raw" / "Dataset004_Hippocampus"
    for root, channel in ((decathlon, ""), (nnunet, "_0000")):
        for part in ("imagesTr", "labelsTr", "imagesTs"):
            (root / part).mkdir(parents=True)
        for seed, name in enumerate(names):
            image, labels = phantom(seed)
            write_volume(root / "imagesTr" / f"{name}{channel}.nii.gz", image)
            write_volume(root / "labelsTr" / f"{name}.nii.gz", labels)
        write_volume(root / "imagesTs" / f"hippocampus_002{channel}.nii.gz", phantom(9)[0])
    content = {
        "name": "Hippocampus",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
        "training": [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in names],
        "test": ["./imagesTs/hippocampus_002.nii.gz"],
    }
    (decathlon / "dataset.json").write_text(json.dumps(content))
    content = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "Anterior": 1, "Posterior": 2},
        "numTraining": len(names),
        "file_ending": ".nii.gz",
    }
    (nnunet / "dataset.json").write_text(json.dumps(content))
    folds = [{"train": names[1:], "val": names[:1]}, {"train": names[:1], "val": names[1:]}]
    (nnunet / "splits_final.json").write_text(json.dumps(folds))
    synapse(folder / "Abdomen", tuple(NUMBERS))
    lits(folder / "LITS", tuple(range(131)))
    acdc(folder / "ACDC", tuple(range(1, 101)))


def console(folder: Path) -> None:
    """What Slicer's console loads from /data; a tiny model in the place of the bundled one, to be fine-tuned soon."""
    heart(folder / "heart.nrrd")
    for seed in range(4):
        heart(folder / "hearts" / "images" / f"{seed}.nrrd", folder / "hearts" / "labels" / f"{seed}.nrrd", seed)
    heart(folder / "hearts" / "unlabeled" / "5.nrrd", seed=5)
    save_tiny(folder / "models" / "cardiac-cine-mr-1.4.0", id="cardiac-cine-mr-1.4.0")


def nothing(folder: Path) -> None:
    """The list of cases is enough."""


FILES = {
    "Segment": command_line,
    "Train and evaluate": nothing,
    "The same in Python": command_line,
    "Train a model of your own": nothing,
    "Decathlon and nnU-Net": datasets,
    "Data with a published split": datasets,
    "Several GPUs or nodes": nothing,
}
"""By section."""
