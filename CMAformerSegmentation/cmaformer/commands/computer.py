"""The command ``computer``: device and memory of this computer, versions, and the speed of a model."""

from __future__ import annotations

import argparse
from typing import Any

from ..models.installed import open_model


def text(facts: dict[str, Any]) -> str:
    """The facts as lines for people."""
    memory = f", {facts['memory_mb'] / 1024:.0f} GB" if facts["memory_mb"] else ""
    name = facts["name"] or f"{facts['cores']} cores"
    lines = [f"Python {facts['python']}, PyTorch {facts['torch']}"]
    lines.append(f"{facts['device']}: {name}{memory}, {facts['precision']}")
    if facts["gpu_problem"]:
        lines.append(f"The GPU cannot be used: {facts['gpu_problem']}")
    if facts.get("megapixel_s"):
        lines.append(f"{facts['model']}: {facts['megapixel_s']:.3g} s for a million pixels of its grid")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m cmaformer computer``."""
    parser.add_argument("--model", metavar="MODEL", help="id or folder of a model to time on one slice")
    parser.add_argument("--models", action="append", default=[], metavar="DIR", help="further folder of model folders")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """Run the command; EngineErrors go to the caller. Returns the exit code."""
    from ..door.job import Events
    from ..segmenting.computer import examine  # loads PyTorch

    model = open_model(args.model, args.models) if args.model else None
    facts = examine(model, args.device)
    if args.json:
        Events(print).emit("computer", **facts)
    else:
        print(text(facts))
    return 0
