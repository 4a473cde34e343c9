"""The consistency loss of Eq. (2), for any number of classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..parallel.distributed import mean, total

# Published weights of the two foreground classes, common and rare.
BETA_TWO = (0.314, 0.685)


def class_weights(shares: Sequence[float], exponent: float = 0.25) -> Tensor:
    """The weights beta of Eq. (2) from the share of each foreground class among the labeled voxels.

    One class has weight 1; two have the paper's 0.314 and 0.685 (the rarer the heavier), normalized to sum to 1. Beyond
    two, beta_c ~ share_c ** -exponent, each clamped to [0.5, 2] / (C-1), then normalized.

    Args:
        shares: voxel shares of the foreground classes, (C-1,); a class that never occurs counts as the rarest.
        exponent: 0 weighs all classes alike.

    Returns:
        (C-1,), sums to 1.
    """
    share = torch.as_tensor(shares, dtype=torch.float64)
    if len(share) == 1:
        return torch.ones(1)
    if len(share) == 2:
        weights = torch.tensor(BETA_TWO, dtype=torch.float64)
        weights = weights.flip(0) if share[0] < share[1] else weights
    else:
        present = share[share > 0]
        share = share.clamp_min(float(present.min()) if len(present) else 1.0)
        weights = share**-exponent
        weights = (weights / weights.sum()).clamp(0.5 / len(share), 2.0 / len(share))
    return (weights / weights.sum()).float()


def consistency_loss(
    logits: Tensor, target: Tensor, beta: Tensor, alpha: float = 0.3, eps: float = 1.0, where: Tensor | None = None
) -> Tensor:
    """L_con = alpha CE + (1 - alpha) sum_c beta_c (1 - Dice_c), Eq. (2) read for softmax outputs.

    As printed, the ratio vanishes wherever y = 0, so false positives would cost nothing; with sums over the batch it is
    the Dice coefficient. A class that the batch does not have costs nothing there, as printed, and the cross-entropy
    sees its false positives: else each batch without a rare class would push it down until it is never found. The batch
    is the joint batch of all processes, with equally many rows in each.

    Args:
        logits: (B, C, H, W).
        target: probabilities (B, C, H, W): one-hot labels, or the teacher's softmax on unlabeled slices.
        beta: (C-1,) weights of the foreground classes.
        alpha: weight of the cross-entropy.
        eps: smoothing in pixels.
        where: (B, H, W) weights of the pixels in [0, 1]; all count alike if None. Without any weight the loss is 0.
    """
    logits = logits.float()
    target = target.to(logits.dtype)
    entropies = -(target * F.log_softmax(logits, 1)).sum(1)
    probabilities = logits.softmax(1)[:, 1:]
    wanted = target[:, 1:]
    if where is None:
        entropy = mean(entropies.mean())
    else:
        entropy = total((entropies * where).sum()) / total(where.sum()).clamp_min(1)
    counted = wanted if where is None else wanted * where[:, None]
    overlap = total((probabilities * counted).sum((0, 2, 3)))
    seen = probabilities if where is None else probabilities * where[:, None]
    size = total(counted.sum((0, 2, 3)))
    area = total(seen.sum((0, 2, 3))) + size
    dice = (2 * overlap + eps) / (area + eps)
    return alpha * entropy + (1 - alpha) * (beta.to(logits) * (size > 0) * (1 - dice)).sum()
