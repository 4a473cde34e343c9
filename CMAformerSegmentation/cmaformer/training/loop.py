"""Training: student and teacher, the loop, checkpoints.

The student learns, first from labeled patches alone and then from labeled and unlabeled ones (``supervised.py``,
``semi_supervised.py``); the teacher follows as its exponential moving average and is the result. A training lives in a
job folder and can be stopped at any moment: a batch depends only on the seed and the iteration, and a checkpoint holds
the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..data.slices import SliceStore
from ..door import job as jobs
from ..door.errors import CancelledError
from ..door.names import CHECKPOINT, SUPERVISED
from ..door.watcher import Watcher
from ..objectives.consistency import class_weights
from ..parallel import processes
from . import checkpoints
from .anatomy import Anatomy, learned
from .parameters import TrainParameters
from .schedule import Schedule, fitted
from .semi_supervised import SemiSupervisedPhase
from .state import TrainingState
from .step import Stepper
from .supervised import SupervisedPhase, Windows
from .teaching.patches import Patches
from .teaching.whole_volumes import WholeVolumes
from .validation import Validation

if TYPE_CHECKING:
    from .estimate import Estimate

PROGRESS_S = 2.0
METRIC_EVERY = 20
# Seconds after which a checkpoint is written, however few iterations were done: no more than that may be lost.
CHECKPOINT_S = 60.0
# Threads that read windows, and iterations that they are ahead, for a graphics card, which is faster than one of them.
READERS = 4

# Windows that are being read, by iteration, with the phase and the resolution that they are for.
Pending = dict[int, tuple[tuple[SupervisedPhase, int], "Future[Windows]"]]


class Trainer:
    """One training on a job folder whose slices are prepared.

    Args:
        job: the job; see :class:`cmaformer.training.parameters.TrainParameters`.
        events: where progress, metrics and warnings go.
        device: where to train.
        initial: weights to start from (already fitting), or None for a fresh network.
        watched: the folder in which somebody asks to stop; that of the job if None.
        clock: seconds of any origin.

    Attributes:
        window: side in pixels of the windows through which slices are looked at; None for whole slices.
    """

    def __init__(
        self,
        job: jobs.Job,
        events: jobs.Events,
        device: torch.device,
        initial: dict[str, Tensor] | None = None,
        watched: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.job, self.events, self.device, self.seed = job, events, device, job.seed
        self.watched, self.clock = watched or job.folder, clock
        self.parameters = TrainParameters.of(job)
        # Asked within iterations, too; several processes stop together, between two of them.
        self.watcher = Watcher(cancelled=lambda: not processes.several() and self.asked_to_stop())
        self.store = SliceStore(job.folder / job.inputs["slices"])
        recipe = processes.on_rank_zero(lambda: fitted(self.parameters.recipe, job.folder))
        if not self.store.numbers("unlabeled"):
            # All the time is for the labeled cases then.
            recipe = recipe.with_overrides(
                {"iterations": recipe.iterations + recipe.semi_iterations, "semi_iterations": 0}
            )
        self.recipe = recipe
        self.context, self.window = self.parameters.input.context_slices, self.parameters.input.patch
        self.beta = class_weights(self.store.class_shares(self.store.numbers("labeled"))[1:].tolist()).to(device)
        self.state = TrainingState(job, recipe, self.store, device, initial, self.watcher.check)
        self.stepper = Stepper(self.state, events, device, self.load_checkpoint)
        self.saved = -1
        self._counted = self._saved_at = self._shown = self.clock()
        self._looking_s = self._look_s = 0.0
        self.validation = Validation(self)
        self.estimate: Estimate | None = None
        self.phases = [SupervisedPhase(self)]
        if recipe.semi_iterations:
            teaching = WholeVolumes(self) if recipe.teaching == "volumes" else Patches(self)
            self.phases.append(SemiSupervisedPhase(self, teaching))
        self.schedule = Schedule(recipe)

    @cached_property
    def anatomy(self) -> Anatomy:
        """What the labeled cases show; looked at once, by a training that needs it."""
        return learned(self.store)

    # --- the loop ------------------------------------------------------------------------------------------------

    def run(self, schedule: Schedule, events: jobs.Events | None = None, estimate: Estimate | None = None) -> None:
        """Train to the end, or until the job is cancelled.

        Args:
            schedule: where the training stands, and when it ends; its recipe differs from the trainer's in what was
                fitted to a budget alone.
            events: where progress and metrics go from here on; the trainer's if None.
            estimate: what the training costs here, if it is known.

        Raises:
            CancelledError: asked to stop; a checkpoint was written.
            EngineError: the loss was not finite three times, or memory is too small for a single patch.
        """
        self.schedule, self.events, self.estimate = schedule, events or self.events, estimate
        self.recipe = self.state.recipe = self.stepper.recipe = schedule.recipe
        for phase in self.phases:
            phase.recipe = schedule.recipe
        self._look_s = estimate.look_s if estimate else 0.0
        self.state.student.train()
        self._counted = self._saved_at = self.clock()
        try:
            self._run()
        except CancelledError:
            self.save_checkpoint()  # wherever the request came, everything is as it was before the iteration
            raise

    def _run(self) -> None:
        ahead = READERS if self.device.type == "cuda" else 1
        with ThreadPoolExecutor(ahead) as readers:
            pending: Pending = {}
            self.end_iteration()
            while not self.schedule.is_over(self.state.iteration):
                iteration = self.state.iteration
                phase = self.phase(iteration)
                kind = phase, phase.shrink(iteration)
                if iteration not in pending or pending[iteration][0] != kind:  # not what was expected
                    phase.prepare(iteration)
                    pending = {iteration: (kind, readers.submit(phase.read, iteration, kind[1]))}
                _, future = pending.pop(iteration)
                windows = future.result()
                self._read_ahead(pending, readers, iteration, ahead)
                terms = self.stepper.step(phase, windows)
                if terms is None:
                    pending = {}
                    continue
                self.state.iteration = iteration + 1
                self.report_progress(phase, terms)
                self.end_iteration()

    def _read_ahead(
        self,
        pending: Pending,
        readers: ThreadPoolExecutor,
        iteration: int,
        ahead: int,
    ) -> None:
        """Have the windows of the next iterations read, up to one that the phase must be prepared for."""
        for following in range(iteration + 1, iteration + 1 + ahead):
            phase = self.phase(following)
            if self.schedule.is_over(following) or phase.due(following):
                break
            if following not in pending:
                kind = phase, phase.shrink(following)
                pending[following] = kind, readers.submit(phase.read, following, kind[1])

    def phase(self, iteration: int) -> SupervisedPhase:
        """The phase of an iteration; of one to come, as far as it is known."""
        return self.phases[1 if self.schedule.is_second(iteration) else 0]

    def report_progress(self, phase: SupervisedPhase, terms: dict[str, float]) -> None:
        """Send the events of an iteration that is done."""
        now = self.clock()
        self.state.seconds, self._counted = self.state.seconds + now - self._counted, now
        if self.state.iteration % METRIC_EVERY == 0:
            values = {**terms, **(self.state.terms.report() if "unlabeled" in terms else {})}
            self.events.emit("metric", iteration=self.state.iteration, phase=phase.name, values=values)
        if now - self._shown > PROGRESS_S:
            total = self.schedule.total(self.state.iteration)
            self.events.progress(self.state.iteration, total, self.seconds_left(), unit="iterations")
            self._shown = now

    def seconds_left(self) -> float:
        """What the rest will take: by the estimate, corrected by what the iterations so far took, or by those alone."""
        return self.schedule.seconds_left(self.state.iteration, self.state.seconds, self.estimate)

    def end_iteration(self) -> None:
        """Look at the held-out cases, save, and stop, where it is time to; what was done before is not repeated.

        Raises:
            CancelledError: asked to stop.
        """
        recipe, iteration, schedule = self.recipe, self.state.iteration, self.schedule
        self.validation.evaluate_base()
        schedule.begin(iteration)
        over, bound = schedule.is_over(iteration), iteration == schedule.boundary
        self._look(iteration, over or bound)
        if bound and len(self.phases) > 1 and processes.is_rank_zero():
            checkpoints.save_atomically({"teacher": self.state.teacher.state_dict()}, self.job.folder / SUPERVISED)
        late = not processes.several() and self.clock() - self._saved_at >= CHECKPOINT_S
        if iteration != self.saved and (over or bound or late or iteration % recipe.checkpoint_every == 0):
            self.save_checkpoint()
        if processes.agreed(self.asked_to_stop()):
            raise CancelledError()

    def _look(self, iteration: int, ends: bool) -> None:
        """Look at the held-out cases after an iteration that ends a phase, and now and then."""
        every = self.recipe.evaluate_every
        due = every and iteration % every == 0 and self.schedule.has_time_to_look(self._looking_s, self._look_s)
        if not iteration or not (ends or due) or self.validation.is_done(iteration):
            return
        begun = self.clock()
        self.validation.evaluate(iteration, self.phase(iteration - 1).name, ends)
        self._look_s = processes.on_rank_zero(lambda: self.clock() - begun)
        self._looking_s += self._look_s

    def asked_to_stop(self) -> bool:
        """Whether somebody asked to stop."""
        return jobs.cancel_requested(self.watched)

    # --- checkpoints ---------------------------------------------------------------------------------------------

    def save_checkpoint(self) -> None:
        """Everything that the next iteration depends on, written whole or not at all."""
        self.saved, self._saved_at = self.state.iteration, self.clock()
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
