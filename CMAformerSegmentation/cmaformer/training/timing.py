"""How long a training takes and how much memory it needs: a few real steps, timed; and a length that fits a budget."""

from __future__ import annotations

import json
import math
import statistics
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..door.errors import JobError
from ..door.files import write_json
from ..door.names import PREFLIGHT, SCHEDULE
from ..network.memory import peak_mb
from ..parallel import processes
from ..recipes.recipe import Recipe
from . import schedule
from .estimate import Estimate
from .prediction import spread
from .validation import MOST_CASES

if TYPE_CHECKING:
    from .loop import Trainer
    from .phases import SupervisedPhase

# Steps before the clock starts: the first ones allocate memory and choose algorithms.
WARM_STEPS, TIMED_STEPS = 1, 2
# Shorter trainings are over before a trial has told anything.
WORTH_A_TRIAL = 50
# Held-out cases that are timed; the others are reckoned by their pixels.
TIMED_CASES = 2
# Slices that the teacher looks at for the second phase, likewise.
TIMED_SLICES = 16
# Part of a budget that stays free, because steps are not all alike.
RESERVE = 0.05
# Fewer iterations than these teach a network little; with fewer than the second number a training does not begin.
FEWEST_USEFUL, FEWEST = 50, 10


def measure(trainer: Trainer) -> Estimate | None:
    """Time a few steps of each phase that is still to come, and a look at held-out cases; None where no step succeeds.

    A checkpoint is written first and loaded in the end, so that the trial changes nothing.

    Raises:
        CancelledError: asked to stop.
        EngineError: not even one patch at a time fits into memory.
    """
    start = time.monotonic()
    trainer.save_checkpoint()
    checkpoint_s = time.monotonic() - start
    iteration = trainer.state.iteration
    trainer.state.student.train()
    seconds: dict[str, float] = {}
    prepare_s = 0.0
    for phase in trainer.phases[0 if iteration < trainer.recipe.iterations else -1 :]:
        trainer.state.iteration = iteration if phase is trainer.phase(iteration) else trainer.recipe.iterations
        prepare_s = _time_prepare(trainer, phase)
        times: list[float] = []
        for _ in range(WARM_STEPS + TIMED_STEPS):
            start = time.monotonic()
            windows = phase.read(trainer.state.iteration)
            read = time.monotonic()
            if trainer.stepper.step(phase, windows) is None:
                break  # the real training will meet the same trouble, and tell of it
            # Windows are read beside the step before.
            times.append(max(read - start, time.monotonic() - read))
        if not times:
            trainer.load_checkpoint()
            return None
        seconds[phase.name] = statistics.median(times[WARM_STEPS:] or times)
    look_s, all_s = _time_validation(trainer)
    trainer.load_checkpoint()
    validation = trainer.validation
    finish_s = all_s * len(trainer.phases) if len(validation.cases) > MOST_CASES else 0.0
    if validation.baseline is not None and validation.before is None:
        finish_s += all_s
    return Estimate(seconds, 2 * look_s, prepare_s, checkpoint_s, finish_s, peak_mb(trainer.device))


def _time_prepare(trainer: Trainer, phase: SupervisedPhase) -> float:
    """Seconds that the phase needs before its windows can be read, reckoned from a look at a few slices."""
    recipe = phase.recipe
    slices = sum(trainer.store.cases[number]["shape"][0] for number in trainer.store.numbers("unlabeled"))
    every, few = min(slices, recipe.look_slices), min(slices, TIMED_SLICES)
    phase.recipe = recipe.with_overrides({"look_slices": few})
    try:
        start = time.monotonic()
        phase.prepare(trainer.state.iteration)
        return (time.monotonic() - start) * every / max(1, few)
    finally:
        phase.recipe = recipe


def _time_validation(trainer: Trainer) -> tuple[float, float]:
    """Seconds for one network on the cases of a look, and on all held-out cases."""
    validation = trainer.validation
    pixels = {number: math.prod(trainer.store.cases[number]["shape"]) for number in validation.cases}
    timed = spread(validation.cases, TIMED_CASES)
    if not timed:
        return 0.0, 0.0
    start = time.monotonic()
    validation.scores(trainer.state.teacher, timed)
    rate = (time.monotonic() - start) / sum(pixels[number] for number in timed)
    looked_at = spread(validation.cases, MOST_CASES)
    return rate * sum(pixels[number] for number in looked_at), rate * sum(pixels.values())


