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
        f"- In-plane spacing: {description['input']['spacing_mm']} mm, slices: {description['input']['slicing']}",
        f"- Parent model: {description['parent'] or 'none'}",
        f"- Date: {facts['date']}; engine {facts['engine_version']}",
        f"- License: {description['license']}",
        "",
    ]
    dice = description["metrics"].get("held_out_dice")
    if dice:
        lines += ["| structure | Dice on held-out images, mean | spread (std) |", "|---|---|---|"]
        lines += [f"| {name} | {value['mean']:.3f} | {value['std']:.3f} |" for name, value in dice.items()]
        lines.append("")
    lines.append("For research; not a medical device. Check every result before you rely on it.")
    return "\n".join(lines) + "\n"
