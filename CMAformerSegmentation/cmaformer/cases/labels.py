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
        CasesError: code ``unknown-label``: it holds a value that is no class of the list; ``unknown-segment``: a Slicer
            segmentation whose segments are only in part named as the classes. Where all are, names count, not values.
        ImageError: the file cannot be read.
        ValueError: the case has no label map.
    """
    from ..images.volume import read_volume

    if case.labels is None:
        raise ValueError("the case has no label map")
    volume = read_volume(case.labels)
    known = classes_of(case, case_list)
    strange = [value for value in np.unique(volume.array).tolist() if value not in known]
    if strange:
        raise CasesError(
            "unknown-label",
            f"{case.name}: the label map holds the value {strange[0]:g}, which is no class of the list.",
            "Add it to the classes, or remove it from the label map.",
        )
    if known == {value: value for value in range(len(case_list.structures) + 1)}:
        return replace(volume, array=volume.array.astype(np.uint8, copy=False))
    array = np.zeros(volume.array.shape, np.uint8)
    for value, class_ in known.items():
        if class_:
            array[volume.array == value] = class_
    return replace(volume, array=array)


def classes_of(case: Case, case_list: CaseList) -> dict[int, int]:
    """Which values the label map of a case may hold, and the class that each stands for.

    Where all segments of a Slicer segmentation are named as classes, their names count; else :func:`values_of`.

    Raises:
        CasesError: code ``unknown-segment``, as :func:`read_labels`.
        OSError: the file cannot be opened.
    """
    by_name = _by_name(case, case_list)
    return values_of(case_list) if by_name is None else by_name


def _by_name(case: Case, case_list: CaseList) -> dict[int, int] | None:
    """The class of each value by the names in a Slicer segmentation; None where no name is one of a class.

    Raises CasesError: code ``unknown-segment``: some names are those of classes, and others are not.
    """
    from ..images.segments import segment_names

    if case.labels is None or not case.labels.is_file() or case_list.label_map is not None:
        return None
    names = segment_names(case.labels)
    classes = {" ".join(s.name.casefold().split()): s.value for s in case_list.structures}
    found = {value: classes.get(" ".join(name.casefold().split())) for value, name in names.items()}
    if not any(found.values()):
        return None
    strange = next((names[value] for value, class_ in found.items() if class_ is None), None)
    if strange is not None:
        raise CasesError(
            "unknown-segment",
            f"{case.name}: the segment {strange!r} is no class of the list, though others of its segments are.",
            "Rename it as the class that it is, or remove it.",
        )
    return {0: 0, **{value: class_ for value, class_ in found.items() if class_}}


def values_of(case_list: CaseList) -> dict[int, int]:
    """Which values the label maps of a list may hold, and the class that each stands for."""
    if case_list.label_map is not None:
        return {0: 0, **case_list.label_map}
    return {value: value for value in range(len(case_list.structures) + 1)}
