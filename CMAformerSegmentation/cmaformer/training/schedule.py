"""Where a training stands between its beginning and its end: by iterations, or by the time that it was given.

A length that was fitted to a budget lies in a file of its own, because ``job.json`` never changes; the share of the
budget that was gone before each iteration lies in another, so that a resumed training repeats what it repeats exactly.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..door.errors import JobError
from ..door.files import write_json, write_text
from ..door.names import SCHEDULE, SHARES
from ..parallel import processes
from ..recipes.recipe import Recipe

if TYPE_CHECKING:
    from .estimate import Estimate

# Code of the error where next to nothing fits into the time.
TOO_LITTLE = "budget-small"
# Settings of a recipe that are fitted to a budget.
FITTED = ("iterations", "semi_iterations", "look_every")
# Part of the elapsed time that looks at held-out cases may take, where time is short.
LOOKING = 0.1


def fitted(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with what was fitted to the budget of a job, if it was.

    Raises:
        JobError: the file is damaged.
    """
    try:
        return recipe.with_overrides({name: int(value) for name, value in kept(folder).items() if name in FITTED})
    except (ValueError, TypeError):
        raise _damaged() from None


def keep(entries: Mapping[str, Any], folder: Path) -> None:
    """Write what was fitted, and what led to it, whole or not at all.

    "minutes" of the budget, "seconds" of them for the steps (not there where the length is fixed), "after_s" for what
    follows them, and settings of the recipe (:data:`FITTED`).
    """
    write_json(folder / SCHEDULE, dict(entries), indent=1)


def kept(folder: Path) -> dict[str, Any]:
    """What :func:`keep` wrote; empty if there is none. Raises JobError if it is damaged."""
    path = folder / SCHEDULE
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise _damaged() from None
    if not isinstance(entries, dict):
        raise _damaged()
    return entries


def _damaged() -> JobError:
    return JobError("bad-job", f"{SCHEDULE} of the training is damaged.", "Start the training again.")


class Schedule:
    """A training of a fixed length: it gives the same bits on every computer that rounds alike.

    Args:
        recipe: says how long both phases are.

    Attributes:
        boundary: the first iteration of the second phase; the end where there is none. None: it is not known yet.
    """

    boundary: int | None

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.boundary = recipe.iterations

    def begin(self, iteration: int) -> None:
        """Called before each iteration, and at the end."""

    def is_second(self, iteration: int) -> bool:
        """Whether an iteration belongs to the second phase; of one to come, as far as it is known."""
        return iteration >= self.recipe.iterations and self.recipe.semi_iterations > 0

    def is_over(self, iteration: int) -> bool:
        """Whether no iteration is left."""
        return iteration >= self.recipe.iterations + self.recipe.semi_iterations

    def share_of_first(self, iteration: int) -> float:
        """Part of the first phase that is done before an iteration."""
        return iteration / self.recipe.iterations

    def rate(self, iteration: int) -> float:
        """Learning rate of an iteration."""
        return self.recipe.rate(iteration)

    def ramp(self, iteration: int) -> float:
        """Weight of the unlabeled terms in an iteration of the second phase."""
        return self.recipe.unlabeled_ramp(iteration)

    def total(self, iteration: int) -> int:
        """How many iterations the training has, as far as it is known in this one."""
        return self.recipe.iterations + self.recipe.semi_iterations

    def seconds_left(self, iteration: int, spent_s: float, estimate: Estimate | None) -> float:
        """What the rest will take: by the estimate, corrected by what the iterations so far took, or by those alone.

        Args:
            iteration: how many are done, 1 at least.
            spent_s: seconds that they took.
            estimate: of the whole training, if there is one.
        """
        if estimate is None:
            return spent_s / iteration * (self.total(iteration) - iteration)
        expected = estimate.seconds(self.recipe, iteration)
        done = estimate.seconds(self.recipe) - expected
        return expected * (spent_s / done if done > 0 else 1.0)

    def has_time_to_look(self, spent_s: float, look_s: float) -> bool:
        """Whether held-out cases may be looked at after so many seconds of that, for so many more."""
        return True


