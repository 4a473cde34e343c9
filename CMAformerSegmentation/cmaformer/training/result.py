"""What a training leaves: the better of its models, the report, and the model folder."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from .. import __version__
from ..door import job as jobs
from ..door.files import write_json
from ..door.names import REPORT, RESULT, SUPERVISED
from ..door.privacy import identifying, withheld
from ..door.verdict import verdict
from ..images.likeness import ranges
from ..models.card import card
from ..models.model import save_model
from ..parallel import processes
from . import checkpoints, leave_one_out
from . import warm_start as warmstart
from .prediction import DICE, HD95, VOLUME, mean, means

if TYPE_CHECKING:
    from .loop import Trainer

# Mean Dice on the held-out cases that the semi-supervised phase may lose before the supervised model is kept.
LARGEST_LOSS = 0.01
# Of the held-out cases, in the report.
MEASURES = {"dice": DICE, "hd95_mm": HD95, "volume_error_ml": VOLUME}
# Said where a choice was made by the very cases whose Dice is told.
CHOSEN = " Dice on these images is a little too good for that choice."


@dataclass
class Kept:
    """The model that a training gives.

    Attributes:
        phase: whose model it is.
        weights: of the teacher.
        measures: Dice, HD95 and volume error (cases, classes - 1, 3) on the held-out cases after each phase.
        reason: why this one, in one sentence; empty where there was no choice.
    """

    phase: str
    weights: dict[str, Tensor]
    measures: dict[str, np.ndarray]
    reason: str = ""

    @property
    def dice(self) -> np.ndarray:
        """Dice (cases, classes - 1) of the model that is kept."""
        return self.measures[self.phase][..., DICE]


def keep_better(trainer: Trainer) -> Kept:
    """The teacher of the last phase, unless the supervised one was clearly better on the held-out cases.

    More than LARGEST_LOSS of mean Dice must be lost before the second phase is dropped: a few held-out cases decide.
    Without held-out cases the last phase is kept.

    Raises:
        CancelledError: asked to stop.
    """
    validation, teacher = trainer.validation, trainer.state.teacher
    last, first = trainer.phases[-1].name, trainer.phases[0].name
    weights = {key: value.clone() for key, value in teacher.state_dict().items()}
    measures = {last: validation.of_teacher(trainer.state.iteration)} if validation.cases else {}
    if len(trainer.phases) == 1:
        return Kept(last, weights, measures)
    state = checkpoints.load_for_all(trainer.job.folder / SUPERVISED)
    if state is None:
        return Kept(last, weights, measures)
    if not measures:
        return Kept(last, weights, measures, "No case was held out, so the two phases were not compared.")
    supervised = state["teacher"]
    teacher.load_state_dict(supervised)
    measures[first] = validation.of_teacher(trainer.schedule.boundary or 0)
    teacher.load_state_dict(weights)
    before, after = (mean(measures[phase][..., DICE]) for phase in (first, last))
    found = f"Dice on the held-out images: {before:.3f} after the labeled images alone, {after:.3f} after the unlabeled"
    if not before - after > LARGEST_LOSS:
        return Kept(last, weights, measures, f"{found} too. The model trained on both is kept.{CHOSEN}")
    reason = f"{found} too. The unlabeled images did not help: the model trained on the labeled images alone is kept."
    reason += CHOSEN
    trainer.events.warning(
        "supervised-kept",
        reason,
        "Check that the unlabeled images show the same anatomy and contrast as the labeled ones.",
    )
    return Kept(first, supervised, measures, reason)


def finish(trainer: Trainer) -> Path:
    """Write the better teacher as a model folder, and the report, into ``result/``; returns the model folder.

    Raises:
        CancelledError: asked to stop; there is no result then.
    """
    kept = keep_better(trainer)
    return processes.on_rank_zero(lambda: _write(trainer, kept))


def _write(trainer: Trainer, kept: Kept) -> Path:
    job = trainer.job
    report: dict[str, Any] = {
        "history": list(trainer.validation.history),
        "seconds": trainer.state.seconds,
        "kept": kept.phase,
        "reason": kept.reason,
        "patches_at_a_time": trainer.state.rows,
        "warm_start": warmstart.account_of(job),
    }
    report.update(_comparison(trainer, kept))
    folds, fold_metrics = leave_one_out.results(job)
    report.update(folds)
    if kept.measures:
        for name, place in MEASURES.items():
            found = {phase: measures[..., place].tolist() for phase, measures in kept.measures.items()}
            report[f"held_out_{name}"] = found
    description = {
        **trainer.parameters.description,
        "training": _facts(trainer, kept),
        "metrics": {**_metrics(trainer, kept), **fold_metrics},
    }
    if trainer.parameters.learn_clean_up:
        shapes = trainer.anatomy
        learned = {"largest_component": list(shapes.single), "together": list(shapes.together)}
        description["postprocessing"] = {**description["postprocessing"], **learned}
    anatomy = [entry["name"] for entry in description["classes"]]
    if identifying(description, anatomy) is not None:  # trained on another computer than it was planned on
        description = {**withheld(description, anatomy), "id": "trained-1.0.0"}
        trainer.events.warning(
            "words-withheld",
            "Words of the model's description name a folder, a user or this computer, and were left out.",
            "Give the model another title.",
        )
    trainer.watcher.check()
    with jobs.new_result(job.folder) as result:
        save_model(result / description["id"], description, kept.weights, card(description))
        write_json(result / REPORT, _finite(report), indent=2)
    trainer.events.emit("finished", seconds=round(trainer.state.seconds, 1), steps={})
    return job.folder / RESULT / description["id"]


def _facts(trainer: Trainer, kept: Kept) -> dict[str, Any]:
    store, recipe = trainer.store, trainer.recipe
    return {
        "labeled_cases": store.count("labeled"),
        "unlabeled_cases": store.count("unlabeled"),
        "held_out_cases": len(trainer.validation.cases),
        "iterations": trainer.state.iteration,
        "batch_size": recipe.batch_size,
        "patch": recipe.patch,
        "seed": trainer.seed,
        "phases": [phase.name for phase in trainer.phases],
        "images": ranges(store.cases[n].facts for n in store.numbers("labeled") + store.numbers("unlabeled")),
        "kept": kept.phase,
        "reason": kept.reason,
        "engine_version": __version__,
        "date": time.strftime("%Y-%m-%d"),
    }


def _metrics(trainer: Trainer, kept: Kept) -> dict[str, Any]:
    if not kept.measures:
        return {}
    names = trainer.parameters.structures
    metrics: dict[str, Any] = {"held_out_dice": _by_name(names, kept.dice)}
    baseline, before = trainer.validation.baseline, trainer.validation.before
    if baseline is not None and before:
        metrics["parent_held_out_dice"] = _by_name(
            [names[v - 1] for v in baseline.compared], np.array(before)[..., DICE]
        )
    return {**metrics, "grid": "model", "cleanup": False}


def _comparison(trainer: Trainer, kept: Kept) -> dict[str, Any]:
    """What the base and the new model reach on the same held-out cases and classes; the report's entries."""
    validation = trainer.validation
    if validation.baseline is None or not validation.before or not kept.measures:
        return {"before": None, "after": None, "verdict": None}
    names = trainer.parameters.structures
    classes = [names[value - 1] for value in validation.baseline.compared]
    before, after = np.array(validation.before), validation.compared(kept.measures[kept.phase])
    told = verdict(before[..., DICE].tolist(), after[..., DICE].tolist())
    return {
        "verdict": None if told is None else told.to_dict(),
        "before": {"classes": classes, **_each(before)},
        "after": {"classes": classes, **_each(after)},
    }


def _each(measures: np.ndarray) -> dict[str, Any]:
    """Measures (cases, classes, 3) under their names, each (cases, classes)."""
    return {name: measures[..., place].tolist() for name, place in MEASURES.items()}


def _by_name(names: list[str], scores: np.ndarray) -> dict[str, dict[str, float | None]]:
    result: dict[str, dict[str, float | None]] = {}
    for name, average, column in zip(names, means(scores), scores.T):
        known = column[~np.isnan(column)]
        result[name] = {
            "mean": round(float(average), 4) if known.size else None,
            "std": round(float(known.std()), 4) if known.size else None,
        }
    return result


def _finite(value: Any) -> Any:
    """Plain JSON types, with None where a structure is in neither map, which JSON's numbers cannot say."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
