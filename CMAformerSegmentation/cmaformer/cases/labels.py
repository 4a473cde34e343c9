"""The label map of a case, as classes of its list: the one place where label values are read, checked and converted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .case_list import Case, CaseList, CasesError

if TYPE_CHECKING:
    from ..images.geometry import Volume


def read_labels(case: Case, case_list: CaseList) -> Volume:
    """The label map of a case with the values of the list's classes.

    Returns:
        uint8 (K, J, I), 0 for background and 1.. for the structures of the list, on the grid of its file.

    Raises:
        CasesError: code ``unknown-label``: it holds a value that is no class of the list.
        ImageError: the file cannot be read.
        ValueError: the case has no label map.
    """
    from ..images.volume import read_volume

    if case.labels is None:
        raise ValueError("the case has no label map")
    volume = read_volume(case.labels)
    known = values_of(case_list)
    strange = [value for value in np.unique(volume.array).tolist() if value not in known]
    if strange:
        raise CasesError(
            "unknown-label",
            f"{case.name}: the label map holds the value {strange[0]:g}, which is no class of the list.",
            "Add it to the classes, or remove it from the label map.",
        )
    if case_list.label_map is None:
        return replace(volume, array=volume.array.astype(np.uint8, copy=False))
    array = np.zeros(volume.array.shape, np.uint8)
    for value, class_ in known.items():
        if class_:
            array[volume.array == value] = class_
    return replace(volume, array=array)


def values_of(case_list: CaseList) -> dict[int, int]:
    """Which values the label maps of a list may hold, and the class that each stands for."""
    if case_list.label_map is not None:
        return {0: 0, **case_list.label_map}
    return {value: value for value in range(len(case_list.structures) + 1)}
