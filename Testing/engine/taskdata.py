"""The data sets of the paper in their layouts, small or empty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from trainingdata import phantom, write_volume

NUMBERS = [*range(1, 11), *range(21, 41)]


def scan(values: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Stripes of every label value, of 3 rows each, in two slices; the value v has 10 v HU, and air is around them."""
    labels = np.zeros((2, 48, 32), np.uint8)
    for value in values:
        labels[:, 3 * value : 3 * value + 3, 4:28] = value
    image = np.where(labels > 0, labels.astype(np.int16) * 10, np.int16(-1000))
    image[:, 46:] -= np.random.default_rng(seed).integers(0, 20, image[:, 46:].shape, np.int16)  # no two are equal
    return image, labels


def synapse(folder: Path, filled: tuple[int, ...] = ()) -> Path:
    """The thirty labeled cases and two of the test set; those ``filled`` can be read, the others are empty files."""
    training, testing = folder / "RawData" / "Training", folder / "RawData" / "Testing"
    for part in (training / "img", training / "label", testing / "img"):
        part.mkdir(parents=True)
    for number in NUMBERS:
        (training / "img" / f"img{number:04d}.nii.gz").touch()
        (training / "label" / f"label{number:04d}.nii.gz").touch()
    for number in (61, 62):
        (testing / "img" / f"img{number:04d}.nii.gz").touch()
    for number in filled:
        image, labels = scan(np.arange(14), number)
        write_volume(training / "img" / f"img{number:04d}.nii.gz", image, (0.8, 0.8, 3))
        write_volume(training / "label" / f"label{number:04d}.nii.gz", labels, (0.8, 0.8, 3))
    return folder


def acdc(folder: Path, filled: tuple[int, ...] = ()) -> Path:
    """A hundred patients with the whole cine and two frames, as unpacked, and one of the challenge's test set."""
    for number in range(1, 102):
        patient = folder / ("training" if number <= 100 else "testing") / f"patient{number:03d}"
        patient.mkdir(parents=True)
        (patient / "Info.cfg").write_text("ED: 1\nES: 12\n")
        (patient / f"{patient.name}_4d.nii.gz").touch()
        for frame in (1, 12):
            image, labels = phantom(2 * number + (frame > 1))
            for ending, array in (("", image), ("_gt", labels)):
                path = patient / f"{patient.name}_frame{frame:02d}{ending}.nii.gz"
                if number in filled:
                    write_volume(path, array)
                else:
                    path.touch()
    return folder


def lits(folder: Path, filled: tuple[int, ...] = ()) -> Path:
    """131 volumes in the two batches, as unpacked from the archives of the challenge."""
    for number in range(131):
        batch = folder / "media" / "nas" / f"Training Batch {1 if number < 28 else 2}"
        batch.mkdir(parents=True, exist_ok=True)
        if number in filled:
            image, labels = scan(np.arange(3), number)
            write_volume(batch / f"volume-{number}.nii", image, (0.8, 0.8, 3))
            write_volume(batch / f"segmentation-{number}.nii", labels, (0.8, 0.8, 3))
        else:
            (batch / f"volume-{number}.nii").touch()
            (batch / f"segmentation-{number}.nii").touch()
    return folder
