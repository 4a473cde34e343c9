"""What a user wants trained, checked before any work, and the command that does it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from cmaformer.door.names import CASES, JOB

from ..cases.case import HELD_OUT, LABELED, UNLABELED, TrainingCase
from ..cases.structures import SegmentMapping
from ..jobs.job import JobProblem
from ..models.catalog import ModelEntry, StructureClass


class TrainingError(RuntimeError):
    """A training without a result. The message says why and what to do."""

    def __init__(self, problem: JobProblem) -> None:
        super().__init__(str(problem))
        self.code = problem.code
        self.hint = problem.hint


@dataclass(frozen=True)
class TrainingRequest:
    """What to train, from which cases, and for how long.

    :ivar cases: at least one labeled one.
    :ivar structures: what to learn, with the values 1, 2, ...
    :ivar name: of the new model.
    :ivar base: the model to start from; None starts afresh.
    :ivar minutes: the time to take, on this computer.
    :ivar device: "auto", "cpu", "cuda" or "mps".
    :ivar settings: further entries of the engine's recipe, for those who know them.
    :ivar mapping: which structure a segment is, where its name does not tell; see `SegmentMapping`.
    """

    cases: tuple[TrainingCase, ...]
    structures: tuple[StructureClass, ...]
    name: str
    base: ModelEntry | None = None
    minutes: float = 30.0
    device: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)
    mapping: SegmentMapping = field(default_factory=dict)

    def problem(self) -> str:
        """What is missing or wrong, in words; an empty string when it can start."""
        return self.incompleteness() or next(filter(None, (case.problem() for case in self.cases)), "")

    def incompleteness(self) -> str:
        """The same without a look at the single cases, which may take long for many files."""
        if not re.search(r"[A-Za-z0-9]", self.name):
            return _("Give the new model a name with letters or digits.")
        if not self.minutes > 0:
            return _("A training needs more than 0 minutes.")
        if self.base is not None and self.base.images:
            return _("The model to start from looks at several images of a patient: train it with the command train.")
        if not any(case.role == LABELED for case in self.cases):
            return _("At least one labeled case is needed.")
        if not self.structures:
            return _("The segmentations hold no structure to learn.")
        if [structure.value for structure in self.structures] != list(range(1, len(self.structures) + 1)):
            return _("The values of the structures must be 1, 2, 3 and so on, without gaps.")
        for case in self.cases:
            if case.role not in (LABELED, UNLABELED, HELD_OUT):
                return _("{case}: the role {role} is unknown.").format(case=case.title, role=case.role)
        return ""

    def recipe(self) -> dict[str, Any]:
        """The engine's settings: with unlabeled cases, half of the time is for learning from them, too."""
        entries = dict(self.settings)
        if any(case.role == UNLABELED for case in self.cases):
            for name in ("iterations", "semi_iterations"):
                entries.setdefault(name, 3000)  # the minutes decide how many they become
        return entries

    def describe(self) -> dict[str, Any]:
        """What `request.json` keeps; the cases are in a list of their own."""
        roles = [case.role for case in self.cases]
        return {
            "name": self.name,
            "base": self.base.id if self.base else None,
            "minutes": self.minutes,
            "device": self.device,
            "settings": self.recipe(),
            "structures": [structure.name for structure in self.structures],
            "counts": {role: roles.count(role) for role in (LABELED, UNLABELED, HELD_OUT)},
        }


def trainingArguments(request: Mapping[str, Any], folder: Path, models: list[str]) -> list[str]:
    """Arguments of `python -m cmaformer` that begin the training of a folder, or go on with it.

    :param request: the content of `request.json`.
    :param models: arguments that tell where models are, for the base.
    """
    device = ["--device", str(request.get("device", "auto"))]
    if (folder / "job" / JOB).exists():
        return ["train", "--resume", str(folder / "job"), *device]
    arguments = ["train", "--cases", str(folder / "cases" / CASES), "--job", str(folder / "job"), *device]
    arguments += ["--name", str(request["name"]), "--minutes", str(request["minutes"])]
    if request.get("base"):
        arguments += ["--base", str(request["base"]), *models]
    if request.get("settings"):
        arguments += ["--recipe", str(folder / "recipe.json")]
    return arguments
