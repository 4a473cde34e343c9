"""How the teacher teaches: a part of the second phase that can be replaced."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ...data.augmentation import Batch
from ...data.sampler import Sampler
from ...network.cmaformer import Prediction
from ...network.device import autocast
from ...recipes.recipe import Recipe
from ..training import Training


class Guess(NamedTuple):
    """What the teacher says of unlabeled patches.

    Attributes:
        opinion: its prediction, where it has looked at these very patches.
        labels: int64 (B, P, P).
        sure: bool (B, P, P), where they are taught.
    """

    opinion: Prediction | None
    labels: Tensor
    sure: Tensor


class Teaching(Protocol):
    """One way of teaching.

    Attributes:
        unlabeled: draws the windows of unlabeled cases.
    """

    unlabeled: Sampler

    def due(self, since: int, recipe: Recipe) -> bool:
        """Whether :meth:`look` has to be called, so many iterations after the beginning of the phase."""

    def look(self, iteration: int, recipe: Recipe) -> None:
        """The teacher looks at unlabeled cases; the windows of the iterations from here on follow from it."""

    def guess(self, unlabeled: Batch, recipe: Recipe) -> Guess:
        """The labels of unlabeled patches."""

    def state_dict(self) -> dict[str, Tensor]:
        """What a checkpoint must keep."""

    def load_state_dict(self, state: dict[str, Tensor], recipe: Recipe) -> None:
        """Back from :meth:`state_dict`."""


@torch.no_grad()
def opinion_of(training: Training, images: Tensor, frames: Tensor) -> Prediction:
    """What the teacher says of patches (B, Cin, P, P) at their places in the slices (B, 4)."""
    with autocast(training.device):
        prediction: Prediction = training.state.teacher(images, frames)
    return prediction
