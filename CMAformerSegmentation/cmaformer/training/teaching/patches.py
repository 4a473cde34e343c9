"""A teacher that labels the patches of each step (recipe A)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...data.augmentation import Batch
from ...data.sampler import Sampler, WindowSpec
from ...network.device import autocast
from ...network.sliding_window import predict
from ...parallel import processes
from ...recipes.recipe import Recipe
from ..training import LOOKING, Training
from .copy_paste import largest_components
from .found_structures import FoundStructures
from .teaching import Guess, opinion_of


class Patches:
    """The teacher labels each patch as it is drawn; now and then it looks where structures are, to center windows."""

    def __init__(self, training: Training) -> None:
        self.training = training
        numbers = training.store.numbers("unlabeled")
        self.unlabeled = Sampler(
            training.store, numbers, WindowSpec.of(training.recipe, training.context), training.seed + 1
        )
        self.places = FoundStructures(training.store, numbers, training.context)

    def due(self, since: int, recipe: Recipe) -> bool:
        """At the beginning of the phase, and every ``look_every`` iterations."""
        return recipe.look_every > 0 and since % recipe.look_every == 0

    def look(self, iteration: int, recipe: Recipe) -> None:
        """The teacher looks for structures in unlabeled slices, on which windows are centered from here on."""
        training = self.training
        rng = np.random.default_rng([training.seed, iteration, LOOKING])

        def network(images: Tensor) -> Tensor:
            with autocast(training.device):
                return predict(training.state.teacher, images, training.window).logits

        def search() -> np.ndarray:
            self.places.look(network, recipe.look_slices, rng, training.device)
            return self.places.found

        self.places.found = processes.on_rank_zero(search)
        self.unlabeled.places = self.places.by_class()

    def guess(self, unlabeled: Batch, recipe: Recipe) -> Guess:
        """What the teacher says of the plain patches, the largest part of each structure, where it is sure."""
        opinion = opinion_of(self.training, unlabeled.plain, unlabeled.frames)
        labels = largest_components(opinion.logits.max(1).indices, self.training.store.classes)
        return Guess(opinion, labels, opinion.logits.float().softmax(1).amax(1) >= recipe.confidence)

    def state_dict(self) -> dict[str, Tensor]:
        """Where structures were found."""
        return {"places": torch.from_numpy(self.places.found)}

    def load_state_dict(self, state: dict[str, Tensor], recipe: Recipe) -> None:
        """Back from :meth:`state_dict`."""
        self.places.found = state["places"].cpu().numpy()
        self.unlabeled.places = self.places.by_class()
