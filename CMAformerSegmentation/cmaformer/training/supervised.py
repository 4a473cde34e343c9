"""The first phase of a training: what a step reads, and what its loss is (the labeled part of Eq. 5)."""

from __future__ import annotations

import math

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from ..data.augmentation import Batch, augment
from ..data.sampler import Sampler, WindowSpec
from ..network.cmaformer import Prediction
from ..network.device import autocast
from ..objectives.consistency import consistency_loss
from ..objectives.supervised import supervised_loss
from ..parallel import distributed
from ..parallel.rows import Rows
from .training import LABELED, Training

Windows = dict[str, dict[str, np.ndarray]]
# By how much the resolution is divided in the coarse part of a training.
SHRINK = 2


class SupervisedPhase:
    """Labeled patches alone: lambda L_sup + gamma L_con."""

    name = "supervised"

    def __init__(self, training: Training) -> None:
        self.training, self.recipe = training, training.recipe
        spec = WindowSpec.of(training.recipe, training.context)
        self.labeled = Sampler(training.store, training.store.numbers("labeled"), spec, training.seed)
        self.own = distributed.rows(self.recipe.batch_size)

    def shrink(self, iteration: int) -> int:
        """By how much the resolution of the patches of an iteration is divided."""
        return SHRINK if self.training.schedule.share_of_first(iteration) < self.recipe.coarse else 1

    def due(self, iteration: int) -> bool:
        """Whether :meth:`prepare` has something to do before the windows of an iteration can be read."""
        return False

    def prepare(self, iteration: int) -> None:
        """Called before the windows of an iteration are read."""

    def state_dict(self) -> dict[str, Tensor]:
        """What a checkpoint must keep of the phase."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Back from :meth:`state_dict`."""

    def read(self, iteration: int, shrink: int = 1) -> Windows:
        """Windows of an iteration, for so much of the resolution; runs in a thread beside the step before."""
        rows = self.own.times(shrink**2)
        return {"labeled": self.labeled.batch(rows.size, iteration, rows)}

    def loss(self, windows: Windows, rows: Rows | None = None) -> dict[str, Tensor]:
        """The terms of the loss, and "loss", their weighted sum.

        ``rows`` tells which rows of the joint batch the windows are; those of this process if None.
        """
        shrink = math.isqrt(len(windows["labeled"]["images"]) // (self.own.stop - self.own.start))
        rows = rows or self.own.times(shrink**2)
        batch = self.patches(windows["labeled"], LABELED, rows, max(1, shrink))
        assert batch.labels is not None and batch.distances is not None
        with autocast(self.training.device):
            prediction = self.training.state.learner(batch.images, batch.frames)
        return self.labeled_terms(prediction, batch.labels, batch.distances, None)

    def labeled_terms(
        self,
        prediction: Prediction,
        labels: Tensor,
        distances: Tensor,
        where: Tensor | None,
        weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """L_sup and L_con against references, at the pixels ``where`` there are any (everywhere if None).

        ``weights`` of the pixels (B, P, P) are those of L_con alone; ``where`` if None.
        """
        recipe, beta = self.recipe, self.training.beta
        logits, sdm = prediction.logits.float(), prediction.sdm.float()
        supervised = supervised_loss(logits, sdm, labels, distances, where)
        target = self.one_hot(labels)
        weights = where if weights is None else weights
        consistency = consistency_loss(logits, target, beta, recipe.alpha, where=weights)
        loss = recipe.supervised_weight * supervised + recipe.consistency_weight * consistency
        for deep in prediction.deep:
            size = deep.shape[2:]
            coarse = F.interpolate(target, size=size, mode="area")
            at = None if weights is None else F.interpolate(weights[:, None], size=size, mode="area")[:, 0]
            loss = loss + recipe.deep_weight * consistency_loss(deep.float(), coarse, beta, recipe.alpha, where=at)
        return {"loss": loss, "supervised": supervised, "consistency": consistency}

    def patches(self, windows: dict[str, np.ndarray], stream: int, rows: Rows, shrink: int = 1) -> Batch:
        """Augmented patches on the device, the same ones whenever this iteration is repeated."""
        settings, device = self.recipe.augmentation, self.training.device
        return augment(windows, self.recipe.patch, settings, self.rng(stream), device, rows, shrink)

    def rng(self, stream: int) -> np.random.Generator:
        """The random numbers of this iteration."""
        return np.random.default_rng([self.training.seed, self.training.state.iteration, stream])

    def one_hot(self, labels: Tensor) -> Tensor:
        """int64 (B, H, W) -> float (B, C, H, W)."""
        return F.one_hot(labels, self.training.store.classes).permute(0, 3, 1, 2).float()
