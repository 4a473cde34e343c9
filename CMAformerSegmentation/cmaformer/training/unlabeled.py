"""What unlabeled patches add besides copy-paste: the constraints of Eq. (3) and the contrast of Eq. (4)."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..data.augmentation import augment
from ..data.sampler import Sampler
from ..data.slices import SliceStore
from ..network.cmaformer import CMAformer, Prediction
from ..objectives.constraints import Constraints, ConstraintSettings, size_prior, squared_norm
from ..objectives.contrastive import Contrast, Projection
from ..recipes.recipe import Recipe

# The limit of |w|^2 is this times its value at the beginning of the semi-supervised phase.
NORM_LIMIT = 1.1
# Patches a labeled case from which the size of its structures is taken.
PRIOR_PATCHES = 32


class UnlabeledTerms(nn.Module):
    """The two terms that a recipe may switch on; their state belongs into the checkpoint.

    Args:
        recipe: says which of them.
        store: the slices, for the sizes of the structures in labeled cases.
        context: neighbouring slices on each side.
        seed: of the patches from which the sizes are taken.
    """

    def __init__(self, recipe: Recipe, store: SliceStore, context: int, seed: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.constraints: Constraints | None = None
        self.contrast: Contrast | None = None
        if recipe.constraint != "none":
            shares, tolerance = size_prior(patch_pixels(store, recipe, context, seed))
            self.constraints = Constraints(shares, tolerance, 1.0, ConstraintSettings(solver=recipe.constraint))
        if recipe.contrast_weight:
            self.contrast = Contrast()
            self.student_head = Projection(store.classes - 1)
            self.teacher_head = copy.deepcopy(self.student_head).requires_grad_(False)

    @property
    def wanted(self) -> bool:
        """Whether there is anything to do."""
        return self.constraints is not None or self.contrast is not None

    def begin(self, student: CMAformer) -> None:
        """The semi-supervised phase begins: from here on the weights may not grow much."""
        if self.constraints is not None:
            self.constraints.norm_limit.fill_(NORM_LIMIT * float(squared_norm(student).detach()))

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """The teacher's head moves towards the student's."""
        if self.contrast is not None:
            for mean, value in zip(self.teacher_head.parameters(), self.student_head.parameters()):
                mean.lerp_(value, 1 - decay)

    def terms(
        self,
        student: CMAformer,
        prediction: Prediction,
        views: list[Prediction],
        slices: np.ndarray,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """The terms of one step, not yet weighted.

        Args:
            student: its weights are limited.
            prediction: of the student on unlabeled patches with changed intensities.
            views: of the teacher on the same patches, without and with the changed intensities.
            slices: int64 (B, 2), case and slice of each patch.
            generator: draws the anchors of the contrast.
        """
        result = {}
        if self.constraints is not None:
            opinions = torch.stack([view.logits.float().softmax(1) for view in views])
            probabilities = prediction.logits.float().softmax(1)
            mean, spread = opinions.mean(0), opinions.std(0, correction=0)
            result["constraints"] = self.constraints.penalty(probabilities, mean, spread, squared_norm(student))
            self.constraints.dual_step()
        if self.contrast is not None:
            places = torch.from_numpy(slices).to(prediction.sdm.device)
            sdm, target = prediction.sdm.float(), views[0].sdm.float()
            result["contrast"] = self.contrast.loss(
                self.student_head, self.teacher_head, sdm, target, places, generator
            )
        return result

    def report(self) -> dict[str, Any]:
        """Violations and multipliers, for the events."""
        return {"constraints_report": self.constraints.report()} if self.constraints is not None else {}


def patch_pixels(store: SliceStore, recipe: Recipe, context: int, seed: int) -> Tensor:
    """Pixels of each class in patches of each labeled case: (cases, C).

    Drawn and augmented as unlabeled patches are, because the share of a structure depends on how much of the slice a
    patch shows, and on how often it is centred on one.
    """
    counts = []
    window, centred = recipe.window, recipe.centred if recipe.look_every else 0.0
    for number in store.numbers("labeled"):
        windows = Sampler(store, [number], window, context, centred, seed).batch(PRIOR_PATCHES, 0)
        rng = np.random.default_rng([seed, number])
        labels = augment(windows, recipe.patch, recipe.augmentation, rng, "cpu").labels
        assert labels is not None
        counts.append(torch.bincount(labels.flatten(), minlength=store.classes))
    return torch.stack(counts).double()
