"""Training cases: which image, which label map, which role; and what can be wrong with a list of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..door.description import Structure
from ..door.errors import EngineError

ROLES = ("labeled", "unlabeled", "held-out")

# The label map is stored and trained as uint8, and 255 is kept free for voxels to ignore.
LARGEST_LABEL = 254


class CasesError(EngineError):
    """The list of cases cannot be used as it is."""


@dataclass(frozen=True)
class Case:
    """One image and what it is used for.

    ``patient`` groups the cases of one person, so that a split never puts one person on both sides. ``others`` are
    further images of the same place, where a list names several (``CaseList.images``).
    """

    name: str
    image: Path
    labels: Path | None
    role: str
    patient: str
    others: tuple[Path, ...] = ()

    @property
    def images(self) -> tuple[Path, ...]:
        """The files of all its images, the first one first."""
        return self.image, *self.others


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a list of cases.

    ``case`` is the number of the case in the list, from 1, or None where it is about the whole list. ``message`` names
    no case and no file, so that it may leave this computer; ``named`` says the same with the user's own names.
    """

    code: str
    case: int | None
    message: str
    hint: str
    named: str


@dataclass(frozen=True)
class CaseList:
    """The classes to learn and the cases to learn them from.

    ``label_map`` says which class (0 for background) each value of the label maps stands for, where they were made with
    other values; None: the values are the classes. See :func:`cmaformer.cases.labels.read_labels`. ``images`` names
    the images of a case, such as ("T1", "FLAIR"), where there are several: a file each, or one file with a fourth axis.
    """

    structures: tuple[Structure, ...]
    cases: tuple[Case, ...]
    label_map: dict[int, int] | None = None
    images: tuple[str, ...] = ()

    def with_role(self, role: str) -> list[Case]:
        """The cases of one role, in the order of the list."""
        return [case for case in self.cases if case.role == role]


@dataclass(frozen=True)
class Parsed:
    """What could be understood of a list: its classes, its cases by their number from 1, and all that is wrong."""

    structures: tuple[Structure, ...]
    cases: dict[int, Case]
    problems: tuple[Problem, ...]
    label_map: dict[int, int] | None = None
    images: tuple[str, ...] = ()

    def case_list(self) -> CaseList:
        """What was understood, as a list."""
        return CaseList(self.structures, tuple(self.cases.values()), self.label_map, self.images)
