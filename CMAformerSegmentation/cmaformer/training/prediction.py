"""How well held-out cases agree during a training, from the cached slices, on the model's grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..data.slices import SliceStore, by_image
from ..network.device import is_out_of_memory, out_of_memory, release
from ..segmenting.metrics import agreement, dice

# Of a structure of a case: Dice, HD95 in mm, and by how much its volume is too large, in ml.
DICE, HD95, VOLUME = range(3)


@torch.inference_mode()
def predict_stack(
    network: Callable[[Tensor], Tensor],
    images: np.ndarray,
    context: int,
    device: torch.device,
    batch_size: int = 16,
    *,
    confidence: float = 0.0,
    unsure: np.ndarray | None = None,
) -> np.ndarray:
    """Label map of a stack of normalized slices on the model's grid.

    Args:
        network: (B, Cin, H, W) -> logits (B, C, H, W); what it raises ends the work.
        images: (S, H, W), or (M, S, H, W) of several images a case; any floating type.
        context: neighboring slices on each side that become channels (repeated at the ends).
        device: where the network is.
        batch_size: slices at once; fewer where memory is short.
        confidence: a probability, see ``unsure``.
        unsure: bool (S, H, W), receives where the probability of the class is lower than ``confidence``.

    Returns:
        uint8 (S, H, W).

    Raises:
        EngineError: code ``out-of-memory``: not even one slice at a time fits into memory.
    """
    images = by_image(images)
    count = images.shape[1]
    result = np.empty(images.shape[1:], np.uint8)
    start = 0
    while start < count:
        indices = np.arange(start, min(count, start + batch_size))
        neighbors = np.clip(indices[:, None] + np.arange(-context, context + 1), 0, count - 1)
        try:
            slices = images[:, neighbors].astype(np.float32).swapaxes(0, 1)  # (B, M, N, H, W)
            batch = torch.from_numpy(slices.reshape(len(indices), -1, *images.shape[2:])).to(device)
            logits = network(batch.contiguous(memory_format=torch.channels_last))
            result[indices] = logits.argmax(1).to(torch.uint8).cpu().numpy()
            if unsure is not None and confidence > 0:
                unsure[indices] = (logits.float().softmax(1).amax(1) < confidence).cpu().numpy()
            start += len(indices)
            continue
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Only here is the error gone, and with it what it held in memory.
        batch = logits = torch.empty(0)
        release(device)
        if batch_size == 1:
            raise out_of_memory(device)
        batch_size = min(batch_size, count) // 2 or 1
    return result


def measures_of_store(
    network: Callable[[Tensor], Tensor],
    store: SliceStore,
    numbers: list[int],
    context: int,
    device: torch.device,
    classes: np.ndarray | None = None,
    dice_alone: bool = False,
) -> np.ndarray:
    """Dice, HD95 in mm and volume error in ml (cases, classes - 1, 3) of cached cases, per volume on the model's grid.

    HD95 is NaN where a map lacks the structure; both are NaN for slices of older versions, which do not say their size,
    and with ``dice_alone``, which takes an eighth of the time. ``classes``, uint8 (C,), says which class of the store
    each class of the network is; the same if None.
    """
    rows = []
    for number in numbers:
        prediction = predict_stack(network, store.array(number, "images"), context, device)
        if classes is not None:
            prediction = classes[prediction]
        spacing = () if dice_alone else store.cases[number].spacing_mm
        rows.append(_measures(prediction, store.array(number, "labels"), store.classes, spacing))
    return np.array(rows).reshape(len(numbers), store.classes - 1, 3)


def _measures(prediction: np.ndarray, reference: np.ndarray, classes: int, spacing_mm: Sequence[float]) -> np.ndarray:
    measures = np.full((classes - 1, 3), np.nan)
    if not spacing_mm:
        measures[:, DICE] = dice(prediction, reference, classes)
        return measures
    found = agreement(prediction, reference, classes, spacing_mm)
    measures[:, DICE] = [each.dice for each in found]
    measures[:, HD95] = [each.hd95_mm for each in found]
    voxels = [np.bincount(labels.ravel(), minlength=classes)[1:] for labels in (prediction, reference)]
    measures[:, VOLUME] = (voxels[0] - voxels[1]) * np.prod(spacing_mm) / 1000
    return measures


def spread(numbers: list[int], most: int) -> list[int]:
    """At most so many of some cases, evenly spread over their order, always the same ones."""
    if len(numbers) <= most:
        return numbers
    return [numbers[index] for index in np.linspace(0, len(numbers) - 1, most).round().astype(int)]


def means(scores: np.ndarray) -> np.ndarray:
    """Mean of each column (cases, classes) over the cases that have the class: (classes,), NaN where none has."""
    known = ~np.isnan(scores)
    return np.where(known, scores, 0.0).sum(0) / np.where(known.any(0), known.sum(0), np.nan)


def mean(scores: np.ndarray) -> float:
    """Mean of all scores that are known; NaN if none is."""
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if known.size else float("nan")
