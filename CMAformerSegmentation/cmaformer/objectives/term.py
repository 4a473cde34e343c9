"""The socket of a term of the objective that learns from unlabeled patches.

A new term is a file with a class like `Constraints`, a line in `build.py`, and its settings in the recipe.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..network.cmaformer import Prediction
from ..recipes.recipe import Recipe


@dataclass
class Step:
    """What a term sees of one step.

    Attributes:
        student: the network that learns.
        prediction: the student's, on unlabeled patches with changed intensities.
        views: the teacher's predictions of the same patches, without and (where a term has two ``views``) with the
            changed intensities.
        slices: int64 (B, 2), number of the case and of the slice of each patch.
        generator: on the CPU; the same state whenever the step is repeated.
    """

    student: nn.Module
    prediction: Prediction
    views: Sequence[Prediction]
    slices: np.ndarray
    generator: torch.Generator


class Term(nn.Module, ABC):
    """A term of the objective; what its state_dict holds belongs into the checkpoint.

    Attributes:
        name: in events and reports.
        views: how many predictions of the teacher it needs, one or two.
    """

    name = ""
    views = 1

    @abstractmethod
    def weight(self, recipe: Recipe) -> float:
        """Its weight in the sum, before the ramp; with 0 it is computed for the report alone."""

    @abstractmethod
    def forward(self, step: Step) -> Tensor:
        """The term of one step, a scalar, not weighted."""

    def begin(self, student: nn.Module) -> None:
        """The semi-supervised phase begins with these weights."""

    def update_teacher(self, decay: float) -> None:
        """After a step: what is an average of the student's moves towards it."""

    def report(self) -> dict[str, Any]:
        """What is worth knowing of it, as plain JSON types; empty if nothing."""
        return {}


class Terms(nn.Module):
    """The terms that a recipe has switched on, in the order of their weights in the sum."""

    def __init__(self, terms: Sequence[Term]) -> None:
        super().__init__()
        self.all = list(terms)
        for term in terms:
            self.add_module(term.name, term)

    def __len__(self) -> int:
        return len(self.all)

    @property
    def views(self) -> int:
        """Predictions of the teacher that are needed."""
        return max((term.views for term in self.all), default=1)

    def begin(self, student: nn.Module) -> None:
        """See :meth:`Term.begin`."""
        for term in self.all:
            term.begin(student)

    def update_teacher(self, decay: float) -> None:
        """See :meth:`Term.update_teacher`."""
        for term in self.all:
            term.update_teacher(decay)

    def forward(self, step: Step) -> dict[str, Tensor]:
        """Each term of one step by its name, not weighted."""
        return {term.name: term(step) for term in self.all}

    def weights(self, recipe: Recipe) -> dict[str, float]:
        """The weight of each term by its name."""
        return {term.name: term.weight(recipe) for term in self.all}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Back from a checkpoint; in those of version 0.1.0 the heads of the contrast stood beside it."""
        heads = ("student_head.", "teacher_head.")
        state = {f"contrast.{k}" if k.startswith(heads) else k: value for k, value in state_dict.items()}
        return super().load_state_dict(state, strict, assign)

    def report(self) -> dict[str, Any]:
        """The reports of those terms that have one, by "NAME_report"."""
        return {f"{term.name}_report": report for term in self.all if (report := term.report())}
