"""How long a training takes and how much memory it needs: a few real steps, timed; and a length that fits a budget."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..door.errors import JobError
from ..door.files import write_json
from ..door.names import PREFLIGHT
from ..network.memory import peak_mb
from ..parallel import processes
from ..recipes.recipe import Recipe
from . import schedule
from .estimate import Estimate
from .prediction import spread
from .validation import MOST_CASES

if TYPE_CHECKING:
    from .loop import Trainer
    from .supervised import SupervisedPhase

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
# What follows the last step may take longer than it took at the beginning.
SLOWER = 1.1
# Part of the time of the second phase that the teacher's looks at unlabeled slices may take.
LOOKING = 0.2
# Iterations between two of them, at least: the teacher must have learned something.
MOST_OFTEN = 100
# Fewer iterations than these teach a network little; with fewer than the second number a training does not begin.
FEWEST_USEFUL, FEWEST = 50, 10


def measure(trainer: Trainer) -> Estimate | None:
    """Time a few steps of each phase that is still to come, and a look at held-out cases; None where no step succeeds.

    A checkpoint is written first and loaded in the end, so that the trial changes nothing.

    Raises:
        CancelledError: asked to stop.
        EngineError: not even one patch at a time fits into memory.
    """
    start = trainer.clock()
    trainer.save_checkpoint()
    checkpoint_s = trainer.clock() - start
    iteration = trainer.state.iteration
    trainer.state.student.train()
    seconds: dict[str, float] = {}
    prepare_s = 0.0
    for phase in trainer.phases[1 if trainer.schedule.is_second(iteration) else 0 :]:
        trainer.state.iteration = iteration if phase is trainer.phase(iteration) else trainer.recipe.iterations
        prepare_s = _time_prepare(trainer, phase)
        times: list[float] = []
        for _ in range(WARM_STEPS + TIMED_STEPS):
            start = trainer.clock()
            windows = phase.read(trainer.state.iteration, phase.shrink(trainer.state.iteration))
            read = trainer.clock()
            if trainer.stepper.step(phase, windows) is None:
                break  # the real training will meet the same trouble, and tell of it
            # Windows are read beside the step before.
            times.append(max(read - start, trainer.clock() - read))
        if not times:
            trainer.load_checkpoint()
            return None
        # The fastest: what else the computer does at this moment says little about the next hour.
        seconds[phase.name] = min(times[WARM_STEPS:] or times)
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
    slices = sum(trainer.store.cases[number].shape[0] for number in trainer.store.numbers("unlabeled"))
    every, few = min(slices, recipe.look_slices), min(slices, TIMED_SLICES)
    phase.recipe = recipe.with_overrides({"look_slices": few})
    try:
        start = trainer.clock()
        phase.prepare(trainer.state.iteration)
        return (trainer.clock() - start) * every / max(1, few)
    finally:
        phase.recipe = recipe


def _time_validation(trainer: Trainer) -> tuple[float, float]:
    """Seconds for one network on the cases of a look, and on all held-out cases."""
    validation = trainer.validation
    pixels = {number: math.prod(trainer.store.cases[number].shape) for number in validation.cases}
    timed = spread(validation.cases, TIMED_CASES)
    if not timed:
        return 0.0, 0.0
    start = trainer.clock()
    validation.measures(trainer.state.teacher, timed, dice_alone=True)
    rate = (trainer.clock() - start) / sum(pixels[number] for number in timed)
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


def plan(trainer: Trainer, minutes: float | None, spent_s: float) -> tuple[schedule.Schedule, Estimate | None]:
    """How a training goes on: by its iterations, or by the time that it is given; into the job folder and the events.

    Args:
        trainer: newly made, or back at its checkpoint.
        minutes: the time for the whole training, or for what is left of it; None where it goes on as it was decided.
        spent_s: seconds of it that are gone.

    Returns:
        The schedule, and what the training costs here where that was measured.

    Raises:
        JobError: next to nothing fits into the budget ("budget-small").
        CancelledError, EngineError: as :func:`measure`.
    """
    folder, iteration = trainer.job.folder, trainer.state.iteration
    decided = schedule.of_job(trainer.recipe, folder, trainer.clock)
    timed = isinstance(decided, schedule.TimedSchedule)
    left = decided.total(iteration) - iteration
    if minutes is None and (timed or left < WORTH_A_TRIAL):
        return decided, None
    start = trainer.clock()
    # The steps of a training that goes by time need not be counted again.
    estimate = None if timed else measure(trainer)
    if minutes is not None:
        seconds = 60 * minutes - spent_s - (trainer.clock() - start)
        processes.on_rank_zero(lambda: _decide(trainer, decided, estimate, minutes, seconds))
        decided = schedule.of_job(trainer.recipe, folder, trainer.clock)
    if estimate is not None:
        processes.on_rank_zero(lambda: _tell(trainer, decided, estimate))
    return decided, estimate


def _decide(
    trainer: Trainer, before: schedule.Schedule, estimate: Estimate | None, minutes: float, seconds: float
) -> None:
    """Give a training so many seconds from here on, the end included."""
    recipe, folder, iteration = before.recipe, trainer.job.folder, trainer.state.iteration
    after_s = before.after_s if isinstance(before, schedule.TimedSchedule) else 0.0
    if estimate is not None:
        after_s = SLOWER * (estimate.look_s + estimate.finish_s + 2 * estimate.checkpoint_s)
        expected = fit(recipe, estimate, max(0.0, seconds))
        _refuse_too_little(trainer, estimate, expected, minutes, seconds)
        if not iteration:
            recipe = expected.with_overrides({"look_every": _look_every(recipe, estimate)})
    entries = {"minutes": minutes, "after_s": after_s}
    schedule.decide(recipe, folder, iteration, max(1.0, seconds - after_s), entries)


def _look_every(recipe: Recipe, estimate: Estimate) -> int:
    """Iterations between two looks of the teacher at unlabeled slices, which take a part of the time alone."""
    step = list(estimate.seconds_per_step.values())[-1]
    fewest = math.ceil(estimate.prepare_s / (LOOKING * step)) if step > 0 else 1
    return max(MOST_OFTEN, fewest) if recipe.look_every else 0


def _refuse_too_little(trainer: Trainer, estimate: Estimate, expected: Recipe, minutes: float, seconds: float) -> None:
    length = expected.iterations + expected.semi_iterations
    message = f"Only {length} iterations fit into {minutes:g} minutes."
    if length < FEWEST:
        enough = minutes + (_seconds_for(expected, estimate, FEWEST_USEFUL) - seconds) / 60
        raise JobError(
            schedule.TOO_LITTLE,
            f"{message} That is too little to learn from.",
            f"Give it {math.ceil(enough)} minutes or more; it is slower while other work runs.",
        )
    if length < FEWEST_USEFUL:
        hint = "Give more minutes, or a smaller patch, batch or network."
        trainer.events.warning(schedule.TOO_LITTLE, message, hint)


def _tell(trainer: Trainer, decided: schedule.Schedule, estimate: Estimate) -> None:
    """What the training costs here, for those who watch it."""
    recipe, iteration = decided.recipe, trainer.state.iteration
    values = {
        **asdict(estimate),
        "iterations": recipe.iterations,
        "semi_iterations": recipe.semi_iterations,
        "seconds_left": decided.seconds_left(iteration, 0.0, estimate)
        if isinstance(decided, schedule.TimedSchedule)
        else estimate.seconds(recipe, iteration),
    }
    trainer.events.emit("metric", iteration=iteration, values={"estimate": values})
    path = trainer.job.folder / PREFLIGHT
    if path.exists():
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        write_json(path, {**report, "estimate": values}, indent=1)
