"""What a training changes, and all that its next iteration depends on: networks, optimizer, terms, counters."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..data.patch_pixels import patch_pixels
from ..data.slices import SliceStore
from ..door.job import Job
from ..network.cmaformer import CMAformer, NetworkConfig, Prediction
from ..network.memory import PortionedNetwork
from ..network.recorded import RecordedNetwork
from ..objectives import build
from ..parallel import distributed, processes
from ..recipes.recipe import Recipe
from . import optimizer
from .parameters import TrainParameters


class TrainingState:
    """Student, teacher, optimizer, terms and counters of a training.

    Args:
        job: says what the network is, and the seed.
        recipe: of the training.
        store: the slices, for the sizes of structures that the terms may want to know.
        device: where the networks are.
        initial: weights to start from (already fitting), or None for a fresh network.
        interrupt: called within the networks; what it raises ends the computation.

    Attributes:
        student: the network that learns.
        learner: the student as it is called: with several processes, its gradients are averaged.
        teacher: its exponential moving average, which is the result.
        terms: of the objective on unlabeled patches.
        optimizer: of the student and of what the terms learn.
        iteration: iterations that are done.
        seconds: that they took.
        rate_factor: of the learning rate; halved after a loss that was not finite.
        nans: how often that happened.
        rows: patches of a batch that go through the networks at a time.
    """

    def __init__(
        self,
        job: Job,
        recipe: Recipe,
        store: SliceStore,
        device: torch.device,
        initial: dict[str, Tensor] | None,
        interrupt: Callable[[], None],
    ) -> None:
        self.recipe, parameters = recipe, TrainParameters.of(job)
        torch.manual_seed(job.seed)
        network = PortionedNetwork(NetworkConfig.from_dict(dict(parameters.network)))
        if initial is not None:
            network.load_state_dict(initial)
        student: PortionedNetwork = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._portioned = (student, copy.deepcopy(student).requires_grad_(False).eval())
        for network in self._portioned:
            network.interrupt, network.side = interrupt, recipe.patch
        self.student: CMAformer = self._portioned[0]
        self.teacher: CMAformer = self._portioned[1]
        context = parameters.input.context_slices
        self.terms = build.build(recipe, store.classes, lambda: patch_pixels(store, recipe, context, job.seed)).to(
            device
        )
        self.learner: Callable[[Tensor, Tensor], Prediction] = distributed.shared(self.student, device)
        # With one patch a step, the further terms have batches of the same size, which cannot be recorded twice.
        alone = recipe.batch_size == 1 and len(self.terms)
        if device.type == "cuda" and not processes.several() and not alone:
            self.learner = RecordedNetwork(student, device)
        self.optimizer = optimizer.build(recipe, [self.student, self.terms])
        self.iteration, self.seconds = 0, 0.0
        self.rate_factor, self.nans = 1.0, 0
        self.set_rows(recipe.batch_size)

    def set_rows(self, rows: int) -> None:
        """How many patches of a batch go through the networks at a time."""
        self.rows = rows
        if isinstance(self.learner, RecordedNetwork):
            self.learner.forget()
        for network in self._portioned:
            network.rows = rows

    @torch.no_grad()
    def update_teacher(self) -> None:
        """The teacher moves towards the student: an average that is short at first and 1 / (1 - ema) steps later on."""
        decay = min(1 - 1 / (self.iteration + 1), self.recipe.ema)
        # Parameters, and statistics of batch norms: those of the weights of the last steps, averaged as they are.
        pairs = zip(self.teacher.state_dict().values(), self.student.state_dict().values())
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        torch._foreach_lerp_([average for average, _ in floats], [value for _, value in floats], 1 - decay)
        for kept, now in zip(self.teacher.buffers(), self.student.buffers()):
            if not kept.is_floating_point():  # batches seen
                kept.copy_(now)
        self.terms.update_teacher(decay)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values, for a checkpoint."""
        return {
            "iteration": self.iteration,
            "seconds": self.seconds,
            "rate_factor": self.rate_factor,
            "nans": self.nans,
            "rows": self.rows,
            "student": self.student.state_dict(),
            "teacher": self.teacher.state_dict(),
            "unlabeled": self.terms.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Back from :meth:`state_dict`; as many patches at a time as then, or fewer if memory was short since."""
        self.student.load_state_dict(state["student"])
        self.teacher.load_state_dict(state["teacher"])
        self.terms.load_state_dict(state["unlabeled"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.iteration, self.seconds = state["iteration"], state["seconds"]
        self.rate_factor, self.nans = state["rate_factor"], state["nans"]
        self.set_rows(min(self.rows, state.get("rows", self.rows)))