class TimedSchedule(Schedule):
    """A training that ends when its time is over, however fast the computer is meanwhile.

    The learning rate, the phase and the ramp follow the share of the time that is gone. A computer that becomes busy
    takes fewer steps; the schedule still ends where it should.

    Args:
        recipe: its lengths say how the time is divided between the phases.
        folder: of the job; receives the share before each iteration.
        seconds: for all steps.
        after_s: seconds that what follows the last step takes.
        clock: seconds of any origin.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        seconds: float,
        after_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(recipe)
        self.seconds, self.after_s, self.clock, self.path = seconds, after_s, clock, folder / SHARES
        self.first = recipe.iterations / (recipe.iterations + recipe.semi_iterations)
        self.boundary = None
        self._shares = processes.on_rank_zero(lambda: _read_shares(self.path))
        self._latest = max(self._shares.values(), default=0.0)
        self._mark: tuple[float, float] | None = None
        for iteration, share in sorted(self._shares.items()):
            self._note_boundary(iteration, share)

    def begin(self, iteration: int) -> None:
        """See how much of the time is gone; an iteration that is repeated has the share that it had."""
        if iteration not in self._shares:
            self._latest = self._shares[iteration] = processes.on_rank_zero(lambda: self._now(iteration))
        self._note_boundary(iteration, self._shares[iteration])

    def _now(self, iteration: int) -> float:
        if self._mark is None:  # the clock starts, or goes on where an earlier process stopped
            self._mark = (self._latest, self.clock())
        before, since = self._mark
        share = before + (self.clock() - since) / self.seconds
        with open(self.path, "a", encoding="ascii") as file:
            file.write(f"{iteration} {share!r}\n")
        return share

    def _note_boundary(self, iteration: int, share: float) -> None:
        if self.boundary is None and share >= self.first:
            self.boundary = iteration

    def share(self, iteration: int) -> float:
        """Part of the time that is gone before an iteration; of one to come, what is gone now."""
        return self._shares.get(iteration, self._latest)

    def is_second(self, iteration: int) -> bool:
        """Whether an iteration belongs to the second phase; of one to come, as far as it is known."""
        return self.recipe.semi_iterations > 0 and self.boundary is not None and iteration >= self.boundary

    def is_over(self, iteration: int) -> bool:
        """Whether the time is over; every training has a step."""
        return iteration > 0 and self.share(iteration) >= 1

    def share_of_first(self, iteration: int) -> float:
        """Part of the first phase that is done before an iteration; of one to come, what is done now."""
        return self.share(iteration) / self.first

    def rate(self, iteration: int) -> float:
        """Learning rate of an iteration."""
        return self.recipe.rate_at(self.share(iteration), iteration)

    def ramp(self, iteration: int) -> float:
        """Weight of the unlabeled terms in an iteration of the second phase."""
        return self.recipe.ramp_at((self.share(iteration) - self.first) / max(1e-9, 1 - self.first))

    def total(self, iteration: int) -> int:
        """How many iterations the training will have if it goes on as it did."""
        share = self.share(iteration)
        if iteration == 0 or share <= 0:
            return super().total(iteration)
        return max(iteration, round(iteration / share)) if share < 1 else iteration

    def seconds_left(self, iteration: int, spent_s: float, estimate: Estimate | None) -> float:
        """What is left of the time, and what follows the last step."""
        return max(0.0, 1 - self.share(iteration)) * self.seconds + self.after_s

    def has_time_to_look(self, spent_s: float, look_s: float) -> bool:
        """Looks take a small part of the time."""
        return spent_s + look_s <= LOOKING * self._latest * self.seconds


def of_job(recipe: Recipe, folder: Path, clock: Callable[[], float] = time.monotonic) -> Schedule:
    """The schedule of a training as it was decided; by the lengths of the recipe where nothing was.

    Raises:
        JobError: a file of the job is damaged.
    """
    entries = processes.on_rank_zero(lambda: kept(folder))
    recipe = processes.on_rank_zero(lambda: fitted(recipe, folder))
    if "seconds" not in entries:
        return Schedule(recipe)
    try:
        return TimedSchedule(recipe, folder, float(entries["seconds"]), float(entries.get("after_s", 0.0)), clock)
    except (TypeError, ValueError):
        raise _damaged() from None


def decide(recipe: Recipe, folder: Path, iteration: int, seconds: float, entries: Mapping[str, Any]) -> None:
    """Let a training go by time from an iteration on, whatever it went by before.

    Args:
        recipe: of the training.
        folder: of the job.
        iteration: where it stands.
        seconds: for the steps that are left.
        entries: further ones of :func:`keep`.
    """
    shares = {number: share for number, share in _read_shares(folder / SHARES).items() if number <= iteration}
    if iteration and iteration not in shares:  # it went by iterations
        total = recipe.iterations + recipe.semi_iterations
        if iteration >= recipe.iterations:
            shares[recipe.iterations] = recipe.iterations / total
        shares[iteration] = iteration / total
    write_text(folder / SHARES, "".join(f"{number} {share!r}\n" for number, share in sorted(shares.items())))
    fitted_to = {name: getattr(recipe, name) for name in FITTED}
    keep({**entries, **fitted_to, "seconds": seconds / max(1e-6, 1 - shares.get(iteration, 0.0))}, folder)


def _read_shares(path: Path) -> dict[int, float]:
    """The shares that were written; a last line that a kill cut short is none, and goes."""
    shares: dict[int, float] = {}
    text = path.read_text(encoding="ascii", errors="replace") if path.exists() else ""
    whole, end, rest = text.rpartition("\n")
    if rest:
        write_text(path, whole + end)
    for line in whole.splitlines():
        try:
            number, share = line.split()
            shares[int(number)] = float(share)
        except ValueError:
            continue
    return shares
