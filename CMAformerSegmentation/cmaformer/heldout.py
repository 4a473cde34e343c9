"""Dice of held-out cases during a training, from the cached slices, on the model's grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .metrics import dice
from .slices import SliceStore


@torch.inference_mode()
def predict_stack(
    network: Callable[[Tensor], Tensor], images: np.ndarray, context: int, device: torch.device, batch_size: int = 16
) -> np.ndarray:
    """Label map of a stack of normalised slices on the model's grid.

    Args:
        network: (B, Cin, H, W) -> logits (B, C, H, W).
        images: (S, H, W), any floating type.
        context: neighbouring slices on each side that become channels (repeated at the ends).
        device: where the network is.
        batch_size: slices at once.

    Returns:
        uint8 (S, H, W).
    """
    count = len(images)
    result = np.empty(images.shape, np.uint8)
    for start in range(0, count, batch_size):
        indices = np.arange(start, min(count, start + batch_size))
        neighbours = np.clip(indices[:, None] + np.arange(-context, context + 1), 0, count - 1)
        batch = torch.from_numpy(images[neighbours].astype(np.float32)).to(device)
        logits = network(batch.contiguous(memory_format=torch.channels_last))
        result[indices] = logits.argmax(1).to(torch.uint8).cpu().numpy()
    return result


def dice_of_store(
    network: Callable[[Tensor], Tensor], store: SliceStore, numbers: list[int], context: int, device: torch.device
) -> np.ndarray:
    """Dice (cases, classes - 1) of cached cases, per volume on the model's grid."""
    rows = []
    for number in numbers:
        prediction = predict_stack(network, store.array(number, "images"), context, device)
        rows.append(dice(prediction, store.array(number, "labels"), store.classes))
    return np.array(rows).reshape(len(numbers), store.classes - 1)
