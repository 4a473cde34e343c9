"""What only a look at all cases together shows: duplicates, odd ones out, classes that nobody has drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cases.case_list import Case
from .case_facts import CaseCheck
from .report import ERROR, NOTE, WARNING, Finding

if TYPE_CHECKING:
    from ..door.description import Structure
    from ..door.input_spec import InputSpec
    from ..models.model import Model

# An image whose voxels are so many times longer or shorter than is usual in the list is told of, and the same for the
# range of intensities where the window is fixed.
ODD_SPACING, ODD_INTENSITY = 2.0, 20.0
# The fewest cases with which "usual" means anything.
FEWEST_TO_COMPARE = 3
FEWEST_PATIENTS = 5
# The part of a window that the values of an image must reach across.
LEAST_IN_WINDOW = 0.005


def compare(
    cases: dict[int, Case], checks: Sequence[CaseCheck], structures: Sequence[Structure], source: InputSpec
) -> Iterator[Finding]:
    """Findings about the cases beside each other.

    Args:
        cases: by their numbers.
        checks: one a case.
        structures: the classes of the list.
        source: what the model eats.
    """
    yield from _duplicates(cases, checks)
    yield from _odd_spacing(checks)
    if source.normalization["type"] == "window":
        yield from _odd_intensity(checks)
        yield from _outside_window(checks, source.normalization)
    yield from _classes(checks, structures)
    yield from _roles(cases)


def _duplicates(cases: dict[int, Case], checks: Sequence[CaseCheck]) -> Iterator[Finding]:
    images: dict[str, int] = {}
    labels: dict[str, int] = {}
    for check in checks:
        number = check.facts.case
        case = cases[number]
        image = images.setdefault(check.digest, number) if check.digest else number
        if image != number:
            same = "file" if cases[image].image.resolve() == case.image.resolve() else "image"
            message = f"It has the same {same} as case {image}."
            if (case.role == "held-out") != (cases[image].role == "held-out"):
                hint = "Remove one: a model that is tested on an image it has seen looks too good."
                yield Finding(ERROR, "duplicate-held-out", number, f"{message} One of them is held out.", hint)
            else:
                yield Finding(WARNING, "duplicate-image", number, message, "Remove one; it counts twice.")
        if case.labels is not None:
            path = str(case.labels.resolve())
            if labels.setdefault(path, number) != number and image == number:
                message = f"It has the same label map as case {labels[path]}, whose image is another."
                yield Finding(WARNING, "duplicate-labels", number, message, "Correct the path in the list.")


def _odd_spacing(checks: Sequence[CaseCheck]) -> Iterator[Finding]:
    known = [check for check in checks if check.facts.spacing_mm is not None]
    if len(known) < FEWEST_TO_COMPARE:
        return
    usual = np.median([check.facts.spacing_mm for check in known], axis=0)
    for check in known:
        factors = np.array(check.facts.spacing_mm) / usual
        if max(factors.max(), 1 / factors.min()) > ODD_SPACING:
            here, there = (" x ".join(f"{v:.3g}" for v in s) for s in (check.facts.spacing_mm or (), usual))
            message = f"Its voxels measure {here} mm; the median of the cases is {there} mm."
            yield Finding(WARNING, "odd-spacing", check.facts.case, message, "Check the spacing of the image.")


def _odd_intensity(checks: Sequence[CaseCheck]) -> Iterator[Finding]:
    spans = [(check.facts.case, check.facts.intensity) for check in checks]
    ranges = {case: span["high"] - span["low"] for case, span in spans if span and span["high"] > span["low"]}
    if len(ranges) < FEWEST_TO_COMPARE:
        return
    usual = float(np.median(list(ranges.values())))
    for case, width in ranges.items():
        if max(width / usual, usual / width) > ODD_INTENSITY:
            message = f"Its intensities span {width:.3g}; the median of the cases is {usual:.3g}."
            hint = "A fixed window needs the same unit everywhere; is this image in Hounsfield units?"
            yield Finding(WARNING, "odd-intensity", case, message, hint)


def _outside_window(checks: Sequence[CaseCheck], window: Mapping[str, Any]) -> Iterator[Finding]:
    """Images that show nothing in the window: in other units than it is meant for."""
    low, high = float(window["low"]), float(window["high"])
    for check in checks:
        span = check.facts.intensity
        if span is None or not span["high"] > span["low"]:
            continue
        seen = min(span["high"], high) - max(span["low"], low)
        if seen < LEAST_IN_WINDOW * (high - low):
            severity = ERROR if seen <= 0 else WARNING
            message = (
                f"Its intensities lie between {span['low']:.3g} and {span['high']:.3g}; next to nothing is to be seen "
                f"in the window of {low:g} to {high:g}."
            )
            hint = "Is this image in Hounsfield units? Correct its values, or choose another --window."
            yield Finding(severity, "outside-window", check.facts.case, message, hint)


def _classes(checks: Sequence[CaseCheck], structures: Sequence[Structure]) -> Iterator[Finding]:
    counted = [check.facts.voxels for check in checks if check.facts.role == "labeled" and check.facts.voxels]
    missing = [s for s in structures if not any(voxels.get(s.value, 0) for voxels in counted)]
    if not counted or not missing:
        return
    if len(missing) == len(structures):
        message = "No labeled case has a voxel of any class: there is nothing to learn."
        yield Finding(ERROR, "no-foreground", None, message, "Are these the right label maps?")
        return
    for structure in missing:
        message = f"No labeled case has a voxel of class {structure.value} ({structure.name}); it cannot be learned."
        yield Finding(WARNING, "class-missing", None, message, "Add cases that have it, or remove the class.")


def _roles(cases: dict[int, Case]) -> Iterator[Finding]:
    roles = [case.role for case in cases.values()]
    patients = {case.patient for case in cases.values() if case.role == "labeled"}
    if patients and "held-out" not in roles:
        message = "No case is held out, so nobody will know how good the model is."
        if len(patients) < FEWEST_PATIENTS:
            count = "1 labeled patient" if len(patients) == 1 else f"{len(patients)} labeled patients"
            hint = f"With {count}, ask for leave-one-out evaluation." if len(patients) > 1 else "Label more patients."
            yield Finding(NOTE, "few-patients", None, message, hint)
        else:
            yield Finding(NOTE, "no-held-out", None, message, "Hold out about every fifth patient (--held-out 0.2).")
    if patients and "unlabeled" not in roles:
        message = "There are no unlabeled cases; the model learns from the labeled ones alone."
        yield Finding(NOTE, "no-unlabeled", None, message, "Images without labels of the same kind can help.")


def compare_with_base(base: Model, structures: Sequence[Structure]) -> Iterator[Finding]:
    """How the classes of the list differ from those of the model that a training starts from."""
    before = {structure.value: structure.name for structure in base.description.classes}
    after = {structure.value: structure.name for structure in structures}
    if len(before) != len(after):
        message = f"The model to start from finds {len(before)} structures and the list has {len(after)}."
        hint = "What it knows of images is used; the layers that tell the structures apart start afresh."
        yield Finding(NOTE, "other-classes", None, message, hint)
        return
    for value, name in after.items():
        if before.get(value, "").casefold() != name.casefold():
            message = f"Class {value} is {name} in the list and {before.get(value)} in the model to start from."
            hint = "The layers that tell structures apart start afresh; use the model's names if only the words differ."
            yield Finding(NOTE, "other-classes", None, message, hint)
