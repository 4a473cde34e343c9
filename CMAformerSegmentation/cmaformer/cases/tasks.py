"""Data sets with published splits: the two tasks of the paper, several organs in abdominal CT (Synapse, BTCV) and the
liver with its tumors (LiTS), and the hearts of ACDC, from which the bundled model learned.

They need a registration with their owners. A task knows the layout of the files as they are handed out, what
their label values mean, a published split and intensity window, and the codes of its structures in the list of general
anatomy of 3D Slicer (``SegmentationCategoryTypeModifier-SlicerGeneralAnatomy.json``; also its colors).

The paper splits 80/15/5 % without saying which cases; the splits here are those that others published case by case:

- Synapse: 18 training and 12 test cases, and the window of -125 to 275 HU, of TransUNet
  (https://github.com/Beckschen/TransUNet, ``lists/lists_Synapse``, ``datasets/README.md``); 8 of the 13 organs. Where a
  folder has no test case at all, four of the training cases are held out.
- LiTS: of the 131 labeled volumes 0-104 for training and 105-130 for testing, and the window of -150 to 250 HU, of
  Bellver et al., arXiv:1711.11069 (https://github.com/imatge-upc/liverseg-2017-nipsws, ``README.md``).
- ACDC: of the first 100 patients 70 for training, 10 for validation and 20 for testing, of Luo et al., SSL4MIS
  (https://github.com/HiLab-git/SSL4MIS, ``data/ACDC``); two frames a patient.

The pixel spacings are choices of this project: 1.5 mm for organs, 1 mm for tumors. The class liver of LiTS is the liver
without its tumors, as in the label maps; it is compared with them, as in the challenge's own evaluation
(https://github.com/PatrickChrist/LITS-CHALLENGE, ``evaluation_notebook.ipynb``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..door.description import Structure
from .case_list import Case, CaseList, CasesError

if TYPE_CHECKING:
    from ..recipes.recipe import Recipe


# Side of the patches in pixels, for an abdomen at 1 to 1.5 mm.
PATCH = 192
# What measured best on the abdomen (Testing/benchmarks/README.md): whole slices, and a network made for them.
WHOLE = {"whole": True, "patch": 256, "batch_size": 8, "alpha": 0.5, "supervised_weight": 0.2, "ema": 0.998}
PYRAMID = {"layout": "pyramid", "norm": "batch", "gated": True}


@dataclass(frozen=True)
class Task:
    """A data set with a published split: how to read it, and how a network sees it.

    Attributes:
        name: on the command line.
        title: of a model of this task.
        about: what it finds, the ``task`` of its ``model.json``.
        modality: likewise.
        structures: its classes, with terminology.
        label_map: class (0 for background) of each value in its label maps; None: the values are the classes.
        normalization: see :class:`cmaformer.images.intensity.Normalization`.
        slicing: one of :data:`cmaformer.door.slicing.SLICINGS`.
        spacing_mm: (row, column) of the pixels; None: as for any other data, with the patches that go with it.
        image: pattern of the names of its images; the first group is the number of the case, or of a patient, and a
            second one tells its images apart.
        labels: the same of its label maps.
        training: numbers of the training cases.
        held_out: numbers of the test cases.
        validation: numbers of the cases that are held out where there are no test cases; they may be training cases.
        unions: what is compared with the reference, see :func:`cmaformer.segmenting.evaluate.evaluate`.
        augmentation: what is fixed of :class:`cmaformer.recipes.augmentation.Augmentation`: patients lie the same way
            round in every CT, and left and right kidneys look alike in a mirror.
        settings: further ones of the recipe.
        network: settings of a fresh network that differ from its configuration.
    """

    name: str
    title: str
    about: str
    modality: str
    structures: tuple[Structure, ...]
    label_map: Mapping[int, int] | None
    normalization: Mapping[str, Any]
    slicing: str
    spacing_mm: tuple[float, float] | None
    image: str
    labels: str
    training: frozenset[int]
    held_out: frozenset[int]
    validation: frozenset[int]
    unions: Mapping[int, tuple[int, ...]]
    augmentation: Mapping[str, Any]
    settings: Mapping[str, Any]
    network: Mapping[str, Any]

    def read(self, folder: str | os.PathLike[str]) -> CaseList:
        """The cases of the data set in a folder, at whatever depth, with the roles of the published split.

        Raises:
            CasesError: code ``incomplete-dataset`` if a case of the split is missing (a folder without any test case
                is complete where the task names cases for validation), ``doubled-case`` if two files could be the same
                one.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise CasesError("no-cases", "There is no such folder.", f"Give the folder of the {self.title} data.")
        images, labels = self._files(folder, self.image), self._files(folder, self.labels)
        wanted, held_out = self.training | self.held_out, self.held_out
        there = {number for number, _ in (*images, *labels)}
        if self.validation and not self.held_out & there:
            wanted, held_out = self.training | self.validation, self.validation
        numbers = sorted(wanted)
        keys = sorted(key for key in {*images, *labels} if key[0] in wanted)
        for files, what in ((images, "image"), (labels, "label map")):
            known = {number for number, _ in files} - {number for number, part in keys if (number, part) not in files}
            missing = [number for number in numbers if number not in known]
            if missing:
                raise CasesError(
                    "incomplete-dataset",
                    f"{len(missing)} of the {len(numbers)} cases of {self.title} have no {what}: number "
                    f"{', '.join(map(str, missing[:5]))}{', ...' if len(missing) > 5 else ''}.",
                    f"Its {what}s are files like {_example(self.image if what == 'image' else self.labels)}; to train "
                    "on a part of them, list them in a cases.json.",
                )
        cases = tuple(
            Case(
                images[key].name.split(".")[0],
                images[key],
                labels[key],
                "held-out" if key[0] in held_out else "labeled",
                str(key[0]),
            )
            for key in keys
        )
        return CaseList(self.structures, cases, None if self.label_map is None else dict(self.label_map))

    def _files(self, folder: Path, pattern: str) -> dict[tuple[int, str], Path]:
        """The files of the split whose name fits, by number and by what tells those of one number apart."""
        found: dict[tuple[int, str], Path] = {}
        for path in sorted(folder.rglob("*.nii*")):
            match = re.fullmatch(pattern, path.name)
            number = int(match[1]) if match else -1
            if match is None or not path.is_file() or number not in self.training | self.held_out | self.validation:
                continue
            key = (number, match[2] if match.re.groups > 1 else "")
            if key in found:
                raise CasesError(
                    "doubled-case", f"The folder holds two files {path.name.split('.')[0]}.", "Give a folder with one."
                )
            found[key] = path
        return found

    def recipe(self, recipe: Recipe) -> Recipe:
        """The recipe with what this task fixes of it; patches on a fixed grid show half of a body or more."""
        augmentation = replace(recipe.augmentation, **self.augmentation)
        if self.spacing_mm is None:
            return replace(recipe, **{**self.settings, "augmentation": augmentation})
        patch = max(recipe.patch, PATCH)
        return replace(recipe, **{"patch": patch, **self.settings, "augmentation": augmentation})


