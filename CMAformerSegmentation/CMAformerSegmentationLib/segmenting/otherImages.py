"""Further images of a patient, for models that look at several, in the section Segment."""

from __future__ import annotations

import re
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..models.catalog import ModelEntry

fields = ("secondImage", "thirdImage", "fourthImage")


class OtherImages:
    """Shows a row for each image that the chosen model looks at, and suggests volumes by their names."""

    def __init__(self, ui) -> None:
        self.ui = ui
        self._firstText = ui.inputLabel.text
        self._seen: tuple[str, str] | None = None

    def update(self, model: ModelEntry | None, choices: Any, isEnabled: bool) -> None:
        """Bring the rows up to date.

        :param choices: the parameter node, or None.
        """
        names = model.images if model is not None else ()
        self.ui.inputLabel.text = _("{image}:").format(image=names[0]) if names else self._firstText
        for number, field in enumerate(fields, 1):
            label, selector = getattr(self.ui, f"{field}Label"), getattr(self.ui, f"{field}Selector")
            for widget in (label, selector):
                widget.setVisible(number < len(names))
            if number < len(names):
                label.text = _("{image}:").format(image=names[number])
            selector.setEnabled(isEnabled)
        self._suggest(model, choices)

    def reset(self) -> None:
        """Another scene: what is chosen in it stays."""
        self._seen = None

    def chosen(self, model: ModelEntry | None, choices: Any) -> tuple[Any, ...]:
        """The further volumes in the order of the model; None where one is not chosen."""
        if model is None or choices is None or not model.images:
            return ()
        known = [getattr(choices, field) for field in fields]
        return tuple((known + [None] * len(model.images))[: len(model.images) - 1])

    def _suggest(self, model: ModelEntry | None, choices: Any) -> None:
        """Choose volumes that are named as the images, once for a model and a first volume."""
        if model is None or choices is None or not model.images or choices.inputVolume is None:
            return
        seen = (model.id, choices.inputVolume.GetID())
        if seen == self._seen:
            return
        before, self._seen = self._seen, seen
        if before is not None:  # they are of another patient, or other images
            for field in fields:
                setattr(choices, field, None)
        volumes = [n for n in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if n is not choices.inputVolume]
        for name, field in zip(model.images[1:], fields):
            found = [node for node in volumes if _isNamed(node.GetName(), name)]
            if len(found) == 1 and getattr(choices, field) is None:
                setattr(choices, field, found[0])


def _isNamed(text: str, image: str) -> bool:
    """Whether a name has that of an image as a word of its own: "Brain_T1", "3: FLAIR"."""
    return re.search(rf"(?<![a-z0-9]){re.escape(image.casefold())}(?![a-z0-9])", text.casefold()) is not None
