"""Whole unlabeled volumes that the teacher has labeled, to be learned from like labeled ones.

After Xie et al., "Self-training with Noisy Student improves ImageNet classification", CVPR 2020: the teacher sees plain
volumes, cleaned up by what labeled cases look like, which is as good as it can be; the student sees changed patches of
them. Labeling is done now and then instead of at every step, for a part of the volumes at a time.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.slice_entry import pixels_of
from ...data.slices import INDEX, SliceStore, signed_distance
from ...door.watcher import Watcher
from ...segmenting.clean_up import clean_up
from ..prediction import predict_stack

# The value of pixels of which the teacher is not sure: nothing is learned from them.
UNSURE = 255


class PseudoLabelStore(SliceStore):
    """Slices of a training whose labels and distances are those of a teacher, where it has labeled them.

    Labels are UNSURE where the teacher was.

    Args:
        store: the slices.
        folder: where a :class:`Labeler` has written the labels.
    """

    def __init__(self, store: SliceStore, folder: Path) -> None:
        taught = _index(folder)["pixels"]
        self.folder, self.classes, self.arrays = store.folder, store.classes, store.arrays
        self.cases = [replace(e, pixels=pixels_of(taught.get(str(e.number), {}))) for e in store.cases]
        self.pseudo_labeled = sorted(int(number) for number in taught)
        self._labels = folder
        self._arrays: dict[tuple[int, str], np.ndarray] = {}

    def path(self, number: int, kind: str) -> Path:
        """Images are the training's, all else is the teacher's."""
        return super().path(number, kind) if kind == "images" else self._labels / f"{number:05d}.{kind}.npy"


@dataclass(frozen=True)
class Labeler:
    """Labels whole volumes.

    Attributes:
        network: (B, Cin, H, W) -> logits (B, C, H, W); what it raises ends the work.
        store: the slices.
        device: where the network is.
        context: neighboring slices on each side that are channels of the network.
        confidence: lowest probability of a pixel's class at which it is taught.
        single: values of classes of which the largest part alone is right.
        together: values of classes that touch, of which only the largest part as one is right.
        watcher: may stop the work before each volume.
    """

    network: Callable[[Tensor], Tensor]
    store: SliceStore
    device: torch.device
    context: int = 0
    confidence: float = 0.0
    single: Sequence[int] = ()
    together: Sequence[int] = ()
    watcher: Watcher = field(default_factory=Watcher)

    def label(self, folder: Path, slices: int, rng: np.random.Generator, before: Path | None = None) -> None:
        """Label unlabeled volumes until they have so many slices, or all; those that wait longest come first.

        What is there from an earlier call for as many slices stays.

        Args:
            folder: receives the labels, whole or not at all.
            slices: how many to label, which bounds the time that it takes.
            rng: draws among those that wait equally long.
            before: labels made earlier, which the other volumes keep.
        """
        if _index(folder).get("slices") == slices:
            return
        temporary = folder.with_name(folder.name + ".tmp")
        for old in (temporary, folder):
            shutil.rmtree(old, ignore_errors=True)
        temporary.mkdir(parents=True)
        known = _index(before) if before is not None else {}
        pixels, turns = dict(known.get("pixels", {})), dict(known.get("turns", {}))
        turn, done, chosen = 1 + max(turns.values(), default=0), 0, set()
        drawn = rng.permutation(self.store.numbers("unlabeled")).tolist()
        for number in sorted(drawn, key=lambda number: turns.get(str(number), 0)):
            if done >= slices:
                break
            self.watcher.check()
            pixels[str(number)], turns[str(number)] = self._label(number, temporary), turn
            chosen.add(str(number))
            done += self.store.cases[number].shape[0]
        for number in set(pixels) - chosen:
            assert before is not None
            for kind in ("labels", "distances"):
                _same_file(before / f"{int(number):05d}.{kind}.npy", temporary)
        content = {"slices": slices, "pixels": pixels, "turns": turns}
        (temporary / INDEX).write_text(json.dumps(content), encoding="utf-8")
        os.replace(temporary, folder)

    def _label(self, number: int, folder: Path) -> dict[str, list[int]]:
        """Label a volume; returns the pixels of each class in each slice."""
        images, classes = self.store.array(number, "images"), range(1, self.store.classes)
        unsure = np.zeros(images.shape[-3:], bool)
        labels = predict_stack(
            self.network, images, self.context, self.device, confidence=self.confidence, unsure=unsure
        )
        clean_up(labels, self.single, together=self.together, watcher=self.watcher)
        distances = np.stack([[signed_distance(s == value) for value in classes] for s in labels])
        labels[unsure] = UNSURE
        np.save(folder / f"{number:05d}.labels.npy", labels)
        np.save(folder / f"{number:05d}.distances.npy", distances)
        return {str(v): np.count_nonzero(labels == v, axis=(1, 2)).tolist() for v in range(self.store.classes)}


def _same_file(path: Path, folder: Path) -> None:
    """The file in another folder, too, without its bytes a second time where the disk can do that."""
    try:
        os.link(path, folder / path.name)
    except OSError:
        shutil.copyfile(path, folder / path.name)


def _index(folder: Path) -> dict[str, Any]:
    """What a :class:`Labeler` wrote of a folder; empty if it is not complete."""
    try:
        return dict(json.loads((folder / INDEX).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
