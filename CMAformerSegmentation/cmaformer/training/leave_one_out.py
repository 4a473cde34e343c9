"""Leave-one-out evaluation, for few labeled patients: a training without each of them, tested on the one left out.

The folds lie in ``folds/`` of the job folder, share its prepared slices, and each is done once, however often the job
is stopped. The model itself is then trained on all labeled cases, so its Dice is estimated by that of its siblings,
each of which had a patient less to learn from.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cases.case_list import CaseList, CasesError
from ..door import job as jobs
from ..door.files import write_json
from ..parallel import processes
from . import schedule
from .parameters import TrainParameters

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..data.slice_entry import SliceEntry
    from .loop import Trainer

FOLDS, SCORES = "folds", "scores.json"
# The role of cases that a fold must not see.
UNUSED = "unused"


def plan(case_list: CaseList) -> list[dict[str, list[int]]]:
    """The folds, one a labeled patient: numbers (from 0) of the cases to "test", and of those that are "unused".

    Unused are other images of that patient, and the held-out cases of the list, which only the final model is tested
    on. The numbers name nobody, so the plan may travel with the job.

    Raises:
        CasesError: there are fewer than two labeled patients.
    """
    cases = case_list.cases
    patients = list(dict.fromkeys(case.patient for case in cases if case.role == "labeled"))
    if len(patients) < 2:
        raise CasesError(
            "too-few-patients",
            "Leave-one-out evaluation needs at least two labeled patients: one to learn from and one to test on.",
            "Label another patient, or train without this evaluation.",
        )
    folds = []
    for patient in patients:
        test = [n for n, case in enumerate(cases) if case.patient == patient and case.role == "labeled"]
        other = [n for n, case in enumerate(cases) if case.patient == patient or case.role == "held-out"]
        folds.append({"test": test, "unused": [n for n in other if n not in test]})
    return folds


def run(
    job: jobs.Job,
    events: jobs.Events,
    device: torch.device,
    initial: dict[str, Tensor] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> jobs.Events:
    """Train and test the folds of a job that are not done yet, each as long as the final training is.

    Args:
        job: whose slices are prepared; its parameters name the folds of its :func:`plan`, if it has any.
        events: of the job; events of a fold carry its number, "fold".
        device: where to train.
        initial: weights to start from.
        clock: seconds of any origin.

    Returns:
        The events for the final training, whose progress goes on where that of the folds ends.

    Raises:
        CancelledError: asked to stop; what is done is kept.
        EngineError: a fold failed.
    """
    parameters = TrainParameters.of(job)
    folds = parameters.folds
    # There is no model to be compared before and after, and no curve to be drawn, on the patient who is left out.
    alone = replace(parameters, base=None, recipe=replace(parameters.recipe, evaluate_every=0))
    done = processes.on_rank_zero(lambda: [(_folder(job, n) / SCORES).exists() for n in range(1, len(folds) + 1)])
    for number, fold in enumerate(folds, 1):
        if not done[number - 1]:
            part = _Part(events, number - 1, len(folds) + 1, {"fold": number})
            _train_fold(replace(job, parameters=alone.to_dict()), number, fold, part, device, initial, clock)
    return _Part(events, len(folds), len(folds) + 1, {}) if folds else events


def trainings(job: jobs.Job) -> int:
    """How many equally long trainings of the job are left: its folds that are not done, and the final one."""
    folds = len(TrainParameters.of(job).folds)
    return sum(not (_folder(job, number) / SCORES).exists() for number in range(1, 1 + folds)) + 1


def results(job: jobs.Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the folds found: entries for the report and for the metrics of the model; empty if there were none."""
    dice: list[list[float | None]] = []
    tested: list[int] = []
    parameters = TrainParameters.of(job)
    for number, fold in enumerate(parameters.folds, 1):
        scores = json.loads((_folder(job, number) / SCORES).read_text(encoding="utf-8"))["dice"]
        dice += scores
        tested += [case + 1 for case in fold["test"]]
    if not dice:
        return {}, {}
    columns = np.array(dice, float).T  # None becomes NaN
    metrics = {name: _summary(column[~np.isnan(column)]) for name, column in zip(parameters.structures, columns)}
    report = {"leave_one_out": {"cases": tested, "dice": dice}}
    return report, {"leave_one_out_dice": metrics, "grid": "model", "cleanup": False}


