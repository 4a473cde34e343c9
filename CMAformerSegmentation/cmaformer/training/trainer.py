"""Training: student and teacher, the loop, checkpoints.

The student learns, first from labeled patches alone and then from labeled and unlabeled ones (``phases.py``); the
teacher follows as its exponential moving average and is the result. A training lives in a job folder and can be stopped
at any moment: a batch depends only on the seed and the iteration, and a checkpoint holds the rest.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..data.patch_pixels import patch_pixels
from ..data.slices import SliceStore
from ..door import job as jobs
from ..door.errors import CancelledError, EngineError
from ..door.names import CHECKPOINT, SUPERVISED
from ..network.cmaformer import CMAformer, NetworkConfig, Prediction
from ..network.device import is_out_of_memory, release
from ..network.memory import PortionedNetwork, not_even_one, not_together
from ..objectives import build
from ..objectives.consistency import class_weights
from ..parallel import distributed, processes
from ..recipes.recipe import Recipe
from . import checkpoints, optimizer
from .phases import SemiSupervisedPhase, SupervisedPhase, Windows
from .schedule import fitted
from .teaching.volumes_phase import VolumesPhase
from .validation import Validation

if TYPE_CHECKING:
    from .estimate import Estimate

PROGRESS_S = 2.0
METRIC_EVERY = 20
NANS_BEFORE_STOP = 3


class Trainer:
    """One training on a job folder whose slices are prepared.

    Args:
        job: the job; ``job.parameters`` holds "network", "recipe" and "context_slices".
        events: where progress, metrics and warnings go.
        device: where to train.
        initial: weights to start from (already fitting), or None for a fresh network.
    """

    def __init__(
        self, job: jobs.Job, events: jobs.Events, device: torch.device, initial: dict[str, Tensor] | None = None
    ) -> None:
        self.job, self.events, self.device, self.seed = job, events, device, job.seed
        self.store = SliceStore(job.folder / job.inputs["slices"])
        recipe = processes.on_rank_zero(lambda: fitted(Recipe.from_dict(job.parameters["recipe"]), job.folder))
        if not self.store.numbers("unlabeled"):
            # All the time is for the labeled cases then.
            recipe = recipe.with_overrides(
                {"iterations": recipe.iterations + recipe.semi_iterations, "semi_iterations": 0}
            )
        self.recipe = recipe
        self.context = int(job.parameters["context_slices"])
        self.beta = class_weights(self.store.class_shares(self.store.numbers("labeled"))[1:].tolist()).to(device)
        torch.manual_seed(job.seed)
        network = PortionedNetwork(NetworkConfig.from_dict(job.parameters["network"]))
        if initial is not None:
            network.load_state_dict(initial)
        student: PortionedNetwork = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.portioned = (student, copy.deepcopy(student).requires_grad_(False).eval())
        for network in self.portioned:
            network.interrupt = self.check
        self.student: CMAformer = self.portioned[0]
        self.learner: Callable[[Tensor, Tensor], Prediction] = distributed.shared(self.student, device)
        self.teacher: CMAformer = self.portioned[1]
        self.terms = build.build(
            recipe, self.store.classes, lambda: patch_pixels(self.store, recipe, self.context, job.seed)
        ).to(device)
        self.optimizer = optimizer.build(recipe, [self.student, self.terms])
        self.set_rows(recipe.batch_size)
        self.iteration, self.saved = 0, -1
        self.seconds, self.clock, self.shown = 0.0, 0.0, 0.0
        self.rate_factor, self.nans = 1.0, 0
        self.validation = Validation(self)
        self.estimate: Estimate | None = None
        self.phases = [SupervisedPhase(self)]
        if recipe.semi_iterations:
            self.phases.append(VolumesPhase(self) if recipe.teaching == "volumes" else SemiSupervisedPhase(self))
        self.total = recipe.iterations + recipe.semi_iterations

    def set_length(self, recipe: Recipe) -> None:
        """Train with a recipe that differs in the lengths of both phases alone; before the first iteration."""
        self.recipe, self.total = recipe, recipe.iterations + recipe.semi_iterations
        for phase in self.phases:
            phase.recipe = recipe

    # --- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Train to the end, or until the job is cancelled.

        Raises:
            CancelledError: asked to stop; a checkpoint was written.
            EngineError: the loss was not finite three times, or memory is too small for a single patch.
        """
        self.student.train()
        self.clock, self.shown = time.monotonic(), 0.0
        try:
            self._run()
        except CancelledError:
            self.save_checkpoint()  # wherever the request came, everything is as it was before the iteration
            raise

    def _run(self) -> None:
        pending: Future[Windows] | None = None
        with ThreadPoolExecutor(1) as reader:
            self.end_iteration()
            while self.iteration < self.total:
                phase, following = self.phase(self.iteration), self.iteration + 1
                if pending is None:
                    phase.prepare(self.iteration)
                    pending = reader.submit(phase.read, self.iteration)
                windows, pending = pending.result(), None
                if following < self.total and not self.phase(following).due(following):
                    pending = reader.submit(self.phase(following).read, following)
                terms = self.step(phase, windows)
                if terms is None:
                    pending = None
                    continue
                self.iteration = following
                self.report_progress(phase, terms)
                self.end_iteration()

    def phase(self, iteration: int) -> SupervisedPhase:
        """The phase of an iteration."""
        return self.phases[0 if iteration < self.recipe.iterations else 1]

    def report_progress(self, phase: SupervisedPhase, terms: dict[str, float]) -> None:
        """Send the events of an iteration that is done."""
        now = time.monotonic()
        self.seconds, self.clock = self.seconds + now - self.clock, now
        if self.iteration % METRIC_EVERY == 0:
            values = {**terms, **(self.terms.report() if "unlabeled" in terms else {})}
            self.events.emit("metric", iteration=self.iteration, phase=phase.name, values=values)
        if now - self.shown > PROGRESS_S:
            self.events.progress(self.iteration, self.total, self.seconds_left(), unit="iterations")
            self.shown = now

    def seconds_left(self) -> float:
        """What the rest will take: by the estimate, corrected by what the iterations so far took, or by those alone."""
        rest = self.total - self.iteration
        if self.estimate is None:
            return self.seconds / self.iteration * rest
        expected = self.estimate.seconds(self.recipe, self.iteration)
        done = self.estimate.seconds(self.recipe) - expected
        return expected * (self.seconds / done if done > 0 else 1.0)

    def end_iteration(self) -> None:
        """Look at the held-out cases, save, and stop, where it is time to; what was done before is not repeated.

        Raises:
            CancelledError: asked to stop.
        """
        recipe, iteration = self.recipe, self.iteration
        ends = iteration in (recipe.iterations, self.total)
        self.validation.evaluate_base()
        due = iteration and (ends or (recipe.evaluate_every and iteration % recipe.evaluate_every == 0))
        if due and not self.validation.is_done(iteration):
            self.validation.evaluate(iteration, self.phase(iteration - 1).name)
        if iteration == recipe.iterations and len(self.phases) > 1 and processes.is_rank_zero():
            checkpoints.save_atomically({"teacher": self.teacher.state_dict()}, self.job.folder / SUPERVISED)
        if iteration != self.saved and (ends or iteration % recipe.checkpoint_every == 0):
            self.save_checkpoint()
        if processes.agreed(self.asked_to_stop()):
            raise CancelledError()

    def check(self) -> None:
        """Called again and again, also within an iteration. Raises CancelledError if somebody asked to stop.

        Several processes stop together, between two iterations.
        """
        if not processes.several() and self.asked_to_stop():
            raise CancelledError()

    def asked_to_stop(self) -> bool:
        """Whether somebody asked to stop."""
        return jobs.cancel_requested(self.job.folder)

    # --- one step ------------------------------------------------------------------------------------------------

    def step(self, phase: SupervisedPhase, windows: Windows) -> dict[str, float] | None:
        """One optimizer step; returns the terms of the loss, or None if it went back to the last checkpoint instead."""
        rate = self.recipe.rate(self.iteration) * self.rate_factor
        optimizer.set_rate(self.optimizer, rate)
        terms = self.gradients(phase, windows)
        norm = nn.utils.clip_grad_norm_(self.student.parameters(), self.recipe.clip)
        if not torch.isfinite(terms["loss"] + norm):
            self.recover()
            return None
        try:
            self.optimizer.step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            terms = {}
        if not terms:  # some weights may have moved and others not
            self.halve()
            self.load_checkpoint()
            return None
        self.update_teacher()
        return {**{name: float(value.detach()) for name, value in terms.items()}, "learning_rate": rate}

    def gradients(self, phase: SupervisedPhase, windows: Windows) -> dict[str, Tensor]:
        """Compute the gradient of the phase's loss, in smaller portions if memory is short; returns the terms.

        Whatever ends it early, multipliers and memory bank are as they were before.
        """
        while True:
            before = {name: value.clone() for name, value in self.terms.state_dict().items()}
            self.optimizer.zero_grad(set_to_none=True)
            try:
                terms = phase.loss(windows)
                terms["loss"].backward()
                distributed.average_gradients(self.terms)
                return terms
            except CancelledError:
                self.terms.load_state_dict(before)
                raise
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # Only here is the error gone, and with it the tensors that it held.
            self.terms.load_state_dict(before)
            self.halve()

    def set_rows(self, rows: int) -> None:
        """How many patches of a batch go through the networks at a time."""
        self.rows = rows
        for network in self.portioned:
            network.rows = rows

    def halve(self) -> None:
        """After memory was short: half as many patches at a time.

        Raises EngineError if it was one already, and with several processes, which cannot repeat a step alone.
        """
        self.optimizer.zero_grad(set_to_none=True)
        release(self.device)
        if self.rows == 1:
            raise not_even_one(self.device)
        if processes.several():
            raise not_together()
        self.set_rows(self.rows // 2)
        self.events.warning(
            "batch-halved",
            f"Memory is short: training goes on with {self.rows} of {self.recipe.batch_size} patches at a time, "
            "summed up to the same batch. The result is the same; a step takes longer.",
        )

    @torch.no_grad()
    def update_teacher(self) -> None:
        """The teacher moves towards the student: an average that is short at first and 1 / (1 - ema) steps later on."""
        decay = min(1 - 1 / (self.iteration + 1), self.recipe.ema)
        for average, value in zip(self.teacher.parameters(), self.student.parameters()):
            average.lerp_(value, 1 - decay)
        self.terms.update_teacher(decay)

    def recover(self) -> None:
        """After a loss that is not finite: back to the last checkpoint with half the learning rate, twice at most."""
        self.nans += 1
        if self.nans >= NANS_BEFORE_STOP:
            raise EngineError(
                "loss-not-finite",
                f"The loss was not finite {self.nans} times, also with a smaller learning rate.",
                "Check the images for extreme values, or lower the learning rate.",
            )
        nans, factor = self.nans, self.rate_factor / 2
        self.load_checkpoint()
        self.nans, self.rate_factor = nans, factor
        self.events.warning(
            "loss-not-finite", "The loss was not finite; training goes on from the last checkpoint with half the rate."
        )

    # --- checkpoints ---------------------------------------------------------------------------------------------

    def save_checkpoint(self) -> None:
        """Everything that the next iteration depends on, written whole or not at all."""
        self.saved = self.iteration
        if not processes.is_rank_zero():
            return
        state = {
            "iteration": self.iteration,
            "seconds": self.seconds,
            "rate_factor": self.rate_factor,
            "nans": self.nans,
            "rows": self.rows,
            **self.validation.state(),
            "student": self.student.state_dict(),
            "teacher": self.teacher.state_dict(),
            "unlabeled": self.terms.state_dict(),
            "phases": [phase.state_dict() for phase in self.phases],
            "optimizer": self.optimizer.state_dict(),
        }
        checkpoints.save_atomically(state, self.job.folder / CHECKPOINT)
        self.events.emit("checkpoint", iteration=self.iteration)

    def load_checkpoint(self) -> bool:
        """Go on where the last checkpoint stands; False if there is none."""
        state = checkpoints.load_for_all(self.job.folder / CHECKPOINT)
        if state is None:
            return False
        self.student.load_state_dict(state["student"])
        self.teacher.load_state_dict(state["teacher"])
        self.terms.load_state_dict(state["unlabeled"])
        for phase, kept in zip(self.phases, state["phases"]):
            phase.load_state_dict(kept)
        self.optimizer.load_state_dict(state["optimizer"])
        self.iteration = self.saved = state["iteration"]
        self.validation.load(state)
        self.seconds, self.rate_factor, self.nans = state["seconds"], state["rate_factor"], state["nans"]
        self.set_rows(min(self.rows, state.get("rows", self.rows)))
        return True
