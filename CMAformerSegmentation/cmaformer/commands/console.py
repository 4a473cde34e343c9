"""Text for people on a terminal: a progress bar, a table of structures, the facts of a model."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from ..models.model import Model
    from ..segmenting.many import Outcome

FAILED, USAGE, CANCELLED = 1, 2, 3  # exit codes
WIDTH = 30


class ProgressBar:
    """A bar on standard error, only where that is a terminal."""

    def __init__(self, enabled: bool = True, stream: TextIO | None = None, unit: str = "slices") -> None:
        self._unit = unit
        self._stream = sys.stderr if stream is None else stream
        self._terminal = enabled and self._stream.isatty()
        self._open = False

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def show(self, done: int, total: int, eta_s: float | None) -> None:
        """Draw the bar for ``done`` of ``total`` slices (or other units) and the seconds left (None: not known yet)."""
        if not self._terminal:
            return
        filled = WIDTH * done // max(1, total)
        left = "" if eta_s is None or done == total else f"  {duration(eta_s)} left"
        # The line is padded, so that a shorter one covers what a longer one left.
        text = f"[{'#' * filled}{' ' * (WIDTH - filled)}] {done}/{total} {self._unit}{left}"
        self._stream.write(f"\r{text:<75}")
        self._stream.flush()
        self._open = True

    def line(self, text: str) -> None:
        """Write a line of text below what is there of the bar."""
        self._close()
        self._stream.write(text + "\n")

    def _close(self) -> None:
        if self._open:
            self._stream.write("\n")
            self._open = False


def duration(seconds: float) -> str:
    """Seconds as m:ss."""
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


def structure_table(structures: list[dict[str, Any]]) -> str:
    """Name and volume (ml) of each structure, one a line."""
    width = max(len(entry["name"]) for entry in structures)
    return "\n".join(
        f"{entry['value']:>3}  {entry['name']:<{width}}  {entry['volume_ml']:>10.2f} ml" for entry in structures
    )


def cohort_table(outcomes: list[Outcome], names: list[str]) -> str:
    """What became of each of many images, one a line: the volume (ml) of each structure, or why there is none."""
    width = max((len(outcome.image.name) for outcome in outcomes), default=5)
    lines = [f"{'image':<{width}}  {'  '.join(f'{name:>10}' for name in names)}  (ml)"]
    for outcome in outcomes:
        if outcome.result is not None:
            cells = "  ".join(
                f"{entry['volume_ml']:>{max(10, len(name))}.2f}"
                for entry, name in zip(outcome.result.structures, names)
            )
            text = f"{cells}  {' '.join(outcome.notes)}".rstrip()
        else:
            text = str(outcome.error) if outcome.error is not None else "kept"
        lines.append(f"{outcome.image.name:<{width}}  {text}")
    failed = sum(outcome.error is not None for outcome in outcomes)
    return "\n".join([*lines, f"{len(outcomes) - failed} done, {failed} failed"])


def model_facts(model: Model) -> str:
    """What a model is, and its card."""
    about = model.description
    source = about.input
    pixels = "as stored" if source.spacing_mm is None else f"{source.spacing_mm[0]:g} x {source.spacing_mm[1]:g} mm"
    rows = [
        ("model", f"{about.id} (version {about.version})"),
        ("title", about.title),
        ("", about.description),
        ("for", f"{about.task}, {about.modality}"),
        ("finds", ", ".join(f"{structure.value} {structure.name}" for structure in about.classes)),
        ("input", f"{source.slicing} slices, {2 * source.context_slices + 1} at a time, pixels {pixels}"),
        *([("images", ", ".join(source.names))] if source.names else []),
        ("license", about.license),
        ("parent", about.parent or "none"),
        ("weights", f"sha256 {about.weights_sha256}"),
    ]
    facts = "\n".join(f"{name:<8} {value}" for name, value in rows)
    card = model.card.strip()
    return f"{facts}\n\n{card}" if card else facts


def print_line(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def json_object(text: str) -> dict[str, Any]:
    """A JSON object, for argparse."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f'{text} is no JSON object such as {{"transformer": true}}')
    return value
