"""The report of a training: what it learned from, its curves, before and after, and cases with their outlines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..cases.case_list import Case, CaseList
from ..cases.images import read_images
from ..cases.labels import read_labels
from ..cases.reading import parse
from ..door import names
from ..door.errors import EngineError
from ..door.files import read_json
from ..door.verdict import average
from ..images.geometry import Volume
from ..images.reorder import in_order_of
from ..models.model import Model, load_model
from ..segmenting.segment import segment
from .page import Name, curves, heading, number, page, paragraph, picture, table, write_page
from .pictures import slice_pictures

# Of the losses, which are many: every so many are averaged into one point of the curve.
POINTS = 200


def write_training_report(path: Path, job: Path, title: str = "", device: str = "auto", pictures: bool = True) -> None:
    """Write the page of a training that has ended. Cases have numbers in it, not names.

    Args:
        path: of the HTML file.
        job: the job folder.
        title: of the page; that of the new model where it is empty.
        device: for segmenting the cases that are shown.
        pictures: of the held-out case with the best, the median and the worst Dice, which are segmented now.

    Raises:
        EngineError: the training has no result ("no-result"), or the page cannot be written.
    """
    folder = next((p.parent for p in sorted((job / names.RESULT).glob(f"*/{names.MODEL}"))), None)
    report = read_json(job / names.RESULT / names.REPORT)
    if folder is None or not report:
        raise EngineError("no-result", "This training has no result yet.", "Wait for its end, or resume it.")
    model = load_model(folder)
    kept = (report.get("held_out_dice") or {}).get(report.get("kept")) or []
    facts = model.description.training
    parts = [heading("What it learned from"), table(["", ""], _facts(facts, report))]
    if report.get("reason"):
        parts.append(paragraph(str(report["reason"])))
    if kept:
        parts += [heading("On the held-out cases"), table(*_agreement(model, report, kept))]
        parts.append(paragraph("Dice of the base and of the new model, and the new model's spread over the cases."))
        if report.get("verdict"):
            parts.append(paragraph(_verdict(report["verdict"])))
    losses, looks = _history(job)
    parts.append(heading("Curves"))
    parts.append(curves("Loss", losses))
    parts.append(curves("Dice on held-out cases during the training (on the model's grid)", looks))
    if pictures and kept:
        parts.append(heading("Held-out cases: the model in color, the reference in white"))
        parts += _cases(job, model, kept, device)
    write_page(path, page(title or f"Training: {model.description.title}", parts))


def _facts(facts: dict[str, Any], report: dict[str, Any]) -> list[list[str]]:
    roles = ("labeled", "unlabeled", "held_out")
    counts = (f"{facts.get(f'{role}_cases', 0)} {role.replace('_', ' ')}" for role in roles)
    side = facts.get("patch", "")
    return [
        ["Cases", ", ".join(counts)],
        [
            "Iterations",
            f"{facts.get('iterations', '')} of {facts.get('batch_size', '')} patches, {side} x {side} pixels",
        ],
        ["Time", f"{float(report.get('seconds') or 0) / 60:.0f} minutes"],
        ["Kept", str(report.get("kept", ""))],
        ["Date", str(facts.get("date", ""))],
    ]


def _agreement(
    model: Model, report: dict[str, Any], kept: list[list[float | None]]
) -> tuple[list[str], list[list[Any]]]:
    before = report.get("before") or {}
    far, volume = (
        (report.get(f"held_out_{name}") or {}).get(report.get("kept")) or [] for name in ("hd95_mm", "volume_error_ml")
    )
    known = before.get("classes", [])
    rows = []
    for place, structure in enumerate(model.description.classes):
        values = np.array([np.nan if case[place] is None else case[place] for case in kept], float)
        old = [case[known.index(structure.name)] for case in before["dice"]] if structure.name in known else []
        old_values = [value for value in old if value is not None]
        some = values[~np.isnan(values)]
        rows.append(
            [
                Name(structure.name, structure.color),
                number(float(np.mean(old_values)) if old_values else None, 3),
                number(float(some.mean()) if some.size else None, 3),
                number(float(some.std()) if some.size else None, 3),
                *(number(average(case[place] for case in cases), 1) for cases in (far, volume)),
                number(len(some), 0),
            ]
        )
    return ["Structure", "Base", "New", "Spread", "HD95 (mm)", "Volume error (ml)", "Cases"], rows


def _verdict(told: dict[str, Any]) -> str:
    words = {
        "better": "Better than its base",
        "same": "About the same as its base",
        "worse": "Worse than its base",
        "few": "Too few held-out cases to tell better from worse",
    }
    ends = f"{told['difference']:+.3f} Dice, {told['low']:+.3f} to {told['high']:+.3f} (95 %, paired bootstrap"
    return f"{words.get(told['verdict'], '')}: {ends} over {told['cases']} cases)."


def _events(job: Path) -> Iterator[dict[str, Any]]:
    try:
        with open(job / names.EVENTS, encoding="utf-8") as file:
            for line in file:
                if '"metric"' in line:
                    try:
                        yield json.loads(line)
                    except ValueError:
                        continue
    except OSError:
        return


def _history(job: Path) -> tuple[dict[str, list[tuple[float, float]]], dict[str, list[tuple[float, float]]]]:
    """Losses of each phase, thinned, and Dice of teacher and student at each look."""
    losses: dict[str, list[tuple[float, float]]] = {}
    looks: dict[str, list[tuple[float, float]]] = {"teacher": [], "student": []}
    for event in _events(job):
        values = event.get("values") or {}
        if "loss" in values:
            points = losses.setdefault(str(event.get("phase")), [])
            _append(points, event["iteration"], float(values["loss"]))
        elif "dice_mean" in values and event.get("iteration"):
            _append(looks["teacher"], event["iteration"], float(values["dice_mean"]))
            student = (values.get("student") or {}).get("mean", (values.get("student") or {}).get("dice_mean"))
            if student is not None:
                _append(looks["student"], event["iteration"], float(student))
    return {name: _thinned(points) for name, points in losses.items()}, looks


def _append(points: list[tuple[float, float]], iteration: float, value: float) -> None:
    """Add a point; those that a resumed training has repeated since go."""
    while points and points[-1][0] >= iteration:
        points.pop()
    points.append((iteration, value))


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    step = max(1, len(points) // POINTS)
    groups = [points[place : place + step] for place in range(0, len(points), step)]
    return [(float(np.mean([x for x, _ in group])), float(np.mean([y for _, y in group]))) for group in groups]


def _cases(job: Path, model: Model, kept: list[list[float | None]], device: str) -> list[str]:
    """Pictures of the best, the median and the worst held-out case, as far as their images are still there."""
    if not (job / names.CASES).exists():
        return [paragraph("The list of cases was not kept with this training, so no case can be shown.")]
    parsed = parse(job / names.CASES)  # whatever has become of other cases since
    listed = parsed.case_list()
    held = listed.with_role("held-out")
    found = [[value for value in case if value is not None] for case in kept]
    means = [float(np.mean(values)) if values else 1.0 for values in found]
    if len(held) != len(means):
        return [paragraph("The held-out cases have changed since the training, so none is shown.")]
    order = sorted(range(len(means)), key=lambda place: -means[place])
    parts = []
    shown = {order[len(order) // 2]: "median", order[-1]: "worst", order[0]: "best"}  # of few, one may be several
    for place in dict.fromkeys((order[0], order[len(order) // 2], order[-1])):
        name = shown[place]
        parts += _case(listed, held[place], model, f"{name}, case {place + 1}, Dice {means[place]:.3f}", device)
    return parts


def _case(listed: CaseList, case: Case, model: Model, caption: str, device: str) -> list[str]:
    try:
        volume, reference = read_images(case, listed, model.description.input.names), read_labels(case, listed)
    except (EngineError, OSError):
        return [paragraph(f"The {caption}: its image or label map is not there any more.", "quiet")]
    try:
        result = segment(volume, model, device=device)
    except EngineError as error:
        return [paragraph(f"The {caption} could not be segmented ({error.code}).", "quiet")]
    truth = in_order_of(Volume(reference.array.astype(np.uint8), reference.geometry), volume.geometry)
    shown = slice_pictures(volume, result.labels, model.description.classes, 3, truth)
    return [picture(png, f"{caption}, slice {index + 1}") for index, png in shown]
