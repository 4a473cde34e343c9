"""A list of cases, read from a ``cases.json`` or a dataset, and all that is wrong with it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..door.description import Structure
from ..door.files import read_text
from ..door.input_spec import MOST_IMAGES
from ..door.names import PALETTE
from ..door.patients import patient_of
from .case_list import LARGEST_LABEL, ROLES, Case, CaseList, CasesError, Parsed, Problem
from .datasets import read_dataset

NO_LABELED = "no-labeled-case"


def read_cases(path: str | os.PathLike[str], fold: int | None = None, training: bool = True) -> CaseList:
    """Read a ``cases.json``; paths in it are relative to the file.

    A folder or a ``dataset.json`` is read as a dataset of the Medical Segmentation Decathlon or of nnU-Net, see
    :func:`cmaformer.cases.datasets.read_dataset`, also for ``fold``. Without ``training``, none need be labeled.

    ``{"classes": {"1": "right ventricle", "2": {"name": ..., "color": [r, g, b], "terminology": {...}}},
    "cases": [{"name": ..., "image": path, "labels": path or null, "role": "labeled" | "unlabeled" | "held-out",
    "patient": optional, else from the name (``door/patients.py``)}], "label_map": optional, {"6": 1, "11": 2, "3": 0}:
    the class of each value of the label maps, where they have other values than the classes}``

    Cases of several images have ``"images": {"T1": path, "FLAIR": path}`` in place of "image"; or one "image" with a
    fourth axis, where the list itself names them, ``"images": ["T1", "FLAIR"]``.

    Raises:
        CasesError: the file is not such a list, an image or label map is missing, or a patient is both trained on and
            held out. The message names the first such case and what to do.
    """
    parsed = parse(path, fold)
    for problem in parsed.problems:
        if training or problem.code != NO_LABELED:
            raise CasesError(problem.code, problem.named, problem.hint)
    return parsed.case_list()


def parse(path: str | os.PathLike[str], fold: int | None = None) -> Parsed:
    """Read a ``cases.json`` as far as it can be understood, with everything that is wrong with it, in its order."""
    path = Path(path)
    if path.is_dir() or path.name == "dataset.json":
        try:
            return examine(read_dataset(path, fold))
        except CasesError as error:
            return Parsed((), {}, (Problem(error.code, None, error.message, error.hint, error.message),))
    if fold is not None:
        text, hint = "Only a dataset of nnU-Net has folds.", 'In a cases.json, give each case a "role" instead.'
        return Parsed((), {}, (Problem("no-split", None, text, hint, text),))
    try:
        content = json.loads(read_text(path))
    except OSError:
        return Parsed((), {}, (_about_list("no-cases", path, "cannot be read.", "Give the path of a cases.json."),))
    except ValueError as error:
        reason = "it is not text" if isinstance(error, UnicodeError) else str(error)
        return Parsed((), {}, (_about_list("bad-cases", path, f"is not valid JSON: {reason}."),))
    if not isinstance(content, dict) or not isinstance(content.get("cases"), list):
        return Parsed((), {}, (_about_list("bad-cases", path, 'needs "classes" and a list "cases".'),))
    problems: list[Problem] = []
    structures = _structures(path, content.get("classes"), problems)
    images = _image_names(path, content, problems)
    cases = {}
    for number, entry in enumerate(content["cases"], 1):
        case = _case(path.parent, number, entry, images, problems)
        if case is not None:
            cases[number] = case
            problems += _missing(number, case)
    problems += _contradictions(path, cases)
    label_map = _label_map(path, content.get("label_map"), len(structures), problems)
    return Parsed(structures, cases, tuple(problems), label_map, images)


def examine(case_list: CaseList) -> Parsed:
    """The same for cases that are in memory already."""
    cases = dict(enumerate(case_list.cases, 1))
    problems = [problem for number, case in cases.items() for problem in _missing(number, case)]
    problems += _contradictions(Path("The list"), cases)
    return Parsed(case_list.structures, cases, tuple(problems), case_list.label_map, case_list.images)


def _about_list(code: str, path: Path, text: str, hint: str = "") -> Problem:
    return Problem(code, None, f"The list of cases {text}", hint, f"{path.name} {text}")


def _about_case(code: str, number: int, name: str, text: str, hint: str = "", named: str = "") -> Problem:
    return Problem(code, number, text[0].upper() + text[1:], hint, f"{name}: {named or text}")


def _structures(path: Path, classes: Any, problems: list[Problem]) -> tuple[Structure, ...]:
    def wrong(text: str) -> None:
        problems.append(_about_list("bad-cases", path, text))

    if not isinstance(classes, dict) or not classes:
        wrong('needs "classes" that map label values to names, {"1": "liver"}.')
        return ()
    structures, understood = [], True
    for key, entry in classes.items():
        entry = {"name": entry} if isinstance(entry, str) else entry
        known = str(key).isdecimal() and 1 <= int(key) <= LARGEST_LABEL
        named = isinstance(entry, dict) and bool(str(entry.get("name") or "").strip())
        color = _color(entry.get("color", PALETTE[(int(key) - 1) % len(PALETTE)])) if known and named else None
        if not known:
            wrong(f"has a class {key!r}, which must be a label value from 1 to {LARGEST_LABEL}.")
        elif not named:
            wrong(f"has no name for class {key}.")
        elif color is None:
            wrong(f"has a color for class {key} that is not three numbers from 0 to 255.")
        else:
            structures.append(Structure(int(key), str(entry["name"]).strip(), color, entry.get("terminology")))
            continue
        understood = False
    structures.sort(key=lambda structure: structure.value)
    if understood and [structure.value for structure in structures] != list(range(1, len(structures) + 1)):
        wrong('needs "classes" with the values 1, 2, ... without gaps.')
    return tuple(structures)


def _label_map(path: Path, entry: Any, structures: int, problems: list[Problem]) -> dict[int, int] | None:
    if entry is None:
        return None
    try:
        label_map = {int(value): int(class_) for value, class_ in entry.items()}
    except (AttributeError, TypeError, ValueError):
        label_map = {}
    if not label_map or not all(0 <= class_ <= structures for class_ in label_map.values()):
        text = f'needs a "label_map" that gives each value of the label maps a class from 0 to {structures}.'
        problems.append(_about_list("bad-cases", path, text))
        return None
    return label_map


def _color(values: Any) -> tuple[int, int, int] | None:
    try:
        red, green, blue = (int(value) for value in values)
    except (TypeError, ValueError):
        return None
    return (red, green, blue) if all(0 <= value <= 255 for value in (red, green, blue)) else None


def _image_names(path: Path, content: dict[str, Any], problems: list[Problem]) -> tuple[str, ...]:
    """Names of the images of each case: those of the list, or of its first case with several."""
    entries = [entry.get("images") for entry in content["cases"] if isinstance(entry, dict)]
    names = content.get("images", next((list(entry) for entry in entries if isinstance(entry, dict)), []))
    good = isinstance(names, list) and all(isinstance(name, str) and name.strip() for name in names)
    if not good or len({name.strip().casefold() for name in names}) != len(names) or len(names) > MOST_IMAGES:
        text = f'needs as "images" a list of the names of the images of a case, at most {MOST_IMAGES}, all different.'
        problems.append(_about_list("bad-cases", path, text))
        return ()
    return tuple(name.strip() for name in names) if len(names) > 1 else ()


def _files(number: int, entry: dict[str, Any], images: tuple[str, ...], problems: list[Problem]) -> list[str]:
    """The paths of the images of a case in the order of their names, or one path; empty where some are missing."""
    given = entry.get("images")
    if given is None:
        image = entry.get("image")
        if isinstance(image, str) and image:
            return [image]
        text, hint = "it has no image.", 'Give the path as "image".'
    else:
        files = {str(key).strip().casefold(): file for key, file in given.items()} if isinstance(given, dict) else {}
        wanted = images or tuple(files)
        missing = [name for name in wanted if not isinstance(files.get(name.casefold()), str)]
        if files and not missing and len(files) == len(wanted):
            return [str(files[name.casefold()]) for name in wanted]
        known = ", ".join(images) or "one"
        text = f"it has no image {missing[0]}." if missing else f"it must have these images: {known}."
        hint = 'Give each as "images": {"NAME": path}, with the same names in all cases.'
    problems.append(_about_case("bad-cases", number, f"case {number}", text, hint))
    return []


def _case(folder: Path, number: int, entry: Any, images: tuple[str, ...], problems: list[Problem]) -> Case | None:
    entry = entry if isinstance(entry, dict) else {}
    labels = entry.get("labels")
    name = str(entry.get("name") or f"case {number}")
    files = _files(number, entry, images, problems)
    if not files:
        return None
    if labels is not None and not isinstance(labels, str):
        problems.append(_about_case("bad-cases", number, name, 'its "labels" must be a path or null.'))
        labels = None
    role = entry.get("role", "labeled" if labels else "unlabeled")
    if role not in ROLES:
        hint = f"Use {', '.join(ROLES)}."
        problems.append(
            _about_case("bad-cases", number, name, "its role is unknown.", hint, f"the role {role!r} is unknown.")
        )
        role = "labeled" if labels else "unlabeled"
    patient = str(entry.get("patient") or patient_of(name))
    image, *others = (_within(folder, file) for file in files)
    return Case(name, image, _within(folder, labels) if labels else None, role, patient, tuple(others))


def _within(folder: Path, path: str) -> Path:
    """A path of the list; backslashes, as Windows writes them, separate folders where there is no such file."""
    found = folder / path
    return folder / path.replace("\\", "/") if "\\" in path and not found.exists() else found


def _missing(number: int, case: Case) -> list[Problem]:
    problems = []
    for image in case.images:
        if not image.exists():
            text, hint = "its image {}is not there.", "Correct the path in the list."
            named = text.format(f"{image.name} ")
            problems.append(_about_case("no-image", number, case.name, text.format(""), hint, named))
    if case.role != "unlabeled" and case.labels is None:
        text, hint = f"it is {case.role} but has no label map.", "Give one, or make it unlabeled."
        problems.append(_about_case("no-labels", number, case.name, text, hint))
    if case.labels is not None and not case.labels.exists():
        text, hint = "its label map {}is not there.", "Correct the path in the list."
        problems.append(
            _about_case("no-labels", number, case.name, text.format(""), hint, text.format(f"{case.labels.name} "))
        )
    return problems


def _contradictions(path: Path, cases: dict[int, Case]) -> list[Problem]:
    problems = []
    first: dict[str, int] = {}
    for number, case in cases.items():
        if first.setdefault(case.name, number) != number:
            text, hint = f"it has the same name as case {first[case.name]}.", "Remove one, or give it another name."
            named = "the list has this name twice."
            problems.append(_about_case("doubled-case", number, case.name, text, hint, named))
    held_out = {case.patient for case in cases.values() if case.role == "held-out"}
    for number, case in cases.items():
        if case.role != "held-out" and case.patient in held_out:
            text = f"it is {case.role}, but another image of the same patient is held out."
            hint = "Give all images of a patient the same side: a model tested on its own patients looks too good."
            problems.append(_about_case("patient-in-two-roles", number, case.name, text, hint))
    if not any(case.role == "labeled" for case in cases.values()):
        problems.append(_about_list(NO_LABELED, path, "has no labeled case.", "At least one is needed."))
    return problems