def _seconds_for(recipe: Recipe, estimate: Estimate, total: int) -> float:
    """Seconds of a training of that many iterations in all, with what stays free of a budget."""
    return estimate.seconds(_of_length(recipe, total)) / (1 - RESERVE)


def _of_length(recipe: Recipe, total: int) -> Recipe:
    """The recipe with that many iterations in all, its phases in their proportion, one iteration each at least."""
    second = recipe.semi_iterations
    later = max(1, round(total * second / (recipe.iterations + second))) if second else 0
    return recipe.with_overrides({"iterations": max(1, total - later), "semi_iterations": later})


def fit(recipe: Recipe, estimate: Estimate, seconds: float) -> Recipe:
    """The recipe with both phases made longer or shorter, in their proportion, to take that many seconds.

    RESERVE of them stays free. Each phase keeps at least one iteration.
    """
    wanted = seconds * (1 - RESERVE)
    low, high = 1, 10_000_000
    while low < high:  # the longest that is not too long
        middle = (low + high + 1) // 2
        if estimate.seconds(_of_length(recipe, middle)) <= wanted:
            low = middle
        else:
            high = middle - 1
    return _of_length(recipe, low)


def plan(trainer: Trainer, minutes: float | None, spent_s: float) -> Recipe:
    """Estimate a training and, with a budget, fit its length; both into the job folder and the events.

    Args:
        trainer: newly made, or back at its checkpoint.
        minutes: the budget of the whole training; None, or a length that was fitted before, changes nothing.
        spent_s: seconds of the budget that are gone.

    Returns:
        The recipe to train with; another than ``trainer.recipe`` where it was fitted just now.

    Raises:
        JobError: next to nothing fits into the budget ("budget-small").
        CancelledError, EngineError: as :func:`measure`.
    """
    recipe, folder = trainer.recipe, trainer.job.folder
    fitted = processes.agreed((folder / SCHEDULE).exists())
    fitting = minutes is not None and trainer.state.iteration == 0 and not fitted
    if not fitting and trainer.total - trainer.state.iteration < WORTH_A_TRIAL:
        return recipe
    start = time.monotonic()
    trainer.estimate = estimate = measure(trainer)
    if estimate is None:
        return recipe
    left = 60 * minutes - spent_s - (time.monotonic() - start) if fitting and minutes is not None else None
    return processes.on_rank_zero(lambda: _planned(trainer, estimate, minutes, left))


def _planned(trainer: Trainer, estimate: Estimate, minutes: float | None, left: float | None) -> Recipe:
    """Fit the recipe to the seconds that are ``left`` of a budget, if there is one, and tell of it."""
    recipe, folder = trainer.recipe, trainer.job.folder
    if left is not None and minutes is not None:
        recipe = fit(recipe, estimate, max(0.0, left))
        length = recipe.iterations + recipe.semi_iterations
        message = f"Only {length} iterations fit into {minutes:g} minutes."
        if length < FEWEST:
            enough = minutes + (_seconds_for(recipe, estimate, FEWEST_USEFUL) - left) / 60
            raise JobError(
                "budget-small",
                f"{message} That is too little to learn from.",
                f"Give it {math.ceil(enough)} minutes or more; it is slower while other work runs.",
            )
        schedule.keep(
            {"minutes": minutes, "iterations": recipe.iterations, "semi_iterations": recipe.semi_iterations}, folder
        )
        if length < FEWEST_USEFUL:
            hint = "Give more minutes, or a smaller patch, batch or network."
            trainer.events.warning("budget-small", message, hint)
    values = {
        **asdict(estimate),
        "iterations": recipe.iterations,
        "semi_iterations": recipe.semi_iterations,
        "seconds_left": estimate.seconds(recipe, trainer.state.iteration),
    }
    trainer.events.emit("metric", iteration=trainer.state.iteration, values={"estimate": values})
    path = folder / PREFLIGHT
    if path.exists():
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        write_json(path, {**report, "estimate": values}, indent=1)
    return recipe
