"""How much of each class patches hold: the sizes of structures that labeled cases let expect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..recipes.recipe import Recipe
from .augmentation import augment
from .sampler import Sampler, WindowSpec
from .slices import SliceStore

# Patches a labeled case from which the size of its structures is taken.
PRIOR_PATCHES = 32


def patch_pixels(store: SliceStore, recipe: Recipe, context: int, seed: int) -> Tensor:
    """Pixels of each class in patches of each labeled case: (cases, C).

    Drawn and augmented as unlabeled patches are, because the share of a structure depends on how much of the slice a
    patch shows, and on how often it is centered on one.
    """
    counts = []
    # Unlabeled windows are centered on structures where the teacher has labeled whole volumes, or looks for structures.
    spec = replace(WindowSpec.of(recipe, context), cut=0.0)
    if not recipe.look_every and recipe.teaching != "volumes":
        spec = replace(spec, centered=0.0)
    for number in store.numbers("labeled"):
        sampler = Sampler(store, [number], spec, seed)
        windows = sampler.batch(PRIOR_PATCHES, 0)
        rng = np.random.default_rng([seed, number])
        labels = augment(windows, recipe.patch, recipe.augmentation, rng, "cpu").labels
        assert labels is not None
        counts.append(torch.bincount(labels.flatten(), minlength=store.classes))
    return torch.stack(counts).double()
