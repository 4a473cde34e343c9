"""Training cases: which image, which label map, which role; read from a ``cases.json`` and checked before any work."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .description import Structure
from .errors import EngineError

ROLES = ("labeled", "unlabeled", "held-out")

# The label map is stored and trained as uint8, and 255 is kept free for voxels to ignore.
LARGEST_LABEL = 254


class CasesError(EngineError):
    """The list of cases cannot be used as it is."""


@dataclass(frozen=True)
class Case:
    """One image and what it is used for.

    ``patient`` groups the cases of one person, so that a split never puts one person on both sides.
    """

    name: str
    image: Path
    labels: Path | None
    role: str
    patient: str


@dataclass(frozen=True)
class CaseList:
    """The classes to learn and the cases to learn them from.

    ``label_map`` says which class (0 for background) each value of the label maps stands for, where they were made with
    other values; None: the values are the classes. See :func:`cmaformer.labels.read_labels`.
    """

    structures: tuple[Structure, ...]
    cases: tuple[Case, ...]
    label_map: dict[int, int] | None = None

    def with_role(self, role: str) -> list[Case]:
        """The cases of one role, in the order of the list."""
        return [case for case in self.cases if case.role == role]


# A colour for each class without one: distinguishable side by side and on grey images.
PALETTE = (
    (128, 174, 128), (241, 214, 145), (177, 122, 101), (111, 184, 210), (216, 101, 79), (221, 130, 101),
    (144, 238, 144), (192, 104, 88), (220, 245, 20), (78, 63, 0), (255, 250, 220), (230, 220, 70), (200, 200, 235),
)  # fmt: skip


def read_cases(path: str | os.PathLike[str]) -> CaseList:
    """Read a ``cases.json``; paths in it are relative to the file.

    ``{"classes": {"1": "right ventricle", "2": {"name": ..., "color": [r, g, b], "terminology": {...}}},
    "cases": [{"name": ..., "image": path, "labels": path or null, "role": "labeled" | "unlabeled" | "held-out",
    "patient": optional, the name where it is missing}]}``

    Raises:
        CasesError: the file is not such a list, an image or label map is missing, or a patient is both trained on and
            held out. The message names the case and what to do.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise CasesError("no-cases", f"{path.name} cannot be read.", "Give the path of a cases.json.") from None
    except ValueError as error:
        raise CasesError("bad-cases", f"{path.name} is not valid JSON: {error}.") from None
    if not isinstance(content, dict) or not isinstance(content.get("cases"), list):
        raise CasesError("bad-cases", f'{path.name} needs "classes" and a list "cases".')
    structures = _structures(path.name, content.get("classes"))
    cases = tuple(_case(path, number, entry) for number, entry in enumerate(content["cases"], 1))
    _check(path.name, cases)
    return CaseList(structures, cases)


def _structures(file: str, classes: Any) -> tuple[Structure, ...]:
    if not isinstance(classes, dict) or not classes:
        raise CasesError("bad-cases", f'{file}: "classes" must map label values to names, {{"1": "liver"}}.')
    structures = []
    for key, entry in classes.items():
        if not str(key).isdigit() or not 1 <= int(key) <= LARGEST_LABEL:
            raise CasesError("bad-cases", f"{file}: class {key!r} must be a label value from 1 to {LARGEST_LABEL}.")
        if isinstance(entry, str):
            entry = {"name": entry}
        if not isinstance(entry, dict) or not str(entry.get("name", "")).strip():
            raise CasesError("bad-cases", f"{file}: class {key} has no name.")
        color = tuple(int(c) for c in entry.get("color", PALETTE[(int(key) - 1) % len(PALETTE)]))
        structures.append(Structure(int(key), entry["name"].strip(), color, entry.get("terminology")))  # type: ignore[arg-type]
    structures.sort(key=lambda structure: structure.value)
    if [structure.value for structure in structures] != list(range(1, len(structures) + 1)):
        raise CasesError("bad-cases", f"{file}: class values must be 1, 2, ... without gaps.")
    return tuple(structures)


def _case(path: Path, number: int, entry: Any) -> Case:
    if not isinstance(entry, dict) or not entry.get("image"):
        raise CasesError("bad-cases", f"{path.name}: case {number} has no image.")
    name = str(entry.get("name") or f"case {number}")
    role = entry.get("role", "labeled" if entry.get("labels") else "unlabeled")
    if role not in ROLES:
        raise CasesError("bad-cases", f"{name}: the role {role!r} is unknown; use {', '.join(ROLES)}.")
    image = path.parent / entry["image"]
    labels = path.parent / entry["labels"] if entry.get("labels") else None
    if not image.exists():
        raise CasesError("no-image", f"{name}: its image {image.name} is not there.", "Correct the path in the list.")
    if role != "unlabeled" and labels is None:
        raise CasesError("no-labels", f"{name} is {role} but has no label map.", "Give one, or make it unlabeled.")
    if labels is not None and not labels.exists():
        raise CasesError("no-labels", f"{name}: its label map {labels.name} is not there.", "Correct the path.")
    return Case(name, image, labels, role, str(entry.get("patient") or name))


def _check(file: str, cases: tuple[Case, ...]) -> None:
    names = [case.name for case in cases]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise CasesError("doubled-case", f"{file} lists {doubled[0]} twice.", "Remove one, or give it another name.")
    held_out = {case.patient for case in cases if case.role == "held-out"}
    for case in cases:
        if case.role != "held-out" and case.patient in held_out:
            raise CasesError(
                "patient-in-two-roles",
                f"{case.name} is {case.role}, but another image of the same patient is held out.",
                "Give all images of a patient the same side: a model tested on its own patients looks too good.",
            )
    if not any(case.role == "labeled" for case in cases):
        raise CasesError("no-labeled-case", f"{file} has no labeled case.", "At least one is needed.")
