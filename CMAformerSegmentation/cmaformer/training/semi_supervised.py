"""The second phase of a training: labeled and unlabeled patches mixed, by Eq. (5)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..data.augmentation import Batch
from ..network.cmaformer import Prediction
from ..network.device import autocast
from ..objectives.consistency import consistency_loss
from ..objectives.term import Step
from ..parallel import distributed
from ..parallel.rows import Rows
from .supervised import SupervisedPhase, Windows
from .teaching.copy_paste import Mixed, mix, spread, spread_batch
from .teaching.teaching import Teaching, opinion_of
from .training import ANCHORS, LABELED, MIXING, UNLABELED, Training


class SemiSupervisedPhase(SupervisedPhase):
    """Labeled and unlabeled patches mixed by copy-paste: the teacher labels what nobody has labeled.

    Args:
        training: that it belongs to.
        teaching: how the teacher labels.
    """

    name = "semi-supervised"

    def __init__(self, training: Training, teaching: Teaching) -> None:
        super().__init__(training)
        self.teaching = teaching
        # Every second patch is used for the further terms: equally many in each process.
        self.own = distributed.rows(self.recipe.batch_size, 2 if len(training.state.terms) else 1)

    def since(self, iteration: int) -> int | None:
        """Iterations since the beginning of the phase; None before it."""
        boundary = self.training.schedule.boundary
        return None if boundary is None or iteration < boundary else iteration - boundary

    def due(self, iteration: int) -> bool:
        """Whether the teacher looks at unlabeled cases before the windows of an iteration can be read."""
        since = self.since(iteration)
        return since is not None and self.teaching.due(since, self.recipe)

    def prepare(self, iteration: int) -> None:
        """The teacher looks at unlabeled cases, where that is due."""
        if self.due(iteration):
            self.teaching.look(iteration, self.recipe)

    def state_dict(self) -> dict[str, Tensor]:
        """What the teacher has found."""
        return self.teaching.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Back from :meth:`state_dict`."""
        self.teaching.load_state_dict(state, self.recipe)

    def shrink(self, iteration: int) -> int:
        """Nothing: the teacher labels at the whole resolution."""
        return 1

    def read(self, iteration: int, shrink: int = 1) -> Windows:
        """Windows of labeled and of unlabeled cases."""
        labeled, unlabeled = self.used(self.own)
        return {
            "labeled": self.labeled.batch(self.recipe.batch_size, iteration, labeled),
            "unlabeled": self.teaching.unlabeled.batch(self.recipe.batch_size, iteration, unlabeled),
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
        guess = self.teaching.guess(unlabeled, recipe)
        sure = spread(guess.sure, rows, places[1])
        mixed = mix(
            spread_batch(labeled, rows, places[0]),
            spread_batch(unlabeled, rows, places[1]),
            spread(guess.labels, rows, places[1]),
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
        terms.update(self.further_terms(unlabeled, guess.opinion, windows["unlabeled"]["slices"], rows))
        weights = {
            "unlabeled": 0.0 if recipe.joint else recipe.unlabeled_weight,
            **training.state.terms.weights(recipe),
        }
        for name, weight in weights.items():
            if weight:
                terms["loss"] = terms["loss"] + ramp * weight * terms[name]
        return terms

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
            views = [opinion_of(training, unlabeled.plain[half], frames)]
        else:
            views = [Prediction(opinion.logits[half], opinion.sdm[half], ())]
        if training.state.terms.views > 1:
            views.append(opinion_of(training, images, frames))
        with autocast(training.device):
            prediction = training.state.learner(images, frames)
        generator = torch.Generator().manual_seed(int(self.rng(ANCHORS).integers(2**31)))
        return training.state.terms(Step(training.state.student, prediction, views, slices, generator))
