"""The optimiser of a recipe: AdamW, or the paper's SGD with Nesterov momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .recipe import Recipe


def build(recipe: Recipe, modules: Sequence[nn.Module]) -> torch.optim.Optimizer:
    """The optimiser of some modules.

    Its learning rate is set at every step, to :meth:`cmaformer.recipe.Recipe.rate`. SGD with a momentum m moves
    1 / (1 - m) times as far as its learning rate says: the paper's 1e-3 at 0.99 is an effective 0.1.
    """
    # One kernel for all weights: on a processor a third of the time, which counts where steps are short.
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    devices = {p.device.type for module in modules for p in module.parameters()}
    fused = version >= (2, 4) and devices <= {"cpu", "cuda"}  # older ones do not have it for both and for SGD
    groups = [group for module in modules for group in parameter_groups(module, recipe.weight_decay)]
    if recipe.optimizer == "sgd":
        # Nesterov's momentum is refused where there is none.
        momentum = recipe.momentum
        return torch.optim.SGD(groups, recipe.learning_rate, momentum, nesterov=momentum > 0, fused=fused)
    return torch.optim.AdamW(groups, recipe.learning_rate, fused=fused)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay; norms, biases and gains do not."""
    learned = [p for p in network.parameters() if p.requires_grad]
    weights = [p for p in learned if p.ndim > 1]
    others = [p for p in learned if p.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
