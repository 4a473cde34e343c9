"""The card of a model: what a person should know of it, in Markdown, without naming a case."""

from __future__ import annotations

from typing import Any


def card(description: dict[str, Any]) -> str:
    """The card of a trained model, in Markdown, from the facts of its description."""
    facts = description["training"]
    lines = [
        f"# {description['title']}",
        "",
        description["description"],
        "",
        f"- Modality: {description['modality']}",
        f"- Structures: {', '.join(c['name'] for c in description['classes'])}",
        f"- Trained on: {facts['labeled_cases']} labeled and {facts['unlabeled_cases']} unlabeled images",
        f"- Tested on: {facts['held_out_cases']} held-out images of other patients",
        *_images(description["input"]),
        f"- In-plane spacing: {description['input']['spacing_mm']} mm, slices: {description['input']['slicing']}",
        f"- Parent model: {description['parent'] or 'none'}",
        f"- Date: {facts['date']}; engine {facts['engine_version']}",
        f"- License: {description['license']}",
        "",
        *_table(description["metrics"]),
        *_leave_one_out(description["metrics"]),
    ]
    if facts.get("reason"):
        lines += [facts["reason"], ""]
    lines.append("For research; not a medical device. Check every result before you rely on it.")
    return "\n".join(lines) + "\n"


def _images(source: dict[str, Any]) -> list[str]:
    """Which images of a patient the model needs, where it is more than one."""
    names = [image["name"] for image in source.get("images", [])]
    return [f"- Needs {len(names)} images of each patient, in this order: {', '.join(names)}"] if names else []


def _table(metrics: dict[str, Any]) -> list[str]:
    """Dice on the held-out images, beside that of the parent on the same images where it knows the structure."""
    dice, parent = metrics.get("held_out_dice"), metrics.get("parent_held_out_dice")
    if not dice:
        return []
    lines = ["| structure | Dice on held-out images, mean | spread (std) |", "|---|---|---|"]
    if parent:
        lines = [f"{lines[0]} parent model, mean |", f"{lines[1]}---|"]
    for name, value in dice.items():
        cells = [name, _number(value["mean"]), _number(value["std"])]
        if parent:
            cells.append(_number(parent.get(name, {}).get("mean")))
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _leave_one_out(metrics: dict[str, Any]) -> list[str]:
    """Dice of the trainings that each left a patient out, on that patient."""
    dice = metrics.get("leave_one_out_dice")
    if not dice:
        return []
    lines = ["| structure | Dice on images of patients left out, mean | spread (std) |", "|---|---|---|"]
    lines += [f"| {name} | {_number(value['mean'])} | {_number(value['std'])} |" for name, value in dice.items()]
    lines += ["", "Each number is of a model that was trained like this one, without the patient it was tested on.", ""]
    return lines


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
