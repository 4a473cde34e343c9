"""A network that looks at each window in the mirror, too, and averages what it sees."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..door.input_spec import MIRRORS
from .cmaformer import Prediction


class MirroredNetwork(nn.Module):
    """Mean of a network's answers to an image and to its mirror images, each turned back.

    It pays for a network that was trained on mirrored patches, at twice the time for one mirror and four times for two.
    Each window is mirrored where it is, as patches are in the training: its place in the slice stays the same.

    Args:
        network: maps (B, Cin, H, W) and frames to a :class:`cmaformer.network.cmaformer.Prediction`.
        mirrors: of "rows" (up and down) and "columns" (left and right); with both, both at once as well.
    """

    def __init__(self, network: nn.Module, mirrors: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.turns: list[list[int]] = [[]]
        for name in mirrors:
            self.turns += [[*turn, MIRRORS[name]] for turn in self.turns]

    def forward(self, images: Tensor, frames: Tensor | None = None) -> Prediction:
        """Logits (B, C, H, W), the logarithm of the mean probabilities, and sdm (B, C-1, H, W), a mean; no ``deep``."""
        probabilities, distances = [], []
        for turn in self.turns:
            seen = images.flip(turn).contiguous(memory_format=torch.channels_last) if turn else images
            answer = self.network(seen, frames)
            probabilities.append(answer.logits.float().softmax(1).flip(turn))
            distances.append(answer.sdm.float().flip(turn))
        mean = torch.stack(probabilities).mean(0)
        return Prediction(mean.clamp_min(torch.finfo(mean.dtype).tiny).log(), torch.stack(distances).mean(0), ())
