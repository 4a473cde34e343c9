"""Compare segmentations with reference label maps, case by case, on the grid of the source images."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cases.case_list import Case, CaseList, CasesError
from ..cases.images import read_images
from ..cases.labels import read_labels
from ..cases.reading import read_cases
from ..images.geometry import Volume
from ..images.reorder import in_order_of
from .metrics import Agreement, agreement

if TYPE_CHECKING:
    from ..models.model import Model

MEASURES = Agreement._fields


@dataclass(frozen=True)
class Evaluation:
    """Agreement of every case.

    ``values`` (cases, structures, 3) holds Dice, HD95 (mm) and ASSD (mm); NaN where undefined.
    """

    cases: list[str]
    structures: list[str]
    values: np.ndarray

    def summary(self) -> list[dict[str, Any]]:
        """Mean and standard deviation over cases of each structure; then "mean", of the means over a case's structures.

        A surface distance is undefined where a structure was missed or invented; ``n`` says how many cases counted.
        """
        rows = []
        with np.errstate(all="ignore"):
            columns = [(name, self.values[:, i]) for i, name in enumerate(self.structures)]
            every = [[_mean(case[:, m]) for m in range(len(MEASURES))] for case in self.values]
            columns.append(("mean", np.array(every)))
            for name, column in columns:
                row: dict[str, Any] = {"structure": name}
                for m, measure in enumerate(MEASURES):
                    defined = column[:, m][~np.isnan(column[:, m])]
                    row[measure] = {
                        "mean": float(defined.mean()) if len(defined) else None,
                        "std": float(defined.std()) if len(defined) else None,
                        "n": len(defined),
                    }
                rows.append(row)
        return rows

    def rows(self) -> list[dict[str, Any]]:
        """One row a case and structure, for a table of all numbers; undefined values are None."""
        return [
            {
                "case": case,
                "structure": structure,
                **{
                    measure: None if np.isnan(value) else float(value)
                    for measure, value in zip(MEASURES, self.values[c, s])
                },
            }
            for c, case in enumerate(self.cases)
            for s, structure in enumerate(self.structures)
        ]


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def evaluate(
    cases: str | os.PathLike[str] | CaseList,
    model: Model | None = None,
    predictions: str | os.PathLike[str] | None = None,
    role: str = "held-out",
    device: str = "auto",
    progress: Callable[[int, int], None] = lambda done, total: None,
    unions: Mapping[int, Sequence[int]] | None = None,
) -> Evaluation:
    """Compare with the reference label maps of the cases of one role.

    Args:
        cases: a ``cases.json`` or its content.
        model: segments each image now; or
        predictions: a folder with one label map a case, named as the case (``.nrrd``, ``.nii.gz``, ``.nii``, ``.mha``).
        role: which cases.
        device: for the model.
        progress: called after each case with the number done and in all.
        unions: classes that count for a structure, where they are more than its own: with ``{1: (1, 2)}`` the liver,
            class 1, is compared with its tumors, class 2.

    Raises:
        CasesError: no such cases, or a prediction is missing or lies elsewhere than the reference (``other-grid``); the
            order of its voxels does not matter; it lacks a class and holds a value that is none (``unknown-label``);
            the model looks at other images (``other-images``) or has other classes (``other-classes``): names count,
            where it has them.
        ImageError: a file cannot be read.
    """
    case_list = cases if isinstance(cases, CaseList) else read_cases(cases, training=False)
    chosen = [case for case in case_list.with_role(role) if case.labels is not None]
    if not chosen:
        raise CasesError("no-cases", f"The list has no {role} case with a label map.", "Choose another role.")
    if (model is None) == (predictions is None):
        raise CasesError("bad-usage", "Give either a model or a folder of predictions.")
    names = {structure.value: structure.name for structure in case_list.structures}
    counted = [list((unions or {}).get(value, [value])) for value in names]
    own = _values_of(case_list, model) if model is not None else {value: value for value in names}
    values = []
    for done, case in enumerate(chosen, 1):
        reference = read_labels(case, case_list)
        if model is not None:
            from .segment import segment

            result = segment(read_images(case, case_list, model.description.input.names), model, device=device)
            found = Volume(result.labels, result.geometry)
        else:
            found = _prediction(case, Path(str(predictions)), list(names))
        labels = in_order_of(found, reference.geometry)
        if labels is None:
            raise CasesError(
                "other-grid",
                f"{case.name}: the prediction ({found.array.shape} voxels) does not lie on the voxels of the reference "
                f"({reference.array.shape}).",
                "Resample one of them onto the other; voxels in another order are no matter.",
            )
        spacing = reference.geometry.spacing[::-1]
        values.append(
            [
                agreement(np.isin(labels, [own[v] for v in classes]), np.isin(reference.array, classes), 2, spacing)[0]
                for classes in counted
            ]
        )
        progress(done, len(chosen))
    structures = [" and ".join(names[v] for v in classes) for classes in counted]
    return Evaluation([case.name for case in chosen], structures, np.array(values))


def _values_of(case_list: CaseList, model: Model) -> dict[int, int]:
    """The model's value of each class of the list: by names, or as they are where the model has none of the names.

    Raises CasesError: the model has some of the names, or another number of classes.
    """
    known = {structure.name.casefold(): structure.value for structure in model.description.classes}
    named = {s.value: known[s.name.casefold()] for s in case_list.structures if s.name.casefold() in known}
    if len(named) == len(case_list.structures):
        return named
    if named or len(known) != len(case_list.structures):
        raise CasesError(
            "other-classes",
            f"The list has the classes {', '.join(s.name for s in case_list.structures)}; the model finds "
            f"{', '.join(s.name for s in model.description.classes)}.",
            "Give the classes of the list the names that the model has for them.",
        )
    return {structure.value: structure.value for structure in case_list.structures}


def _prediction(case: Case, folder: Path, classes: Sequence[int]) -> Volume:
    """The label map of a case, with the values of the classes; other values in place of a class are refused."""
    from ..door.names import LABEL_SUFFIXES
    from ..images.volume import read_volume

    for suffix in LABEL_SUFFIXES:
        path = folder / f"{case.name}{suffix}"
        if path.is_file():
            volume = read_volume(path)
            values = set(np.unique(volume.array).tolist())
            strange = sorted(values - {0, *classes})
            if strange and set(classes) - values:  # further structures, which nobody asked for, are no matter
                raise CasesError(
                    "unknown-label",
                    f"{case.name}: the prediction holds the value {strange[0]:g}, which is no class of the list.",
                    f"Predictions have the values of the classes, {', '.join(map(str, classes))}, and 0.",
                )
            return volume
    raise CasesError(
        "no-prediction", f"There is no label map {case.name}{LABEL_SUFFIXES[0]} in the folder of predictions."
    )
