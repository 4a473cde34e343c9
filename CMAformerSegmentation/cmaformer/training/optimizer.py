"""The optimizer of a recipe: AdamW, or the paper's SGD with Nesterov momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ..recipes.recipe import Recipe

# The parameters of the transformer by the beginnings of their names; see network.TransformerBottleneck.
TRANSFORMER = ("bottleneck.encoder.", "bottleneck.decoder.", "bottleneck.bias.")


def build(recipe: Recipe, modules: Sequence[nn.Module]) -> torch.optim.Optimizer:
    """The optimizer of some modules.

    Its learning rate is set at every step, to :meth:`cmaformer.recipes.recipe.Recipe.rate`. SGD with a momentum m moves
    1 / (1 - m) times as far as its learning rate says: the paper's 1e-3 at 0.99 is an effective 0.1.
    """
    # One kernel for all weights: on a processor a third of the time, which counts where steps are short.
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    devices = {p.device.type for module in modules for p in module.parameters()}
    fused = version >= (2, 4) and devices <= {"cpu", "cuda"}  # older ones do not have it for both and for SGD
    groups = [group for module in modules for group in parameter_groups(module, recipe)]
    if recipe.optimizer == "sgd":
        # Nesterov's momentum is refused where there is none.
        momentum = recipe.momentum
        return torch.optim.SGD(groups, recipe.learning_rate, momentum, nesterov=momentum > 0, fused=fused)
    return torch.optim.AdamW(groups, recipe.learning_rate, fused=fused)


def parameter_groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Weights decay; norms, biases and gains do not. The transformer has a learning rate of its own.

    "scale" of a group is its rate as a part of the recipe's: see :func:`set_rate`.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name.startswith(TRANSFORMER), parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": recipe.weight_decay if decays else 0.0,
            "scale": recipe.transformer_rate if slow else 1.0,
        }
        for (slow, decays), parameters in sorted(groups.items(), key=lambda item: (item[0][0], not item[0][1]))
    ]


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its part of a learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