def _example(pattern: str) -> str:
    """The first file that a pattern means."""
    for group, number in ((r"(\d{4})", "0001"), (r"(\d{3})", "001"), (r"(\d{2})", "01"), (r"(\d+)", "0")):
        pattern = pattern.replace(group, number)
    return pattern.replace(r"\.nii(?:\.gz)?", ".nii.gz")


# --- terminology: 3D Slicer's general anatomy list --------------------------------------------------------------------

_STRUCTURE = ["SCT", "123037004", "Anatomical Structure"]
_ALTERED = ["SCT", "49755003", "Morphologically Altered Structure"]
_LEFT, _RIGHT = ["SCT", "7771000", "Left"], ["SCT", "24028007", "Right"]


def _organ(
    value: int,
    name: str,
    code: tuple[str, str],
    color: tuple[int, int, int],
    modifier: list[str] | None = None,
    category: list[str] = _STRUCTURE,
) -> Structure:
    return Structure(value, name, color, {"category": category, "type": ["SCT", *code], "modifier": modifier})


_LIVER = ("10200004", "Liver"), (221, 130, 101)
_KIDNEY = ("64033007", "Kidney")
_CT = {"flip": 0.0, "right_angle": 0.0}

SYNAPSE = Task(
    name="synapse",
    title="Abdominal organs (Synapse)",
    about="abdominal organs",
    modality="CT",
    structures=(
        _organ(1, "aorta", ("15825003", "Aorta"), (224, 97, 76)),
        _organ(2, "gallbladder", ("28231008", "Gallbladder"), (139, 150, 98)),
        _organ(3, "left kidney", _KIDNEY, (185, 102, 83), _LEFT),
        # Slicer gives both the same color; here it shows if they are confused.
        _organ(4, "right kidney", _KIDNEY, (214, 150, 132), _RIGHT),
        _organ(5, "liver", *_LIVER),
        _organ(6, "pancreas", ("15776009", "Pancreas"), (249, 180, 111)),
        _organ(7, "spleen", ("78961009", "Spleen"), (157, 108, 162)),
        _organ(8, "stomach", ("69695003", "Stomach"), (216, 132, 105)),
    ),
    # In the files: 1 spleen, 2 right kidney, 3 left kidney, 4 gallbladder, 5 esophagus, 6 liver, 7 stomach, 8 aorta,
    # 9 inferior vena cava, 10 portal and splenic veins, 11 pancreas, 12 right and 13 left adrenal gland.
    label_map={1: 7, 2: 4, 3: 3, 4: 2, 5: 0, 6: 5, 7: 8, 8: 1, 9: 0, 10: 0, 11: 6, 12: 0, 13: 0},
    normalization={"type": "window", "low": -125, "high": 275},
    slicing="axial",
    spacing_mm=(1.5, 1.5),
    image=r"img(\d{4})\.nii(?:\.gz)?",
    labels=r"label(\d{4})\.nii(?:\.gz)?",
    training=frozenset({5, 6, 7, 9, 10, 21, 23, 24, 26, 27, 28, 30, 31, 33, 34, 37, 39, 40}),
    held_out=frozenset({1, 2, 3, 4, 8, 22, 25, 29, 32, 35, 36, 38}),
    validation=frozenset({5, 21, 30, 39}),
    unions={},
    augmentation=_CT,
    settings=WHOLE,
    network=PYRAMID,
)

