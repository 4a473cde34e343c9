"""Training: student and teacher, the loop, checkpoints.

The student learns, first from labeled patches alone and then from labeled and unlabeled ones (``phases.py``); the
teacher follows as its exponential moving average and is the result. A training lives in a job folder and can be stopped
at any moment: a batch depends only on the seed and the iteration, and a checkpoint holds the rest.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..data.slices import SliceStore
from ..door import job as jobs
from ..door.errors import CancelledError
from ..door.names import CHECKPOINT, SUPERVISED
from ..objectives.consistency import class_weights
from ..parallel import processes
from ..recipes.recipe import Recipe
from . import checkpoints
from .phases import SemiSupervisedPhase, SupervisedPhase, Windows
from .schedule import fitted
from .state import TrainingState
from .step import Stepper
from .teaching.volumes_phase import VolumesPhase
from .validation import Validation

if TYPE_CHECKING:
    from .estimate import Estimate

PROGRESS_S = 2.0
METRIC_EVERY = 20
# Threads that read windows, and iterations that they are ahead, for a graphics card, which is faster than one of them.
READERS = 4


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
        self.state = TrainingState(job, recipe, self.store, device, initial, self.check)
        self.stepper = Stepper(self.state, events, device, self.load_checkpoint)
        self.saved = -1
        self.clock, self.shown = 0.0, 0.0
        self.validation = Validation(self)
        self.estimate: Estimate | None = None
        self.phases = [SupervisedPhase(self)]
        if recipe.semi_iterations:
            self.phases.append(VolumesPhase(self) if recipe.teaching == "volumes" else SemiSupervisedPhase(self))
        self.total = recipe.iterations + recipe.semi_iterations

    def set_length(self, recipe: Recipe) -> None:
        """Train with a recipe that differs in the lengths of both phases alone; before the first iteration."""
        self.recipe, self.total = recipe, recipe.iterations + recipe.semi_iterations
        self.state.recipe = self.stepper.recipe = recipe
        for phase in self.phases:
            phase.recipe = recipe

    # --- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Train to the end, or until the job is cancelled.

        Raises:
            CancelledError: asked to stop; a checkpoint was written.
            EngineError: the loss was not finite three times, or memory is too small for a single patch.
        """
        self.state.student.train()
        self.clock, self.shown = time.monotonic(), 0.0
        try:
            self._run()
        except CancelledError:
            self.save_checkpoint()  # wherever the request came, everything is as it was before the iteration
            raise

    def _run(self) -> None:
        ahead = READERS if self.device.type == "cuda" else 1
        with ThreadPoolExecutor(ahead) as readers:
            pending: dict[int, Future[Windows]] = {}
            self.end_iteration()
            while self.state.iteration < self.total:
                iteration = self.state.iteration
                phase = self.phase(iteration)
                if iteration not in pending:
                    phase.prepare(iteration)
                    pending = {iteration: readers.submit(phase.read, iteration)}
                windows = pending.pop(iteration).result()
                self._read_ahead(pending, readers, iteration, ahead)
                terms = self.stepper.step(phase, windows)
                if terms is None:
                    pending = {}
                    continue
                self.state.iteration = iteration + 1
                self.report_progress(phase, terms)
                self.end_iteration()

    def _read_ahead(
        self, pending: dict[int, Future[Windows]], readers: ThreadPoolExecutor, iteration: int, ahead: int
    ) -> None:
        """Have the windows of the next iterations read, up to one that the phase must be prepared for."""
        for following in range(iteration + 1, min(iteration + 1 + ahead, self.total)):
            phase = self.phase(following)
            if phase.due(following):
                break
            if following not in pending:
                pending[following] = readers.submit(phase.read, following)

    def phase(self, iteration: int) -> SupervisedPhase:
        """The phase of an iteration."""
        return self.phases[0 if iteration < self.recipe.iterations else 1]

    def report_progress(self, phase: SupervisedPhase, terms: dict[str, float]) -> None:
        """Send the events of an iteration that is done."""
        now = time.monotonic()
        self.state.seconds, self.clock = self.state.seconds + now - self.clock, now
        if self.state.iteration % METRIC_EVERY == 0:
            values = {**terms, **(self.state.terms.report() if "unlabeled" in terms else {})}
            self.events.emit("metric", iteration=self.state.iteration, phase=phase.name, values=values)
        if now - self.shown > PROGRESS_S:
            self.events.progress(self.state.iteration, self.total, self.seconds_left(), unit="iterations")
            self.shown = now

    def seconds_left(self) -> float:
        """What the rest will take: by the estimate, corrected by what the iterations so far took, or by those alone."""
        rest = self.total - self.state.iteration
        if self.estimate is None:
            return self.state.seconds / self.state.iteration * rest
        expected = self.estimate.seconds(self.recipe, self.state.iteration)
        done = self.estimate.seconds(self.recipe) - expected
        return expected * (self.state.seconds / done if done > 0 else 1.0)

    def end_iteration(self) -> None:
        """Look at the held-out cases, save, and stop, where it is time to; what was done before is not repeated.

        Raises:
            CancelledError: asked to stop.
        """
        recipe, iteration = self.recipe, self.state.iteration
        ends = iteration in (recipe.iterations, self.total)
        self.validation.evaluate_base()
        due = iteration and (ends or (recipe.evaluate_every and iteration % recipe.evaluate_every == 0))
        if due and not self.validation.is_done(iteration):
            self.validation.evaluate(iteration, self.phase(iteration - 1).name)
        if iteration == recipe.iterations and len(self.phases) > 1 and processes.is_rank_zero():
            checkpoints.save_atomically({"teacher": self.state.teacher.state_dict()}, self.job.folder / SUPERVISED)
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

    # --- checkpoints ---------------------------------------------------------------------------------------------

    def save_checkpoint(self) -> None:
        """Everything that the next iteration depends on, written whole or not at all."""
        self.saved = self.state.iteration
        if not processes.is_rank_zero():
            return
        phases = [phase.state_dict() for phase in self.phases]
        state = {**self.state.state_dict(), **self.validation.state(), "phases": phases}
        checkpoints.save_atomically(state, self.job.folder / CHECKPOINT)
        self.events.emit("checkpoint", iteration=self.state.iteration)

    def load_checkpoint(self) -> bool:
        """Go on where the last checkpoint stands; False if there is none."""
        state = checkpoints.load_for_all(self.job.folder / CHECKPOINT)
        if state is None:
            return False
        self.state.load_state_dict(state)
        for phase, kept in zip(self.phases, state["phases"]):
            phase.load_state_dict(kept)
        self.saved = self.state.iteration
        self.validation.load(state)
        return True
