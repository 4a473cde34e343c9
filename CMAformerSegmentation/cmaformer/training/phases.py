"""The two phases of a training: what a step reads, and what its loss is (Eq. 5)."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.augmentation import Batch, augment
from ..data.sampler import Sampler
from ..data.slices import SliceStore
from ..door.job import Job
from ..network.cmaformer import Prediction
from ..network.device import precision
from ..network.sliding_window import predict
from ..objectives.consistency import consistency_loss
from ..objectives.supervised import supervised_loss
from ..objectives.term import Step
from ..parallel import distributed, processes
from ..parallel.rows import Rows
from ..recipes.recipe import Recipe
from .anatomy import Anatomy
from .schedule import Schedule
from .state import TrainingState
from .teaching.copy_paste import Mixed, largest_components, mix, spread, spread_batch
from .teaching.found_structures import FoundStructures

Windows = dict[str, dict[str, np.ndarray]]
# Separate random streams of one iteration.
LABELED, UNLABELED, MIXING, ANCHORS, LOOKING = 1, 2, 3, 4, 5
# By how much the resolution is divided in the coarse part of a training.
SHRINK = 2


def autocast(device: torch.device) -> torch.autocast:
    """bf16 where the hardware computes it; fp32 elsewhere (fp16 would need loss scaling)."""
    enabled = precision(device) == torch.bfloat16
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


class Training(Protocol):
    """What a phase sees of the training it belongs to."""

    job: Job
    recipe: Recipe
    store: SliceStore
    seed: int
    context: int
    window: int | None
    device: torch.device
    beta: Tensor
    state: TrainingState
    schedule: Schedule

    @property
    def anatomy(self) -> Anatomy:
        """What the labeled cases show of the shapes of structures."""

    def check(self) -> None:
        """Raises CancelledError if somebody asked to stop."""


class SupervisedPhase:
    """Labeled patches alone: lambda L_sup + gamma L_con."""

    name = "supervised"

    def __init__(self, training: Training) -> None:
        self.training, self.recipe = training, training.recipe
        self.labeled = self.sampler(training.store, training.store.numbers("labeled"), training.seed)
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

    def sampler(self, store: SliceStore, numbers: list[int], seed: int) -> Sampler:
        """Windows out of these cases, as the recipe wants them."""
        recipe = self.recipe
        cut = recipe.augmentation.cut
        return Sampler(store, numbers, recipe.window, self.training.context, recipe.centered, seed, cut, recipe.whole)


class SemiSupervisedPhase(SupervisedPhase):
    """Labeled and unlabeled patches mixed by copy-paste: the teacher labels what nobody has labeled."""

    name = "semi-supervised"

    def __init__(self, training: Training) -> None:
        super().__init__(training)
        self.unlabeled = self.sampler(training.store, training.store.numbers("unlabeled"), training.seed + 1)
        self.places = FoundStructures(training.store, training.store.numbers("unlabeled"), training.context)
        # Every second patch is used for the further terms: equally many in each process.
        self.own = distributed.rows(self.recipe.batch_size, 2 if len(training.state.terms) else 1)

    def due(self, iteration: int) -> bool:
        """At the beginning of the phase, and every ``look_every`` iterations."""
        since = self.since(iteration)
        return self.recipe.look_every > 0 and since is not None and since % self.recipe.look_every == 0

    def since(self, iteration: int) -> int | None:
        """Iterations since the beginning of the phase; None before it."""
        boundary = self.training.schedule.boundary
        return None if boundary is None or iteration < boundary else iteration - boundary

    def prepare(self, iteration: int) -> None:
        """The teacher looks for structures in unlabeled slices, on which windows are centered from here on."""
        if not self.due(iteration):
            return
        rng = np.random.default_rng([self.training.seed, iteration, LOOKING])

        def network(images: Tensor) -> Tensor:
            with autocast(self.training.device):
                return predict(self.training.state.teacher, images, self.training.window).logits

        def look() -> np.ndarray:
            self.places.look(network, self.recipe.look_slices, rng, self.training.device)
            return self.places.found

        self.places.found = processes.on_rank_zero(look)
        self.unlabeled.places = self.places.by_class()

    def state_dict(self) -> dict[str, Tensor]:
        """Where structures were found."""
        return {"places": torch.from_numpy(self.places.found)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Back from :meth:`state_dict`."""
        self.places.found = state["places"].cpu().numpy()
        self.unlabeled.places = self.places.by_class()

    def shrink(self, iteration: int) -> int:
        """Nothing: the teacher labels at the whole resolution."""
        return 1

    def read(self, iteration: int, shrink: int = 1) -> Windows:
        """Windows of labeled and of unlabeled cases."""
        labeled, unlabeled = self.used(self.own)
        return {
            "labeled": self.labeled.batch(self.recipe.batch_size, iteration, labeled),
            "unlabeled": self.unlabeled.batch(self.recipe.batch_size, iteration, unlabeled),
        }

    def used(self, rows: Rows) -> tuple[Rows, Rows]:
        """Of the rows of the joint batch, those whose labeled and those whose unlabeled patch is used.

        Labeled patches have the even places and unlabeled ones the odd; pasting needs both everywhere, and the further
        terms need the other unlabeled ones, too.
        """
        if self.recipe.paste or rows.stop - rows.start < 2:
            return rows, rows
        return rows.every_second(0), rows if len(self.training.state.terms) else rows.every_second(1)

    def loss(self, windows: Windows, rows: Rows | None = None) -> dict[str, Tensor]:
        """The supervised terms where there are references, and the unlabeled terms elsewhere."""
        training, recipe = self.training, self.recipe
        if self.since(training.state.iteration) == 0:
            training.state.terms.begin(training.state.student)
        rows = rows or self.own
        places = self.used(rows)
        labeled = self.patches(windows["labeled"], LABELED, places[0])
        unlabeled = self.patches(windows["unlabeled"], UNLABELED, places[1])
        opinion, guess, sure = self.guess(unlabeled)
        sure = spread(sure, rows, places[1])
        mixed = mix(
            spread_batch(labeled, rows, places[0]),
            spread_batch(unlabeled, rows, places[1]),
            spread(guess, rows, places[1]),
            recipe.paste,
            self.rng(MIXING),
            rows,
        )
        with autocast(training.device):
            prediction = training.state.learner(mixed.images, mixed.frames)
        ramp = training.schedule.ramp(training.state.iteration)
        known, guessed = mixed.labeled, (1 - mixed.labeled) * sure
        together = known + ramp * recipe.unlabeled_weight * guessed if recipe.joint else known
        referenced = known if unlabeled.distances is None else together  # where distances are known, too
        terms = self.labeled_terms(prediction, mixed.labels, mixed.distances, referenced, together)
        terms["unlabeled"] = self.unlabeled_consistency(prediction, mixed, guessed)
        terms.update(self.further_terms(unlabeled, opinion, windows["unlabeled"]["slices"], rows))
        weights = {
            "unlabeled": 0.0 if recipe.joint else recipe.unlabeled_weight,
            **training.state.terms.weights(recipe),
        }
        for name, weight in weights.items():
            if weight:
                terms["loss"] = terms["loss"] + ramp * weight * terms[name]
        return terms

    def guess(self, unlabeled: Batch) -> tuple[Prediction | None, Tensor, Tensor]:
        """What the teacher says of unlabeled patches, its labels of them (B, P, P), and where it is sure of them."""
        opinion = self.opinion(unlabeled.plain, unlabeled.frames)
        labels = largest_components(opinion.logits.max(1).indices, self.training.store.classes)
        return opinion, labels, opinion.logits.float().softmax(1).amax(1) >= self.recipe.confidence

    @torch.no_grad()
    def opinion(self, images: Tensor, frames: Tensor) -> Prediction:
        """What the teacher says of patches."""
        with autocast(self.training.device):
            prediction: Prediction = self.training.state.teacher(images, frames)
        return prediction

    def unlabeled_consistency(self, prediction: Prediction, mixed: Mixed, guessed: Tensor) -> Tensor:
        """Eq. (2) against the teacher, on the pixels without a reference of which it is sure (B, P, P)."""
        logits, target = prediction.logits.float(), self.one_hot(mixed.labels)
        if self.recipe.joint:  # to be told, not learned from: it is in the joint term
            logits = logits.detach()
        return consistency_loss(logits, target, self.training.beta, self.recipe.alpha, where=guessed)

    def further_terms(
        self, unlabeled: Batch, opinion: Prediction | None, slices: np.ndarray, rows: Rows
    ) -> dict[str, Tensor]:
        """The terms that the recipe has switched on; they need unlabeled patches as they are, not mixed.

        Half of the joint batch (every second patch) keeps the step at one and a half times its cost instead of twice.
        """
        training = self.training
        if not len(training.state.terms):
            return {}
        half = slice(rows.start % 2, None, 2)
        images, frames, slices = unlabeled.images[half], unlabeled.frames[half], slices[half]
        if opinion is None:
            views = [self.opinion(unlabeled.plain[half], frames)]
        else:
            views = [Prediction(opinion.logits[half], opinion.sdm[half], ())]
        if training.state.terms.views > 1:
            views.append(self.opinion(images, frames))
        with autocast(training.device):
            prediction = training.state.learner(images, frames)
        generator = torch.Generator().manual_seed(int(self.rng(ANCHORS).integers(2**31)))
        return training.state.terms(Step(training.state.student, prediction, views, slices, generator))
