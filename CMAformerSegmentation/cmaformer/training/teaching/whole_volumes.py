"""A teacher that labels whole volumes now and then (recipe B)."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...data.augmentation import Batch
from ...data.sampler import Sampler, WindowSpec
from ...data.slices import INDEX
from ...door.errors import JobError
from ...network.device import autocast
from ...network.mirroring import MirroredNetwork
from ...network.sliding_window import predict
from ...parallel import processes
from ...recipes.recipe import Recipe
from ..training import LOOKING, Training
from .pseudo_labels import UNSURE, Labeler, PseudoLabelStore
from .teaching import Guess

FOLDER = "taught"


class WholeVolumes:
    """The student learns from patches of volumes that the teacher has labeled and cleaned up.

    Attributes:
        labeled_at: the iteration at which the labels in use were made; -1 before there are any.
    """

    def __init__(self, training: Training) -> None:
        self.training = training
        self.unlabeled = Sampler(
            training.store,
            training.store.numbers("unlabeled"),
            WindowSpec.of(training.recipe, training.context),
            training.seed + 1,
        )
        self.labeled_at = self.saved_at = -1

    def due(self, since: int, recipe: Recipe) -> bool:
        """At the beginning of the phase, and every ``look_every`` iterations."""
        return since == 0 or (recipe.look_every > 0 and since % recipe.look_every == 0)

    def look(self, iteration: int, recipe: Recipe) -> None:
        """The teacher labels unlabeled volumes, from which the student learns from here on."""
        training = self.training
        teacher: nn.Module = training.state.teacher
        if recipe.augmentation.flip:  # it knows mirror images, and is better for looking at both
            teacher = MirroredNetwork(teacher, ["columns"])

        def network(images: Tensor) -> Tensor:
            with autocast(training.device):
                return predict(teacher, images, training.window).logits

        def label() -> None:
            for folder in self.folder(0, recipe).parent.glob("*"):
                if folder.name < f"{min(self.saved_at, self.labeled_at):07d}":  # no checkpoint needs it any more
                    shutil.rmtree(folder, ignore_errors=True)
            labeler = Labeler(
                network,
                training.store,
                training.device,
                training.context,
                recipe.confidence,
                training.anatomy.single,
                training.anatomy.together,
                training.watcher,
            )
            rng = np.random.default_rng([training.seed, iteration, LOOKING])
            before = self.folder(self.labeled_at, recipe) if self.labeled_at >= 0 else None
            labeler.label(self.folder(iteration, recipe), recipe.look_slices, rng, before)

        processes.on_rank_zero(label)
        self._use(iteration, recipe)

    def guess(self, unlabeled: Batch, recipe: Recipe) -> Guess:
        """The labels that came with the patches, to be taught where the teacher was sure of them."""
        assert unlabeled.labels is not None
        sure = unlabeled.labels != UNSURE
        return Guess(None, unlabeled.labels.where(sure, 0), sure)

    def state_dict(self) -> dict[str, Tensor]:
        """Which labels are in use; they are in the job folder."""
        self.saved_at = self.labeled_at
        return {"labeled_at": torch.tensor(self.labeled_at)}

    def load_state_dict(self, state: dict[str, Tensor], recipe: Recipe) -> None:
        """Back from :meth:`state_dict`. Raises JobError if the labels have gone."""
        self.saved_at = self.labeled_at = int(state["labeled_at"])  # a trial may have labeled some for itself
        if self.saved_at >= 0:
            self._use(self.saved_at, recipe)

    def folder(self, iteration: int, recipe: Recipe) -> Path:
        """Where the labels of an iteration are; those of a trial, of a few slices, are not in the way of others."""
        return self.training.job.folder / FOLDER / f"{iteration:07d}-{recipe.look_slices}"

    def _use(self, iteration: int, recipe: Recipe) -> None:
        training, folder = self.training, self.folder(iteration, recipe)
        if not (folder / INDEX).exists():
            raise JobError(
                "no-labels",
                "The labels that the teacher gave to unlabeled images are not in the job folder.",
                "Copy the whole folder, or start the training again.",
            )
        store = PseudoLabelStore(training.store, folder)
        spec = WindowSpec.of(recipe, training.context)
        self.unlabeled = Sampler(store, store.pseudo_labeled, spec, training.seed + 1)
        self.labeled_at = iteration
