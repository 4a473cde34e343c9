"""The length of a training that was fitted to a time budget: a file of its own, because ``job.json`` never changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..door.errors import JobError
from ..door.files import write_json
from ..door.names import SCHEDULE
from ..recipes.recipe import Recipe


def fitted(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the lengths of both phases that were fitted to the budget, if they were.

    Raises:
        JobError: the file is damaged.
    """
    path = folder / SCHEDULE
    if not path.exists():
        return recipe
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return recipe.with_overrides({name: int(entries[name]) for name in ("iterations", "semi_iterations")})
    except (ValueError, KeyError, TypeError):
        raise JobError("bad-job", f"{SCHEDULE} of the training is damaged.", "Start the training again.") from None


def keep(entries: dict[str, Any], folder: Path) -> None:
    """Write "iterations", "semi_iterations" and what else led to them, whole or not at all."""
    write_json(folder / SCHEDULE, entries, indent=1)