LITS = Task(
    name="lits",
    title="Liver and liver tumors (LiTS)",
    about="liver, liver tumors",
    modality="CT",
    structures=(
        _organ(1, "liver", *_LIVER),
        _organ(2, "liver tumor", ("4147007", "Mass"), (144, 238, 144), category=_ALTERED),
    ),
    label_map=None,
    normalization={"type": "window", "low": -150, "high": 250},
    slicing="axial",
    spacing_mm=(1.0, 1.0),
    image=r"volume-(\d+)\.nii(?:\.gz)?",
    labels=r"segmentation-(\d+)\.nii(?:\.gz)?",
    training=frozenset(range(105)),
    held_out=frozenset(range(105, 131)),
    validation=frozenset(),
    unions={1: (1, 2)},
    augmentation=_CT,
    settings={},
    network={},
)

_ACDC_TEST = frozenset({1, 7, 8, 11, 13, 22, 24, 33, 52, 59, 64, 65, 66, 68, 75, 80, 81, 83, 84, 93})
_ACDC_VALIDATION = frozenset({2, 19, 28, 30, 39, 45, 78, 82, 85, 87})

ACDC = Task(
    name="acdc",
    title="Cardiac cine MR (ACDC)",
    about="ventricles and myocardium of the heart",
    modality="MR",
    structures=(
        _organ(1, "right ventricle", ("53085002", "Right ventricle"), (64, 120, 220)),
        _organ(2, "myocardium", ("74281007", "Myocardium"), (235, 180, 80)),
        _organ(3, "left ventricle", ("87878005", "Left ventricle"), (214, 50, 45)),
    ),
    label_map=None,
    normalization={"type": "percentile", "low": 0.5, "high": 99.5},
    slicing="oriented",
    spacing_mm=None,
    image=r"patient(\d{3})_frame(\d{2})\.nii(?:\.gz)?",
    labels=r"patient(\d{3})_frame(\d{2})_gt\.nii(?:\.gz)?",
    training=frozenset(range(1, 101)) - _ACDC_TEST - _ACDC_VALIDATION,
    held_out=_ACDC_TEST,
    validation=_ACDC_VALIDATION,
    unions={},
    augmentation={},
    settings={},
    network={},
)

TASKS = {task.name: task for task in (SYNAPSE, LITS, ACDC)}
