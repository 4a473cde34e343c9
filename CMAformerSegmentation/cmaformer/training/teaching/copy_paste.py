"""Labeled and unlabeled patches in one batch, and in one image: copy-paste and its pseudo-labels.

After Bai et al., "Bidirectional Copy-Paste for Semi-Supervised Medical Image Segmentation", CVPR 2023, in one
direction: unlabeled images of the student hold pixels with a reference, too, so both come from one distribution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ...data.augmentation import Batch
from ...parallel.rows import Rows


@dataclass
class Mixed:
    """A batch of mixed patches.

    Attributes:
        images: (B, Cin, P, P).
        frames: (B, 4) of the patch that surrounds the pasted box.
        labels: int64 (B, P, P): references where ``labeled``, pseudo-labels elsewhere.
        distances: (B, C-1, P, P), true where ``labeled``; elsewhere those of the unlabeled patches, if they have any.
        labeled: (B, P, P) 1 where the pixel comes from a labeled patch, else 0.
    """

    images: Tensor
    frames: Tensor
    labels: Tensor
    distances: Tensor
    labeled: Tensor


def boxes(size: int, patch: int, part: float, rng: np.random.Generator) -> np.ndarray:
    """One random square a patch, with sides of half of ``part`` to ``part`` of it: bool (B, P, P), True inside."""
    sides = np.rint(patch * part * rng.uniform(0.5, 1.0, size)).astype(int)
    result = np.zeros((size, patch, patch), bool)
    for box, side, (top, left) in zip(result, sides, rng.random((size, 2))):
        top, left = int(top * (patch - side + 1)), int(left * (patch - side + 1))
        box[top : top + side, left : left + side] = True
    return result


def spread(values: Tensor, rows: Rows, places: Rows) -> Tensor:
    """Values of some of the rows of a batch, at their places among all of them; zeros elsewhere."""
    if places == rows:
        return values
    result = values.new_zeros((rows.stop - rows.start, *values.shape[1:]))
    result[places.start - rows.start :: places.step] = values
    return result


def spread_batch(batch: Batch, rows: Rows, places: Rows) -> Batch:
    """Likewise for all of a batch."""

    def at(values: Tensor) -> Tensor:
        return spread(values, rows, places)

    return Batch(
        at(batch.images),
        at(batch.plain),
        at(batch.frames),
        None if batch.labels is None else at(batch.labels),
        None if batch.distances is None else at(batch.distances),
    )


def mix(
    labeled: Batch,
    unlabeled: Batch,
    pseudo: Tensor,
    part: float,
    rng: np.random.Generator,
    rows: Rows | None = None,
) -> Mixed:
    """Labeled patches as they are (even places), and unlabeled ones with a box of a labeled one (odd places).

    Pasting every patch, and both ways, as published, needs images that are aligned to each other, as whole hearts in
    the middle of a slice are: where patches are centered on any structure, two halves of organs meet, and the network
    learns to tell them apart instead (see Testing/benchmarks/README.md).

    Args:
        labeled: B patches with labels.
        unlabeled: B patches.
        pseudo: int64 (B, P, P), the teacher's labels of the unlabeled patches.
        part: largest side of a box as a part of the patch; 0 pastes nothing.
        rng: draws the boxes.
        rows: which rows of the joint batch these are; all of it if None.
    """
    assert labeled.labels is not None and labeled.distances is not None
    size, patch = len(labeled.images), labeled.images.shape[-1]
    rows = rows or Rows.all(size)
    inside = torch.from_numpy(rows.of(boxes(rows.size, patch, part, rng))).to(labeled.images.device)
    even = (torch.arange(rows.start, rows.stop, device=inside.device) % 2 == 0)[:, None, None]
    known = even | inside
    # Position is told for the surroundings: they decide where in the body the patch is.
    whole = even[:, 0].to(labeled.frames.dtype)
    distances = labeled.distances
    if unlabeled.distances is not None:
        distances = torch.where(known[:, None], distances, unlabeled.distances)
    return Mixed(
        torch.where(known[:, None], labeled.images, unlabeled.images).contiguous(memory_format=torch.channels_last),
        whole * labeled.frames + (1 - whole) * unlabeled.frames,
        torch.where(known, labeled.labels, pseudo),
        distances,
        known.to(labeled.images.dtype),
    )


def largest_components(labels: Tensor, classes: int) -> Tensor:
    """Keep the largest component of each class in each patch; the rest becomes background: int64 (B, P, P)."""
    result = np.zeros(tuple(labels.shape), np.int64)
    for kept, plane in zip(result, labels.cpu().numpy()):
        for value in range(1, classes):
            components, count = ndimage.label(plane == value)
            if count:
                kept[components == 1 + np.argmax(np.bincount(components.ravel())[1:])] = value
    return torch.from_numpy(result).to(labels.device)
