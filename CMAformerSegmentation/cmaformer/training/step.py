"""One optimizer step: gradients in as much memory as there is, losses that are not finite, the teacher's update."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..door.errors import CancelledError, EngineError
from ..door.job import Events
from ..network.device import is_out_of_memory, release
from ..network.memory import not_even_one, not_together
from ..parallel import distributed, processes
from .optimizer import set_rate
from .state import TrainingState
from .supervised import SupervisedPhase, Windows

NANS_BEFORE_STOP = 3


class Stepper:
    """Takes the steps of a training.

    Args:
        state: what a step changes.
        events: where warnings go.
        device: of the networks.
        go_back: loads the last checkpoint into the state.
    """

    def __init__(self, state: TrainingState, events: Events, device: torch.device, go_back: Callable[[], bool]) -> None:
        self.state, self.events, self.device, self.go_back = state, events, device, go_back
        self.recipe = state.recipe

    def step(self, phase: SupervisedPhase, windows: Windows) -> dict[str, float] | None:
        """One optimizer step; returns the terms of the loss, or None if it went back to the last checkpoint instead."""
        rate = phase.training.schedule.rate(self.state.iteration) * self.state.rate_factor
        set_rate(self.state.optimizer, rate)
        terms = self.gradients(phase, windows)
        norm = nn.utils.clip_grad_norm_(self.state.student.parameters(), self.recipe.clip)
        if not torch.isfinite(terms["loss"] + norm):
            self.recover()
            return None
        try:
            self.state.optimizer.step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            terms = {}
        if not terms:  # some weights may have moved and others not
            self.halve()
            self.go_back()
            return None
        self.state.update_teacher()
        values = torch.stack([value.detach().float() for value in terms.values()]).tolist()  # waits for a GPU once
        return {**dict(zip(terms, values)), "learning_rate": rate}

    def gradients(self, phase: SupervisedPhase, windows: Windows) -> dict[str, Tensor]:
        """Compute the gradient of the phase's loss, in smaller portions if memory is short; returns the terms.

        Whatever ends it early, multipliers and memory bank are as they were before.
        """
        while True:
            before = {name: value.clone() for name, value in self.state.terms.state_dict().items()}
            self.state.optimizer.zero_grad(set_to_none=True)
            try:
                terms = phase.loss(windows)
                terms["loss"].backward()
                distributed.average_gradients(self.state.terms)
                return terms
            except CancelledError:
                self.state.terms.load_state_dict(before)
                raise
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # Only here is the error gone, and with it the tensors that it held.
            self.state.terms.load_state_dict(before)
            self.halve()

    def halve(self) -> None:
        """After memory was short: half as many patches at a time.

        Raises EngineError if it was one already, and with several processes, which cannot repeat a step alone.
        """
        self.state.optimizer.zero_grad(set_to_none=True)
        if self.state.rows == 1:
            raise not_even_one(self.device)
        if processes.several():
            raise not_together()
        self.state.set_rows(self.state.rows // 2)
        release(self.device)
        self.events.warning(
            "batch-halved",
            f"Memory is short: training goes on with {self.state.rows} of {self.recipe.batch_size} patches at a time, "
            f"summed up to the same batch. {self._result()}; a step takes longer.",
        )

    def _result(self) -> str:
        if self.state.student.config.norm == "batch":
            return "The network normalizes over fewer patches, so the result is a little different"
        return "The result is the same"

    def recover(self) -> None:
        """After a loss that is not finite: back to the last checkpoint with half the learning rate, twice at most."""
        self.state.nans += 1
        if self.state.nans >= NANS_BEFORE_STOP:
            raise EngineError(
                "loss-not-finite",
                f"The loss was not finite {self.state.nans} times, also with a smaller learning rate.",
                "Check the images for extreme values, or lower the learning rate.",
            )
        nans, factor = self.state.nans, self.state.rate_factor / 2
        self.go_back()
        self.state.nans, self.state.rate_factor = nans, factor
        self.events.warning(
            "loss-not-finite", "The loss was not finite; training goes on from the last checkpoint with half the rate."
        )
