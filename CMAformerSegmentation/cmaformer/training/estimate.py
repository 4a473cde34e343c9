"""What a training costs on this computer."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..recipes.recipe import Recipe


@dataclass(frozen=True)
class Estimate:
    """What a training costs on this computer.

    Attributes:
        seconds_per_step: of each phase, by its name.
        look_s: seconds for a look at the held-out cases (teacher and student).
        prepare_s: seconds that the second phase needs for the teacher's look at unlabeled slices, each time.
        checkpoint_s: seconds for a checkpoint.
        finish_s: seconds for what else is measured on the held-out cases: the model that it starts from, and every
            phase's model where the looks do not see all of them.
        peak_mb: most memory used, in MiB; None where it is not known.
    """

    seconds_per_step: dict[str, float]
    look_s: float
    prepare_s: float
    checkpoint_s: float
    finish_s: float
    peak_mb: float | None

    def seconds(self, recipe: Recipe, done: int = 0) -> float:
        """Seconds from an iteration to the end of a training."""
        steps = list(self.seconds_per_step.values())
        first, last = steps[0], steps[-1]
        total = recipe.iterations + recipe.semi_iterations
        supervised = max(0, recipe.iterations - done)
        left = total - done
        looks = (left // recipe.evaluate_every if recipe.evaluate_every else 0) + (2 if recipe.semi_iterations else 1)
        seconds = supervised * first + (left - supervised) * last + looks * self.look_s + self.finish_s
        if recipe.look_every and recipe.semi_iterations:
            seconds += math.ceil((left - supervised) / recipe.look_every) * self.prepare_s
        return seconds + left / recipe.checkpoint_every * self.checkpoint_s
