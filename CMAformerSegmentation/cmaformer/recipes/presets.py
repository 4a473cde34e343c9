"""Named recipes: what measures best, and what the paper has."""

from __future__ import annotations

from typing import Any

from .recipe import Recipe

# The paper's settings (Eq. 5). Copy-paste and windows centered by the teacher are not the paper's; the length and
# the weight of unlabeled pixels are those of the mean teachers that it follows, because it does not state them.
PAPER: dict[str, Any] = {
    "iterations": 6000,
    "semi_iterations": 18000,
    "optimizer": "sgd",
    "momentum": 0.99,
    "schedule": "poly",
    "learning_rate": 1e-3,
    "transformer_rate": 1.0,
    "weight_decay": 3e-5,
    "warm_up": 0.0,
    "supervised_weight": 1.0,
    "consistency_weight": 1.0,
    "unlabeled_weight": 0.1,
    "joint": False,
    "teaching": "patches",
    "paste": 0.0,
    "look_every": 0,
    "constraint": "alm",
    "constraint_weight": 0.1,
    "contrast_weight": 0.1,
}
# Of the paper's network, where a training would leave parts of it out.
PAPER_NETWORK: dict[str, Any] = {
    "norm": "group",
    "transformer": True,
    "cross_attention": True,
    "channel_attention": True,
    "spatial_attention": True,
}
PRESETS: dict[str, dict[str, Any]] = {"default": {}, "paper": PAPER}


def preset(name: str = "default") -> Recipe:
    """A named recipe: "default", what measures best, or "paper", every part of the paper as it was published.

    Raises ValueError for another name.
    """
    if name not in PRESETS:
        raise ValueError(f"there is no recipe {name!r}; known are {', '.join(PRESETS)}")
    return Recipe().with_overrides(PRESETS[name])
