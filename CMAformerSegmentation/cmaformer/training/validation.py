"""How good a training is, and how good its base was, on the held-out cases and on the model's grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from ..network.cmaformer import CMAformer
from ..network.device import autocast
from ..network.sliding_window import predict
from ..parallel import processes
from . import warm_start as warmstart
from .prediction import DICE, mean, means, measures_of_store, spread
from .training import Training

# Held-out cases that are looked at during the training; the result is measured on all of them.
MOST_CASES = 24


class Validation:
    """The held-out cases of a training, and what was found on them.

    Attributes:
        cases: numbers of the held-out cases.
        history: for each look during the training the "iteration", the "dice" of each class and "mean" of the teacher,
            and the same of the "student".
        before: Dice, HD95 in mm and volume error in ml of the base model (cases, compared classes, 3), None as long as
            nobody looked, empty where there is nothing to compare.
    """

    def __init__(self, training: Training) -> None:
        self.training = training
        self.cases = training.store.numbers("held-out")
        self.history: list[dict[str, Any]] = []
        self.baseline = warmstart.of_job(training.job) if self.cases else None
        self.before: list[list[list[float]]] | None = None
        # Measures of the teacher at looks at all cases, by iteration; not in checkpoints, they can be found again.
        self._complete: dict[int, np.ndarray] = {}

    def evaluate_base(self) -> None:
        """Look once at the base model, before anything is learned."""
        if self.baseline is None or self.before is not None:
            return
        if not self.baseline.compared:
            self.before = []
            self.training.events.warning(
                "nothing-to-compare",
                "The model that the training starts from knows none of these structures by name, "
                "so there is no comparison of before and after.",
            )
            return
        network = self.baseline.network(self.training.device, self.training.watcher.check)
        measures = self.compared(self.measures(network, self.cases, self.baseline))
        self.before, scores = measures.tolist(), measures[..., DICE]
        dice = {str(value): float(score) for value, score in zip(self.baseline.compared, means(scores))}
        values = {"before": {"dice": dice, "dice_mean": mean(scores)}}
        self.training.events.emit("metric", iteration=0, cases=len(self.cases), values=values)

    def is_done(self, iteration: int) -> bool:
        """Whether the look of an iteration is done."""
        return not self.cases or (bool(self.history) and self.history[-1]["iteration"] == iteration)

    def evaluate(self, iteration: int, phase: str, ends: bool = True) -> None:
        """Dice of teacher and student on at most MOST_CASES cases, per class, into the events and the history.

        Where a phase ends, the rest is measured, too, and kept.
        """
        cases = spread(self.cases, MOST_CASES)
        whole = ends and cases == self.cases
        measures = self.measures(self.training.state.teacher, cases, dice_alone=not whole)
        if whole:
            self._complete[iteration] = measures
        student = _summary(self.measures(self.training.state.student, cases, dice_alone=True))
        teacher = _summary(measures)
        self.history.append({"iteration": iteration, **teacher, "student": student})
        values = {"dice": teacher["dice"], "dice_mean": teacher["mean"]}
        values["student"] = {"dice": student["dice"], "dice_mean": student["mean"]}
        self.training.events.emit("metric", iteration=iteration, phase=phase, cases=len(cases), values=values)

    def measures(
        self, network: CMAformer, cases: list[int], base: warmstart.Baseline | None = None, dice_alone: bool = False
    ) -> np.ndarray:
        """What is measured of a network on some cases (cases, classes - 1, 3), as :func:`measures_of_store` does.

        Slices are seen through windows of the size of the patches.
        Several processes divide the cases among them, and all get the whole result. ``base`` says how the classes of a
        base model are to be read, and its own size of patches.
        """
        device, store = self.training.device, self.training.store
        patch, classes = (self.training.window, None) if base is None else (base.account.patch, base.classes)

        def logits(images: Tensor) -> Tensor:
            with autocast(device):
                return predict(network, images, patch).logits

        number, count = processes.number(), processes.count()
        own = measures_of_store(logits, store, cases[number::count], self.training.context, device, classes, dice_alone)
        measures = np.empty((len(cases), store.classes - 1, own.shape[2]))
        for start, part in enumerate(processes.collected(own)):
            measures[start::count] = part
        return measures

    def of_teacher(self, iteration: int) -> np.ndarray:
        """Measures of the teacher on all cases after an iteration: known if there was a look at them.

        The training's teacher must hold the weights of that iteration.
        """
        if iteration not in self._complete:
            self._complete[iteration] = self.measures(self.training.state.teacher, self.cases)
        return self._complete[iteration]

    def compared(self, measures: np.ndarray) -> np.ndarray:
        """Of the measures (cases, classes - 1, 3), the classes that the base knows too; none without a base."""
        chosen = [value - 1 for value in self.baseline.compared] if self.baseline is not None else []
        return measures[:, chosen]

    def state(self) -> dict[str, Any]:
        """What a checkpoint must keep."""
        return {"history": list(self.history), "before": self.before}

    def load(self, state: dict[str, Any]) -> None:
        """Back from :meth:`state`."""
        self.history, self.before = list(state["history"]), state.get("before")
        if np.ndim(self.before or []) == 2:  # of a version that measured Dice alone: measured again
            self.before = None


def _summary(measures: np.ndarray) -> dict[str, Any]:
    scores = measures[..., DICE]
    return {"dice": {str(c): float(s) for c, s in enumerate(means(scores), 1)}, "mean": mean(scores)}
