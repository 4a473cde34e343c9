"""What is trained on a graphics card that is lent (`gpu_train.py`): the rows, their images and their lists of cases."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The validation cases of the abdomen, by number (issue 20); the other 14 are for training.
VALIDATION = {5, 21, 30, 39}
ORGANS = ["aorta", "gallbladder", "left kidney", "right kidney", "liver", "pancreas", "spleen", "stomach"]
FURTHER = ["esophagus", "inferior vena cava", "portal and splenic veins", "right adrenal gland", "left adrenal gland"]
# Class of each value in the files.
LABEL_MAP = {1: 7, 2: 4, 3: 3, 4: 2, 5: 9, 6: 5, 7: 8, 8: 1, 9: 10, 10: 11, 11: 6, 12: 12, 13: 13}
NETWORK = {"layout": "pyramid", "norm": "batch", "gated": True}
RECIPE = {
    "whole": True,
    "patch": 256,
    "batch_size": 24,
    "alpha": 0.5,
    "supervised_weight": 0.2,
    "ema": 0.998,
    "evaluate_every": 0,
    "checkpoint_every": 1000,
    "augmentation": {"flip": 0.0, "right_angle": 0.0},
}
# The paper's setting, halved: seven CTs with labels, with and without the seven others, and the further terms.
BOTH = {"unlabeled": True, "labeled": 7}
# From a model that is already there, at half the rate, with volumes that end anywhere.
FURTHER_RECIPE = {"learning_rate": 1e-3, "augmentation": {"flip": 0.0, "right_angle": 0.0, "cut": 0.05}}


HEART_RECIPE = {"alpha": 0.3, "supervised_weight": 1.0, "augmentation": {"flip": 0.5, "right_angle": 0.5}}


@dataclass(frozen=True)
class Source:
    """How the images of a data set become slices.

    Attributes:
        spacing: row and column in mm.
        slicing: see :data:`cmaformer.door.slicing.SLICINGS`.
        normalization: of the intensities.
        modality: of the images.
        steps: of the intensities in the file that travels.
        cleaned: classes of which the largest part, together, is kept.
    """

    spacing: tuple[float, float]
    slicing: str
    normalization: dict[str, Any]
    modality: str
    steps: int = 255
    cleaned: list[int] | None = None


SOURCES = {
    "abdomen": Source((1.5, 1.5), "axial", {"type": "window", "low": -125, "high": 275}, "CT"),
    "heart": Source((1.5, 1.5), "oriented", {"type": "percentile", "low": 0.5, "high": 99.5}, "MR", 127, [1, 2, 3]),
}


@dataclass(frozen=True)
class Row:
    """A training.

    Attributes:
        classes: how many of the organs.
        context: neighboring slices on each side.
        network: changes of it.
        labeled: CTs with labels of the 14, the first by number; 0: all 18, so that none is left for validation.
        unlabeled: whether it learns from the others of the 14, too.
        recipe: changes of it.
        seed: of the training.
        further: whether it starts from a model (``--base``).
        data: key of :data:`SOURCES`; the heart has 70 labeled patients, whatever else is said.
    """

    classes: int = 8
    context: int = 0
    network: dict[str, Any] = field(default_factory=dict)
    labeled: int = 14
    unlabeled: bool = False
    recipe: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    further: bool = False
    data: str = "abdomen"


ROWS = {
    "eight": Row(),
    "eight-all": Row(labeled=0),
    "thirteen": Row(13),
    "context": Row(13, 1),
    "compact": Row(13, 0, {"layout": "compact"}),
    "further": Row(further=True, recipe=FURTHER_RECIPE),
    "further-all": Row(labeled=0, further=True, recipe=FURTHER_RECIPE),
    "seven-alone": Row(labeled=7),
    "seven-alone-again": Row(labeled=7, seed=1),
    "seven-both": Row(**BOTH),
    "seven-both-again": Row(**BOTH, seed=1),
    "seven-constraint": Row(**BOTH, recipe={"constraint": "penalty"}),
    "seven-contrast": Row(**BOTH, recipe={"contrast_weight": 0.1}),
    "heart": Row(3, data="heart", recipe=HEART_RECIPE),
    "heart-compact": Row(3, data="heart", network={"layout": "compact"}, recipe=HEART_RECIPE),
    "heart-further": Row(3, data="heart", further=True, recipe={**HEART_RECIPE, "learning_rate": 1e-3}),
}


def case_list(data: Path, classes: int, everything: bool) -> Any:
    """The 18 CTs with so many classes."""
    from cmaformer.cases.case_list import Case, CaseList
    from cmaformer.door.description import Structure

    folder = data / "abdomen_ct"
    names = (ORGANS + FURTHER)[:classes]
    cases = []
    for path in sorted((folder / "img").glob("img*.nii.gz")):
        number = int(path.name[3:7])
        role = "held-out" if number in VALIDATION and not everything else "labeled"
        cases.append(Case(f"{number:04d}", path, folder / "label" / f"label{number:04d}.nii.gz", role, str(number)))
    structures = tuple(Structure(value, name, (128, 128, 128), None) for value, name in enumerate(names, 1))
    label_map = {value: class_ if class_ <= classes else 0 for value, class_ in LABEL_MAP.items()}
    return CaseList(structures, tuple(cases), label_map)


def write_list(data: Path, to: Path) -> None:
    """A ``cases.json`` of the eight organs, as the rows on one processor core and ``shift.py`` need it."""
    found = case_list(data, 8, False)
    cases = [
        {"name": case.name, "image": str(case.image.resolve()), "labels": str(case.labels.resolve()), "role": case.role}
        for case in found.cases
    ]
    classes = {str(structure.value): structure.name for structure in found.structures}
    label_map = {str(value): class_ for value, class_ in found.label_map.items()}
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps({"classes": classes, "label_map": label_map, "cases": cases}, indent=1))


def cases_of(row: Row, data: Path, to: Path) -> Any:
    """The list of cases of a row, in which only the heart has its final roles."""
    if row.data == "abdomen":
        return case_list(data, row.classes, not row.labeled)
    from cardiac_cases import write_cases

    from cmaformer.cases.reading import read_cases

    write_cases(data / "cardiac_cine_mr", to / "heart.json", 70)
    return read_cases(to / "heart.json")
