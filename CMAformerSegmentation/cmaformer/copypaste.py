"""Labeled and unlabeled patches in one image: bidirectional copy-paste and its pseudo-labels.

After Bai et al., "Bidirectional Copy-Paste for Semi-Supervised Medical Image Segmentation", CVPR 2023. Every input of
the student holds pixels with a reference and pixels with the teacher's opinion, so both come from one distribution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from .augmentation import Batch
from .rows import Rows


@dataclass
class Mixed:
    """A batch of mixed patches.

    Attributes:
        images: (B, Cin, P, P).
        frames: (B, 4) of the patch that surrounds the pasted box.
        labels: int64 (B, P, P): references where ``labeled``, pseudo-labels elsewhere.
        distances: (B, C-1, P, P), true where ``labeled`` only.
        labeled: (B, P, P) 1 where the pixel comes from a labeled patch, else 0.
    """

    images: Tensor
    frames: Tensor
    labels: Tensor
    distances: Tensor
    labeled: Tensor


def boxes(size: int, patch: int, part: float, rng: np.random.Generator) -> np.ndarray:
    """One random square a patch, with sides of ``part`` of the patch: bool (B, P, P), True inside."""
    side = max(1, round(patch * part))
    result = np.zeros((size, patch, patch), bool)
    for box, (top, left) in zip(result, rng.integers(0, patch - side + 1, (size, 2))):
        box[top : top + side, left : left + side] = True
    return result


def mix(
    labeled: Batch,
    unlabeled: Batch,
    pseudo: Tensor,
    part: float,
    rng: np.random.Generator,
    rows: Rows | None = None,
) -> Mixed:
    """Paste a box of each labeled patch into an unlabeled one (even places) or the other way round (odd places).

    Args:
        labeled: B patches with labels.
        unlabeled: B patches.
        pseudo: int64 (B, P, P), the teacher's labels of the unlabeled patches.
        part: side of the box as a part of the patch.
        rng: draws the boxes.
        rows: which rows of the joint batch these are; all of it if None.
    """
    assert labeled.labels is not None and labeled.distances is not None
    size, patch = len(labeled.images), labeled.images.shape[-1]
    rows = rows or Rows.all(size)
    inside = torch.from_numpy(rows.of(boxes(rows.size, patch, part, rng))).to(labeled.images.device)
    even = (torch.arange(rows.start, rows.stop, device=inside.device) % 2 == 0)[:, None, None]
    known = torch.where(even, inside, ~inside)
    # Position is told for the surroundings: they decide where in the body the patch is.
    surrounding = even[:, 0].to(labeled.frames.dtype)
    return Mixed(
        torch.where(known[:, None], labeled.images, unlabeled.images).contiguous(memory_format=torch.channels_last),
        surrounding * unlabeled.frames + (1 - surrounding) * labeled.frames,
        torch.where(known, labeled.labels, pseudo),
        labeled.distances,
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
