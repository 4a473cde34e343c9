"""The supervised term of Eq. (5): mean squared errors of probabilities and of signed distances."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..parallel.distributed import mean, total


def supervised_loss(
    logits: Tensor, sdm: Tensor, labels: Tensor, distances: Tensor, where: Tensor | None = None
) -> Tensor:
    """L_sup = MSE(softmax, one-hot) + MSE(SDM head, signed distance map).

    On probabilities, never on logits: a perfect, confident prediction must cost nothing. The means are over the joint
    batch of all processes, with equally many rows in each.

    Args:
        logits: (B, C, H, W).
        sdm: (B, C-1, H, W) in [-1, 1].
        labels: int64 (B, H, W), 0 is background.
        distances: (B, C-1, H, W) in [-1, 1], negative inside.
        where: (B, H, W) weights of the pixels in [0, 1]; all count alike if None.
    """
    target = F.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2).to(logits.dtype)
    if where is None:
        return mean(F.mse_loss(logits.softmax(1), target) + F.mse_loss(sdm, distances.to(sdm.dtype)))
    errors = (logits.softmax(1) - target).square().mean(1) + (sdm - distances).square().mean(1)
    return total((errors * where).sum()) / total(where.sum()).clamp_min(1)
