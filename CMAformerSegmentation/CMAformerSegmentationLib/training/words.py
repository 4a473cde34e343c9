"""The sentences that tell of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slicer.i18n import tr as _

from cmaformer.door.verdict import BETTER, FEW, SAME, WORSE, Verdict, average
from cmaformer.door.verdict import verdict as verdictOn

from ..jobs.job import CANCELLED, FAILED, FINISHED, INTERRUPTED, QUEUED, RUNNING
from ..widgets.duration import duration
from .job import PAUSED, PREPARING, READING, Training


def stateTitle(training: Training) -> str:
    """A training's state in a word or two."""
    if training.stopping:
        return _("stopping")
    return {
        PREPARING: _("preparing"),
        READING: _("reading"),
        QUEUED: _("waiting"),
        RUNNING: _("running"),
        PAUSED: _("paused"),
        CANCELLED: _("stopped"),
        INTERRUPTED: _("interrupted"),
        FAILED: _("failed"),
        FINISHED: _("finished"),
    }[training.state]


def progress(training: Training) -> str:
    """How far it is, for a narrow column."""
    if training.state == FINISHED:
        return "100 %"  # the last iterations are not told one by one
    now = training.job.progress
    if now.unit != "iterations" or not now.total or training.state in (PREPARING, QUEUED):
        return ""
    return f"{100 * now.done // now.total} %"


def status(training: Training) -> str:
    """What a training is doing, or how it ended, in one or two plain sentences."""
    state = training.state
    if training.stopping:
        return _("Saving a checkpoint, then it stops...")
    if training.problem is not None:
        return str(training.problem)
    if state == PREPARING:
        done, total = training.savedCases
        return _("Saving the cases: {done} of {total}. Slicer must stay open meanwhile.").format(done=done, total=total)
    if state == READING:
        return _("Reading what it has told...")
    if state == QUEUED:
        return _("Waits for the training before it.")
    return _finished(training) if state == FINISHED else _running(training)


def comparison(training: Training) -> list[tuple[tuple[str, ...], float | None]]:
    """The held-out cases before and after, a row a structure: texts of the cells, and the change of Dice.

    Cells are the structure, Dice, HD95 in mm and the mean error of the volume in ml.
    The base is compared where it knows the structure. Empty as long as there is no result, or nothing was held out.
    """
    report = training.report
    kept = (report.get("held_out_dice") or {}).get(report.get("kept"))
    if not kept:
        return []
    names = list(training.request.get("structures", []))
    rows: list[tuple[tuple[str, ...], float | None]] = []
    for index, name in enumerate(names):
        old, after = _beforeAndAfter(report, "dice", name, index)
        change = after - old if after is not None and old is not None else None
        distances = _arrow(_beforeAndAfter(report, "hd95_mm", name, index), ".1f")
        volumes = _arrow(_beforeAndAfter(report, "volume_error_ml", name, index), "+.1f")
        rows.append(((name, _arrow((old, after), ".3f"), distances, volumes), change))
    return rows


def _beforeAndAfter(
    report: Mapping[str, Any], measure: str, name: str, index: int
) -> tuple[float | None, float | None]:
    """Means of a measure of a structure, of the base and of the new model, over the same held-out cases.

    Cases in which either is not known count for neither, unless there are no others.
    """
    kept = (report.get(f"held_out_{measure}") or {}).get(report.get("kept")) or []
    after = [case[index] for case in kept]
    before = report.get("before") or {}
    classes, cases = before.get("classes", []), before.get(measure) or []
    if name not in classes or not cases:
        return None, average(after)
    old = [case[classes.index(name)] for case in cases]
    both = [(a, b) for a, b in zip(old, after) if a is not None and b is not None]
    if both:
        return average(a for a, _b in both), average(b for _a, b in both)
    return average(old), average(after)


def _arrow(values: Sequence[float | None], digits: str) -> str:
    """The value before, if there is one, and after; a dash where the new model has none."""
    old, new = ("" if value is None else format(value, digits) for value in values)
    return f"{old} → {new or '–'}" if old else new


def verdictOf(training: Training) -> Verdict | None:
    """Whether the result is better than its base, with a margin for chance; None where they were not compared."""
    before, after = ((training.report.get(key) or {}).get("dice") for key in ("before", "after"))
    return verdictOn(before, after) if before and after else None


def _running(training: Training) -> str:
    now = training.job.progress
    if training.stalled:
        return _("No sign of life for over a minute. Wait, or stop it and resume. The log below may tell why.")
    if not training.files.hasJob:
        return _("Looking at the cases...")
    if now.unit == "cases":
        return _("Preparing the slices: case {done} of {total}.").format(done=now.done, total=now.total)
    if now.unit != "iterations":
        return _("Starting...")
    phase = {
        "supervised": _("Learning from the labeled cases"),
        "semi-supervised": _("Learning from labeled and unlabeled cases"),
    }.get(training.history.phase, _("Learning"))
    if now.done >= now.total:
        return _("Measuring the result on the held-out cases...")
    text = _("{phase}: iteration {done} of {total}").format(phase=phase, done=now.done, total=now.total)
    if now.secondsLeft is not None:
        text += ", " + _("about {left} left").format(left=duration(now.secondsLeft))
    looks = training.history.looks
    if looks:
        text += ". " + _("Dice on the held-out cases: {dice}").format(dice=_dice(looks[-1].get("dice_mean")))
    return text + "."


def _finished(training: Training) -> str:
    report = training.report
    text = _("Finished in {time}.").format(time=duration(float(report.get("seconds") or 0)))
    verdict = verdictOf(training)
    if verdict is not None:
        text += " " + _verdict(verdict)
    elif not report.get("held_out_dice"):
        text += " " + _("No case was held out, so it is not known how good it is.")
    if verdict is None or verdict.name in (BETTER, FEW):
        text += " " + _("Keep as new model offers it in the section Segment.")
    return " ".join(filter(None, [text, str(report.get("reason") or "")]))


def _verdict(verdict: Verdict) -> str:
    """The new model against its base."""
    if verdict.name == FEW:
        text = _("Dice {change} on {count} held-out cases: too few to tell better from worse. Hold out 3 or more.")
    else:
        text = {
            BETTER: _("Better than its base: Dice {change} ({low} to {high}, 95 %) on {count} held-out cases."),
            SAME: _("About the same as its base: Dice {change} ({low} to {high}, 95 %) on {count} held-out cases."),
            WORSE: _("Worse than its base: Dice {change} ({low} to {high}, 95 %) on {count} held-out cases."),
        }[verdict.name]
    change, low, high = (f"{value:+.3f}" for value in (verdict.difference, verdict.low, verdict.high))
    return text.format(change=change, low=low, high=high, count=verdict.cases)


def _dice(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
