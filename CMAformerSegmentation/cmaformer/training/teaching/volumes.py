"""Whole unlabeled volumes that the teacher has labeled, to be learned from like labeled ones.

After Xie et al., "Self-training with Noisy Student improves ImageNet classification", CVPR 2020: the teacher sees plain
volumes, in overlapping windows and with its largest components alone, which is as good as it can be; the student sees
changed patches of them. Labeling is done now and then instead of at every step, which suits a slow processor.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.slices import INDEX, SliceStore, signed_distance
from ...segmenting.clean_up import clean_up
from ..prediction import predict_stack


class PseudoLabelStore(SliceStore):
    """Slices of a training whose labels and distances are those of a teacher, where it has labeled them.

    Args:
        store: the slices.
        folder: where :func:`label_volumes` has written the labels.
    """

    def __init__(self, store: SliceStore, folder: Path) -> None:
        taught = json.loads((folder / INDEX).read_text(encoding="utf-8"))["pixels"]
        self.folder, self.classes, self.arrays = store.folder, store.classes, store.arrays
        self.cases = [{**entry, "pixels": taught.get(str(entry["number"]), {})} for entry in store.cases]
        self.pseudo_labeled = sorted(int(number) for number in taught)
        self._labels = folder
        self._arrays: dict[tuple[int, str], np.ndarray] = {}

    def path(self, number: int, kind: str) -> Path:
        """Images are the training's, all else is the teacher's."""
        return super().path(number, kind) if kind == "images" else self._labels / f"{number:05d}.{kind}.npy"


def label_volumes(
    network: Callable[[Tensor], Tensor],
    store: SliceStore,
    numbers: list[int],
    folder: Path,
    context: int,
    device: torch.device,
    slices: int,
    rng: np.random.Generator,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Let a network label whole volumes, drawn at random until they have so many slices, or all.

    What is there from an earlier call for as many slices stays.

    Args:
        network: (B, Cin, H, W) -> logits (B, C, H, W).
        store: the slices.
        numbers: the cases to choose from.
        folder: receives the labels, whole or not at all.
        context: neighboring slices on each side that are channels of the network.
        device: where the network is.
        slices: how many to label, which bounds the time that it takes.
        rng: draws the cases.
        check: called before each volume; raises to stop.
    """
    if _labeled_slices(folder) == slices:
        return
    temporary = folder.with_name(folder.name + ".tmp")
    for old in (temporary, folder):
        shutil.rmtree(old, ignore_errors=True)
    temporary.mkdir(parents=True)
    pixels: dict[str, Any] = {}
    done = 0
    for number in rng.permutation(numbers).tolist():
        if done >= slices:
            break
        check()
        images = store.array(number, "images")
        labels = predict_stack(network, images, context, device)
        clean_up(labels, range(1, store.classes), between=check)
        distances = np.stack([[signed_distance(s == value) for value in range(1, store.classes)] for s in labels])
        np.save(temporary / f"{number:05d}.labels.npy", labels)
        np.save(temporary / f"{number:05d}.distances.npy", distances)
        counts = {v: np.count_nonzero(labels == v, axis=(1, 2)).tolist() for v in range(store.classes)}
        pixels[str(number)] = {str(value): count for value, count in counts.items()}
        done += len(images)
    (temporary / INDEX).write_text(json.dumps({"slices": slices, "pixels": pixels}), encoding="utf-8")
    os.replace(temporary, folder)


def _labeled_slices(folder: Path) -> int | None:
    try:
        return int(json.loads((folder / INDEX).read_text(encoding="utf-8"))["slices"])
    except (OSError, ValueError, KeyError):
        return None