def _summary(known: np.ndarray) -> dict[str, float | None]:
    if not known.size:
        return {"mean": None, "std": None}
    return {"mean": round(float(known.mean()), 4), "std": round(float(known.std()), 4)}


def _folder(job: jobs.Job, number: int) -> Path:
    return job.folder / FOLDS / f"{number:02d}"


def _train_fold(
    job: jobs.Job,
    number: int,
    fold: Mapping[str, list[int]],
    events: jobs.Events,
    device: torch.device,
    initial: dict[str, Tensor] | None,
    clock: Callable[[], float],
) -> None:
    from ..data import slices
    from .loop import Trainer
    from .prediction import DICE

    folder = _folder(job, number)
    processes.on_rank_zero(lambda: slices.share(job.folder / job.inputs["slices"], folder / "slices", roles_of(fold)))
    inputs = {name: str((job.folder / path).resolve()) for name, path in job.inputs.items()}
    fold_job = replace(job, folder=folder, inputs={**inputs, "slices": "slices"})
    trainer = Trainer(fold_job, events, device, initial, job.folder, clock)
    resumed = trainer.load_checkpoint()
    events.emit("started", device=device.type, resumed_at=trainer.state.iteration if resumed else None)
    processes.on_rank_zero(lambda: _same_length(job, trainer, folder))
    trainer.run(schedule.of_job(trainer.recipe, folder, clock))
    # Always the last phase, as the final model, which nothing is held out for: choosing the better phase by the very
    # cases that it is tested on would make it look better than it is.
    measures = trainer.validation.measures(trainer.state.teacher, trainer.validation.cases, dice_alone=True)
    processes.on_rank_zero(lambda: _keep(measures[..., DICE], trainer.state.seconds, folder))


def _same_length(job: jobs.Job, trainer: Trainer, folder: Path) -> None:
    """Let a fold take as long as the final training, or what was decided anew for what is left of it."""
    entries, own = schedule.kept(job.folder), schedule.kept(folder)
    if entries and own.get("minutes") != entries.get("minutes"):
        if "seconds" in entries:
            recipe = schedule.fitted(trainer.recipe, job.folder)
            schedule.decide(recipe, folder, trainer.state.iteration, float(entries["seconds"]), entries)
        else:
            schedule.keep(entries, folder)


def roles_of(fold: Mapping[str, list[int]]) -> Callable[[SliceEntry], str]:
    """The role in a fold, "test" and "unused" numbers of cases, of an entry of the index of slices."""

    def role(entry: SliceEntry) -> str:
        if entry.case in fold["test"]:  # looked at in the first direction alone, as held-out cases are
            return "held-out" if entry.case == entry.number else UNUSED
        return UNUSED if entry.case in fold["unused"] else entry.role

    return role


def _keep(scores: np.ndarray, seconds: float, folder: Path) -> None:
    """Write what a fold found (cases, classes), and remove what nobody needs any more."""
    plain = [[None if np.isnan(value) else float(value) for value in row] for row in scores]
    write_json(folder / SCORES, {"dice": plain, "seconds": seconds})
    for path in folder.iterdir():  # checkpoints are large, and nobody needs them any more
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != SCORES:
            path.unlink()


class _Part(jobs.Events):
    """The events of one of several trainings of a job."""

    def __init__(self, events: jobs.Events, before: int, parts: int, about: dict[str, Any]) -> None:
        super().__init__(lambda line: None)
        self.events, self.before, self.parts, self.about = events, before, parts, about

    def emit(self, kind: str, **values: Any) -> None:
        """Send one event of this part."""
        self.events.emit(kind, **{**values, **self.about})

    def progress(self, done: int, total: int, eta_s: float | None = None, unit: str = "slices") -> None:
        """Tell how far all parts together are, which are equally long."""
        if eta_s is not None and done < total:
            eta_s = eta_s / (total - done) * (total - done + (self.parts - 1 - self.before) * total)
        super().progress(self.before * total + done, self.parts * total, eta_s, unit)
