"""The list of cases that a clinician puts together: kept in the scene, saved and loaded with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from cmaformer.door.files import read_json
from cmaformer.door.names import CASES

from .case import HELD_OUT, LABELED, UNLABELED, TrainingCase
from .structures import SegmentMapping

IGNORED = "ignored"  # stays in the list, and out of the training
# Cases of a list at most, and letters of its text: longer ones would make Slicer wait.
MOST, _MOST_LETTERS = 2000, 4_000_000
_roles = (LABELED, UNLABELED, HELD_OUT, IGNORED)
_parameter = "trainingCaseList"
_mappingParameter = "trainingSegmentMapping"
_imageRole, _labelsRole = "trainingImage", "trainingLabels"


def casesOfScene(known: Iterable[TrainingCase] = ()) -> list[TrainingCase]:
    """The volumes of the scene that are not in the list yet, each with the segmentation that refers to it, if any."""
    own = {case.image.GetID() for case in known if not case.isFile}
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    segmentations: dict[str, Any] = {}
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if node.GetSegmentation().GetNumberOfSegments():
            segmentations[node.GetNodeReferenceID(role)] = node  # of several the newest
    cases = []
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        usable = not node.IsA("vtkMRMLLabelMapVolumeNode") and not node.GetHideFromEditors()
        if usable and node.GetID() not in own:
            labels = segmentations.get(node.GetID())
            cases.append(TrainingCase(node, labels, LABELED if labels is not None else UNLABELED))
    return cases


def casesOfTraining(folder: Path) -> list[TrainingCase]:
    """The cases of an earlier training, from its folder `cases`; those that were in the scene are its copies.

    :raises ValueError: in words, when its list cannot be read.
    """
    cases = []
    for row in read_json(folder / CASES).get("cases", []):
        if isinstance(row, dict) and isinstance(row.get("image"), str):
            image, labels = (folder / str(row[key]) if row.get(key) else None for key in ("image", "labels"))
            role = str(row.get("role"))
            name, patient = (str(row.get(key) or "") for key in ("name", "patient"))
            cases.append(TrainingCase(image, labels, role if role in _roles else IGNORED, name, patient))
    if not cases:
        raise ValueError(_("The list of cases of this training is not there any more."))
    return cases


def saveCases(parameterNode, cases: Iterable[TrainingCase]) -> str:
    """Write the list into the module's node: nodes as references, which MRML keeps right, the rest as text.

    :param parameterNode: a vtkMRMLScriptedModuleNode.
    :return: what the user should know of it, in words; empty for nothing.
    """
    replaced = _("The list of the scene was too long, and is replaced.") if tooLong(parameterNode) else ""
    cases = list(cases)
    text = _text(cases)
    wasModifying = parameterNode.StartModify()
    try:
        before = len(_rows(parameterNode))
        for number, case in enumerate(cases):
            _refer(parameterNode, number, *((None, None) if case.isFile else (case.image, case.labels)))
        number = len(cases)
        while number < before or parameterNode.GetNodeReferenceID(f"{_imageRole}{number}"):
            _refer(parameterNode, number, None, None)
            number += 1
        if parameterNode.GetParameter(_parameter) != text:
            parameterNode.SetParameter(_parameter, text)
    finally:
        parameterNode.EndModify(wasModifying)
    return replaced


def loadCases(parameterNode) -> list[TrainingCase]:
    """The list back from the module's node. Cases whose image has left the scene are gone; nothing of one too long."""
    cases = []
    for number, row in enumerate(_rows(parameterNode)):
        if row.get("image"):
            labels = Path(str(row["labels"])) if row.get("labels") else None
            case = TrainingCase(Path(str(row["image"])), labels, fromScene=True)
        else:
            image = parameterNode.GetNodeReference(f"{_imageRole}{number}")
            if image is None:
                continue
            case = TrainingCase(image, parameterNode.GetNodeReference(f"{_labelsRole}{number}"))
        name, patient = (str(row.get(key) or "") for key in ("name", "patient"))
        role = str(row.get("role") or UNLABELED)
        cases.append(replace(case, role=role if role in _roles else IGNORED, name=name, patient=patient))
    return cases


def saveMapping(parameterNode, mapping: SegmentMapping) -> None:
    """Write what the user says about segments into the module's node."""
    parameterNode.SetParameter(_mappingParameter, json.dumps(dict(mapping)) if mapping else "")


def loadMapping(parameterNode) -> dict[str, str]:
    """What `saveMapping` wrote."""
    try:
        mapping = json.loads(parameterNode.GetParameter(_mappingParameter) or "{}")
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in mapping.items()} if isinstance(mapping, dict) else {}


def fits(cases: Sequence[TrainingCase]) -> bool:
    """Whether a list can be kept in a scene: it is not too long."""
    return len(cases) <= MOST and len(_text(cases)) <= _MOST_LETTERS


def _text(cases: Iterable[TrainingCase]) -> str:
    rows = []
    for case in cases:
        row: dict[str, Any] = {"role": case.role, "name": case.name, "patient": case.patient}
        if case.isFile:
            row.update(image=str(case.image), labels=str(case.labels) if case.labels else None)
        rows.append(row)
    return json.dumps(rows)


def tooLong(parameterNode) -> bool:
    """Whether the module's node, which may come from somebody else, has a list that is not taken over."""
    text = parameterNode.GetParameter(_parameter) or ""
    return len(text) > _MOST_LETTERS or (text.count("{") > MOST and _parsed(text) == [])


def tooManyCases() -> str:
    """What to tell where a list would be too long."""
    text = _("A list has {count} cases at most. Train from a longer one on the command line, with a cases.json.")
    return text.format(count=MOST)


def _rows(parameterNode) -> list[dict[str, Any]]:
    return _parsed(parameterNode.GetParameter(_parameter) or "[]")


def _parsed(text: str) -> list[dict[str, Any]]:
    try:
        rows = json.loads(text) if len(text) <= _MOST_LETTERS else []
    except (ValueError, RecursionError):
        return []
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return rows if len(rows) <= MOST else []


def _refer(parameterNode, number: int, image, labels) -> None:
    for role, node in ((_imageRole, image), (_labelsRole, labels)):
        nodeId = node.GetID() if node is not None else None
        if parameterNode.GetNodeReferenceID(f"{role}{number}") != nodeId:
            parameterNode.SetNodeReferenceID(f"{role}{number}", nodeId)
