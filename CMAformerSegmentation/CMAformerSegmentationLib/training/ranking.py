"""Which of the unlabeled cases to label next, by the engine: typical ones where few are labeled, else doubtful ones."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from cmaformer.door.names import CASES

from ..cases.case import UNLABELED
from ..jobs.environment import modelsArguments
from ..models.terms import mustBeAccepted
from .check import CaseCheck, CaseFinding
from .request import TrainingRequest

NOTE = "note"


class CaseRanking(CaseCheck):
    """A look at the cases with the model that the training would start from. Its findings are the places of the cases.

    :raises ValueError: in words, where there is nothing to choose from.
    """

    def __init__(self, request: TrainingRequest, *arguments: Any, **settings: Any) -> None:
        if request.base is None:
            raise ValueError(_("Choose a model in Start from: what it is unsure of is to be labeled next."))
        if mustBeAccepted(request.base):
            raise ValueError(_("Accept the terms of the model that it starts from in the section Segment first."))
        if not any(case.role == UNLABELED for case in request.cases):
            raise ValueError(_("There are no unlabeled cases to choose from."))
        super().__init__(request, *arguments, **settings)

    def _arguments(self, request: TrainingRequest) -> list[str]:
        assert request.base is not None
        arguments = ["next", "--cases", str(self._folder / CASES), "--json", "--device", request.device]
        return [*arguments, "--model", request.base.id, *modelsArguments()]

    def _working(self) -> str:
        return _("Segmenting the cases, to see where the model is unsure...")

    def outcome(self) -> str:
        """What came out, in words."""
        if self.problem is not None:
            return str(self.problem)
        return _("The column Finding says in which order to label the unlabeled cases, and why.")

    def _take(self, answer: dict[str, Any]) -> bool:
        if not isinstance(answer.get("suggestions"), list):
            return False
        for entry in answer["suggestions"]:
            for case in entry["cases"]:
                self.findings.append(CaseFinding(NOTE, int(case), _reason(entry)))
        return True


def _reason(entry: dict[str, Any]) -> str:
    text = _("No. {rank}: the model is least sure of {name} (expected Dice {dice}).")
    if entry.get("typical"):
        text = _("No. {rank}: like many without labels. The model is least sure of {name} (expected Dice {dice}).")
    words = [text.format(rank=entry["rank"], name=entry["least_sure"], dice=f"{entry['least_dice']:.2f}")]
    unlike = entry.get("unlike")
    if unlike:
        text = _("{name} is larger than in the labeled ones.")
        if not unlike["larger"]:
            text = _("{name} is smaller than in the labeled ones.")
        words.append(text.format(name=unlike["structure"]))
    return " ".join(words)
