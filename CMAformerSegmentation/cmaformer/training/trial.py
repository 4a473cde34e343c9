"""How many iterations fit into a time on this computer: a few steps on noise, timed, before there is any training."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from ..network.cmaformer import NetworkConfig, configuration
from ..network.device import autocast, choose_device, is_out_of_memory, out_of_memory, release
from ..network.memory import PortionedNetwork
from ..network.recorded import RecordedNetwork
from ..objectives.consistency import consistency_loss
from ..objectives.supervised import supervised_loss
from ..recipes.recipe import Recipe
from . import optimizer
from .choices import fresh

if TYPE_CHECKING:
    from ..models.model import Model

WARM_STEPS, TIMED_STEPS = 1, 3
# Part of a training that goes into steps; the rest prepares slices, labels unlabeled cases and looks at held-out ones.
SHARE = 0.8
# With fewer iterations a model is hardly adapted.
FEW = 500


def estimate(base: Model | None, classes: int, recipe: Recipe, minutes: float, device: str = "auto") -> dict[str, Any]:
    """What a training can do in a time.

    Args:
        base: the model to start from; None starts with a fresh ``small`` network.
        classes: of the new model, background included.
        recipe: the settings; its patches and batches count.
        minutes: the time.
        device: as for :func:`cmaformer.network.device.choose_device`.

    Returns:
        "seconds_per_step", "iterations" (about as many fit into the time), "few" (whether they are too few to gain
        much), and "device" ("cpu", "cuda" or "mps").

    Raises:
        EngineError: ``no-device``, or ``out-of-memory`` for a single patch.
    """
    if base is not None:
        config = NetworkConfig.from_dict({**base.description.network, "classes": classes})
    else:
        config = configuration("small", classes=classes, **fresh(minutes))
    where = choose_device(device)
    seconds = _seconds_per_step(config, recipe, where)
    iterations = int(SHARE * 60 * minutes / seconds)
    return {"seconds_per_step": seconds, "iterations": iterations, "few": iterations < FEW, "device": where.type}


def _seconds_per_step(config: NetworkConfig, recipe: Recipe, device: torch.device) -> float:
    """Seconds of a supervised step; fewer patches at a time where memory is short, as the trainer does."""
    rows = recipe.batch_size
    while True:
        try:
            return _time_steps(config, recipe, rows, device) * recipe.batch_size / rows
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        release(device)
        if rows == 1:
            raise out_of_memory(device)
        rows //= 2


def _time_steps(config: NetworkConfig, recipe: Recipe, rows: int, device: torch.device) -> float:
    network = PortionedNetwork(config).train().to(device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    learner = RecordedNetwork(network, device) if device.type == "cuda" else network
    frames = torch.tensor([[-1.0, -1.0, 1.0, 1.0]], device=device).repeat(rows, 1)
    steps = optimizer.build(recipe, [network])
    side, classes = recipe.patch, config.classes
    images = torch.randn(rows, config.in_channels, side, side, device=device)
    labels = torch.randint(classes, (rows, side, side), device=device)
    target = F.one_hot(labels, classes).permute(0, 3, 1, 2).float()
    distances = torch.rand(rows, classes - 1, side, side, device=device) * 2 - 1
    beta = torch.full((classes - 1,), 1 / (classes - 1), device=device)
    times = []
    for _ in range(WARM_STEPS + TIMED_STEPS):
        start = time.perf_counter()
        steps.zero_grad(set_to_none=True)
        with autocast(device):
            prediction = learner(images.contiguous(memory_format=torch.channels_last), frames)
        logits = prediction.logits.float()
        loss = supervised_loss(logits, prediction.sdm.float(), labels, distances)
        loss = loss + consistency_loss(logits, target, beta, recipe.alpha)
        loss.backward()
        optimizer.set_rate(steps, recipe.learning_rate)
        steps.step()
        float(loss.detach())  # waits for the device
        times.append(time.perf_counter() - start)
    return statistics.median(times[WARM_STEPS:])
