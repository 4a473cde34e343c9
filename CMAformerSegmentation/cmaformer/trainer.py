"""Training: student and teacher, schedule, checkpoints.

The student learns, first from labeled patches alone and then from labeled and unlabeled ones (``phases.py``); the
teacher follows as its exponential moving average and is the result. A training lives in a job folder and can be stopped
at any moment: a batch depends only on the seed and the iteration, and a checkpoint holds the rest.
"""

from __future__ import annotations

import copy
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import job as jobs
from .errors import CancelledError, EngineError
from .heldout import dice_of_store
from .network import CMAformer, NetworkConfig, Prediction
from .objectives.consistency import class_weights
from .optimizer import build
from .phases import SemiSupervisedPhase, SupervisedPhase, Windows, autocast
from .recipe import Recipe
from .slices import SliceStore
from .unlabeled import UnlabeledTerms

CHECKPOINT, SUPERVISED = "checkpoint.pt", "supervised.pt"
PROGRESS_S = 2.0
NANS_BEFORE_STOP = 3
# Mean Dice on the held-out cases that the semi-supervised phase may lose before the supervised model is kept.
LARGEST_LOSS = 0.01


@dataclass
class Kept:
    """The model that a training gives: from which phase, its weights, and the held-out Dice of each phase."""

    phase: str
    weights: dict[str, Tensor]
    scores: dict[str, np.ndarray]


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
        self.recipe = Recipe.from_dict(job.parameters["recipe"])
        self.context = int(job.parameters["context_slices"])
        self.store = SliceStore(job.folder / job.inputs["slices"])
        labeled = self.store.numbers("labeled")
        self.held_out = self.store.numbers("held-out")
        self.beta = class_weights(self.store.class_shares(labeled)[1:].tolist()).to(device)
        torch.manual_seed(job.seed)
        network = CMAformer(NetworkConfig.from_dict(job.parameters["network"]))
        if initial is not None:
            network.load_state_dict(initial)
        self.student: CMAformer = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.teacher = copy.deepcopy(self.student).requires_grad_(False).eval()
        self.unlabeled = UnlabeledTerms(self.recipe, self.store, self.context, job.seed).to(device)
        self.optimizer = build(self.recipe, [self.student, self.unlabeled])
        self.iteration = 0
        self.seconds = 0.0
        self.rate_factor = 1.0
        self.nans = 0
        self.history: list[dict[str, Any]] = []
        self.phases = [SupervisedPhase(self)]
        self.total = self.recipe.iterations
        if self.recipe.semi_iterations and self.store.numbers("unlabeled"):
            self.phases.append(SemiSupervisedPhase(self))
            self.total += self.recipe.semi_iterations

    # --- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Train to the end, or until the job is cancelled.

        Raises:
            CancelledError: asked to stop; a checkpoint was written.
            EngineError: the loss was not finite three times.
        """
        shown, since = 0.0, time.monotonic()
        self.student.train()
        with ThreadPoolExecutor(1) as reader:

            def read() -> Future[Windows]:
                phase = self.phase(self.iteration)
                phase.prepare(self.iteration)
                return reader.submit(phase.read, self.iteration)

            pending = read()
            while self.iteration < self.total:
                windows = pending.result()
                phase, following = self.phase(self.iteration), min(self.iteration + 1, self.total - 1)
                early = not self.phase(following).due(following)
                if early:
                    pending = reader.submit(self.phase(following).read, following)
                terms = self.step(phase, windows)
                if not np.isfinite(terms["loss"]):
                    self.recover()
                    pending = read()
                    continue
                self.iteration += 1
                now = time.monotonic()
                self.seconds += now - since
                since = now
                if self.iteration % 20 == 0:
                    values = {**terms, **(self.unlabeled.report() if "unlabeled" in terms else {})}
                    self.events.emit("metric", iteration=self.iteration, phase=phase.name, values=values)
                if now - shown > PROGRESS_S:
                    left = self.seconds / self.iteration * (self.total - self.iteration)
                    self.events.progress(self.iteration, self.total, left, unit="iterations")
                    shown = now
                self.after_step()
                if not early and self.iteration < self.total:
                    pending = read()

    def phase(self, iteration: int) -> SupervisedPhase:
        """The phase of an iteration."""
        return self.phases[0 if iteration < self.recipe.iterations else 1]

    def after_step(self) -> None:
        """Look at the held-out cases, save, and stop, where it is time to.

        Raises:
            CancelledError: asked to stop; a checkpoint was written.
        """
        recipe, ends = self.recipe, self.iteration in (self.recipe.iterations, self.total)
        if ends or (recipe.evaluate_every and self.iteration % recipe.evaluate_every == 0):
            self.evaluate()
        if self.iteration == recipe.iterations and len(self.phases) > 1:
            save_atomically({"teacher": self.teacher.state_dict()}, self.job.folder / SUPERVISED)
        cancelled = jobs.cancel_requested(self.job.folder)
        if ends or cancelled or self.iteration % recipe.checkpoint_every == 0:
            self.save_checkpoint()
        if cancelled:
            raise CancelledError()

    def step(self, phase: SupervisedPhase, windows: Windows) -> dict[str, float]:
        """One optimiser step; returns the terms of the loss."""
        rate = self.recipe.rate(self.iteration) * self.rate_factor
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        terms = phase.loss(windows)
        loss = terms["loss"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if torch.isfinite(loss):
            nn.utils.clip_grad_norm_(self.student.parameters(), self.recipe.clip)
            self.optimizer.step()
            self.follow()
        return {**{name: float(value.detach()) for name, value in terms.items()}, "learning_rate": rate}

    @torch.no_grad()
    def follow(self) -> None:
        """The teacher moves towards the student: an average that is short at first and 1 / (1 - ema) steps later on."""
        decay = min(1 - 1 / (self.iteration + 1), self.recipe.ema)
        for mean, value in zip(self.teacher.parameters(), self.student.parameters()):
            mean.lerp_(value, 1 - decay)
        self.unlabeled.follow(decay)

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

    # --- held-out cases ------------------------------------------------------------------------------------------

    def evaluate(self) -> None:
        """Dice of the teacher on the held-out cases, per class, into the events and the history."""
        if not self.held_out:
            return
        scores = self.scores()
        values = {str(c): float(np.nanmean(scores[:, c - 1])) for c in range(1, self.store.classes)}
        entry = {"iteration": self.iteration, "dice": values, "mean": float(np.nanmean(scores))}
        self.history.append(entry)
        self.events.emit("metric", iteration=self.iteration, values={"dice": values, "dice_mean": entry["mean"]})

    def scores(self) -> np.ndarray:
        """Dice of the teacher on every held-out case (cases, classes - 1), on the model's grid."""

        def logits(images: Tensor) -> Tensor:
            with autocast(self.device):
                result: Prediction = self.teacher(images)
            return result.logits

        return dice_of_store(logits, self.store, self.held_out, self.context, self.device)

    def keep_better(self) -> Kept:
        """The teacher of the last phase, unless the supervised one was clearly better on the held-out cases.

        More than LARGEST_LOSS of mean Dice must be lost before the second phase is dropped: a few held-out cases
        decide. Without held-out cases the last phase is kept.
        """
        last = self.phases[-1].name
        weights = {key: value.clone() for key, value in self.teacher.state_dict().items()}
        scores = {last: self.scores()} if self.held_out else {}
        path = self.job.folder / SUPERVISED
        if not scores or len(self.phases) == 1 or not path.exists():
            return Kept(last, weights, scores)
        supervised = torch.load(path, map_location=self.device, weights_only=True)["teacher"]
        self.teacher.load_state_dict(supervised)
        first = self.phases[0].name
        scores[first] = self.scores()
        if np.nanmean(scores[first]) - np.nanmean(scores[last]) <= LARGEST_LOSS:
            self.teacher.load_state_dict(weights)
            return Kept(last, weights, scores)
        self.events.warning(
            "supervised-kept",
            "The unlabeled cases did not help: the model trained on the labeled cases alone is kept, "
            "because it is better on the held-out cases.",
            "Check that the unlabeled images show the same anatomy and contrast as the labeled ones.",
        )
        return Kept(first, supervised, scores)

    # --- checkpoints ---------------------------------------------------------------------------------------------

    def save_checkpoint(self) -> None:
        """Everything that the next iteration depends on, written whole or not at all."""
        state = {
            "iteration": self.iteration,
            "seconds": self.seconds,
            "rate_factor": self.rate_factor,
            "nans": self.nans,
            "history": self.history,
            "student": self.student.state_dict(),
            "teacher": self.teacher.state_dict(),
            "unlabeled": self.unlabeled.state_dict(),
            "phases": [phase.state_dict() for phase in self.phases],
            "optimizer": self.optimizer.state_dict(),
        }
        save_atomically(state, self.job.folder / CHECKPOINT)
        self.events.emit("checkpoint", iteration=self.iteration)

    def load_checkpoint(self) -> bool:
        """Go on where the last checkpoint stands; False if there is none."""
        path = self.job.folder / CHECKPOINT
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.student.load_state_dict(state["student"])
        self.teacher.load_state_dict(state["teacher"])
        self.unlabeled.load_state_dict(state["unlabeled"])
        for phase, kept in zip(self.phases, state["phases"]):
            phase.load_state_dict(kept)
        self.optimizer.load_state_dict(state["optimizer"])
        self.iteration, self.seconds, self.history = state["iteration"], state["seconds"], state["history"]
        self.rate_factor, self.nans = state["rate_factor"], state["nans"]
        return True


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values to a file, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)
