"""Training: student and teacher, schedule, checkpoints; Eq. (5) of the paper.

The supervised phase: every step draws a batch of labeled patches, the student learns from them, and the teacher follows
as its exponential moving average. The teacher is the result. A training lives in a job folder and can be stopped at any
moment: a batch depends only on the seed and the iteration, and a checkpoint holds the rest.
"""

from __future__ import annotations

import copy
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import job as jobs
from .augmentation import Batch, augment
from .device import precision
from .errors import CancelledError, EngineError
from .heldout import dice_of_store
from .network import CMAformer, NetworkConfig, Prediction
from .objectives.consistency import class_weights, consistency_loss
from .objectives.supervised import supervised_loss
from .recipe import Recipe
from .slices import Sampler, SliceStore

CHECKPOINT = "checkpoint.pt"
# Windows are larger than patches, so that rotated and shrunken patches find an image in their corners.
WINDOW = 1.5
PROGRESS_S = 2.0
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
        self.job, self.events, self.device = job, events, device
        self.recipe = Recipe.from_dict(job.parameters["recipe"])
        self.context = int(job.parameters["context_slices"])
        self.store = SliceStore(job.folder / job.inputs["slices"])
        labeled = self.store.numbers("labeled")
        window = 2 * round(self.recipe.patch * WINDOW / 2)
        self.sampler = Sampler(self.store, labeled, window, self.context, self.recipe.centred, job.seed)
        self.held_out = self.store.numbers("held-out")
        self.beta = class_weights(self.store.class_shares(labeled)[1:].tolist()).to(device)
        torch.manual_seed(job.seed)
        network = CMAformer(NetworkConfig.from_dict(job.parameters["network"]))
        if initial is not None:
            network.load_state_dict(initial)
        self.student = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.teacher = copy.deepcopy(self.student).requires_grad_(False).eval()
        self.optimizer = torch.optim.AdamW(parameter_groups(self.student, self.recipe.weight_decay), lr=1e-3)
        self.iteration = 0
        self.seconds = 0.0
        self.rate_factor = 1.0
        self.nans = 0
        self.history: list[dict[str, Any]] = []

    # --- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Train to the end, or until the job is cancelled.

        Raises:
            CancelledError: asked to stop; a checkpoint was written.
            EngineError: the loss was not finite three times.
        """
        total, shown, since = self.recipe.iterations, 0.0, time.monotonic()
        self.student.train()
        with ThreadPoolExecutor(1) as reader:
            pending = reader.submit(self.sampler.batch, self.recipe.batch_size, self.iteration)
            while self.iteration < total:
                windows = pending.result()
                pending = reader.submit(self.sampler.batch, self.recipe.batch_size, self.iteration + 1)
                terms = self.step(self.prepare(windows))
                if not np.isfinite(terms["loss"]):
                    self.recover()
                    pending = reader.submit(self.sampler.batch, self.recipe.batch_size, self.iteration)
                    continue
                self.iteration += 1
                now = time.monotonic()
                self.seconds += now - since
                since = now
                if self.iteration % 20 == 0:
                    self.events.emit("metric", iteration=self.iteration, values=terms)
                if now - shown > PROGRESS_S:
                    left = self.seconds / self.iteration * (total - self.iteration)
                    self.events.progress(self.iteration, total, left, unit="iterations")
                    shown = now
                last = self.iteration == total
                if last or (self.recipe.evaluate_every and self.iteration % self.recipe.evaluate_every == 0):
                    self.evaluate()
                if last or self.iteration % self.recipe.checkpoint_every == 0:
                    self.save_checkpoint()
                if jobs.cancel_requested(self.job.folder):
                    self.save_checkpoint()
                    raise CancelledError()

    def prepare(self, windows: dict[str, np.ndarray]) -> Batch:
        """Augmented patches of this iteration on the device."""
        rng = np.random.default_rng([self.job.seed, self.iteration, 1])
        return augment(windows, self.recipe.patch, self.recipe.augmentation, rng, self.device)

    def step(self, batch: Batch) -> dict[str, float]:
        """One optimiser step on a batch; returns the terms of the loss."""
        rate = self.recipe.rate(self.iteration) * self.rate_factor
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with autocast(self.device):
            prediction = self.student(batch.images, batch.frames)
        terms = self.objective(prediction, batch)
        loss = terms["loss"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if torch.isfinite(loss):
            nn.utils.clip_grad_norm_(self.student.parameters(), self.recipe.clip)
            self.optimizer.step()
            self.follow()
        return {**{name: float(value.detach()) for name, value in terms.items()}, "learning_rate": rate}

    def objective(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        """The supervised part of Eq. (5): lambda L_sup + gamma L_con on labeled patches."""
        logits, sdm = prediction.logits.float(), prediction.sdm.float()
        supervised = supervised_loss(logits, sdm, batch.labels, batch.distances)
        target = F.one_hot(batch.labels, logits.shape[1]).permute(0, 3, 1, 2).float()
        consistency = consistency_loss(logits, target, self.beta, self.recipe.alpha)
        loss = self.recipe.supervised_weight * supervised + self.recipe.consistency_weight * consistency
        for deep in prediction.deep:
            coarse = F.interpolate(target, size=deep.shape[2:], mode="area")
            loss = loss + self.recipe.deep_weight * consistency_loss(deep.float(), coarse, self.beta, self.recipe.alpha)
        return {"loss": loss, "supervised": supervised, "consistency": consistency}

    @torch.no_grad()
    def follow(self) -> None:
        """The teacher moves towards the student: an average that is short at first and 1 / (1 - ema) steps later on."""
        decay = min(1 - 1 / (self.iteration + 1), self.recipe.ema)
        for mean, value in zip(self.teacher.parameters(), self.student.parameters()):
            mean.lerp_(value, 1 - decay)

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
            "optimizer": self.optimizer.state_dict(),
        }
        path = self.job.folder / CHECKPOINT
        temporary = path.with_suffix(".tmp")
        torch.save(state, temporary)
        os.replace(temporary, path)
        self.events.emit("checkpoint", iteration=self.iteration)

    def load_checkpoint(self) -> bool:
        """Go on where the last checkpoint stands; False if there is none."""
        path = self.job.folder / CHECKPOINT
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.student.load_state_dict(state["student"])
        self.teacher.load_state_dict(state["teacher"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.iteration, self.seconds, self.history = state["iteration"], state["seconds"], state["history"]
        self.rate_factor, self.nans = state["rate_factor"], state["nans"]
        return True


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay; norms, biases and gains do not."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def autocast(device: torch.device) -> torch.autocast:
    """bf16 where the hardware computes it; fp32 elsewhere (fp16 would need loss scaling)."""
    enabled = precision(device) == torch.bfloat16
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)
