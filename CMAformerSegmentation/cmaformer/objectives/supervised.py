"""The supervised term of Eq. (5): mean squared errors of probabilities and of signed distances."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def supervised_loss(logits: Tensor, sdm: Tensor, labels: Tensor, distances: Tensor) -> Tensor:
    """L_sup = MSE(softmax, one-hot) + MSE(SDM head, signed distance map).

    On probabilities, never on logits: a perfect, confident prediction must cost nothing.

    Args:
        logits: (B, C, H, W).
        sdm: (B, C-1, H, W) in [-1, 1].
        labels: int64 (B, H, W), 0 is background.
        distances: (B, C-1, H, W) in [-1, 1], negative inside.
    """
    target = F.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2).to(logits.dtype)
    return F.mse_loss(logits.softmax(1), target) + F.mse_loss(sdm, distances.to(sdm.dtype))
