"""The cases of a training as a user names them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ..scene import nodes as scene
from ..scene.labelLayers import transformBetween

LABELED, UNLABELED, HELD_OUT = "labeled", "unlabeled", "held-out"


@dataclass(frozen=True)
class TrainingCase:
    """One image and what it is used for.

    :ivar image: a scalar volume node, or the path of an image file.
    :ivar labels: a segmentation node or a label map volume node on a node; the path of a label map on a path; None for
      an unlabeled case. Values of label maps are those of the structures.
    :ivar role: `LABELED`, `UNLABELED` or `HELD_OUT`.
    :ivar name: for this computer's screen and log alone; taken from the image when empty.
    :ivar patient: cases of one patient are never both trained on and held out; the name when empty.
    :ivar fromScene: its files were named by a scene, perhaps of somebody else: they are not touched, not even to see
        whether they are there, until the user has the cases checked or trained on.
    """

    image: Any
    labels: Any = None
    role: str = LABELED
    name: str = ""
    patient: str = ""
    fromScene: bool = field(default=False, compare=False)

    @property
    def isFile(self) -> bool:
        return isinstance(self.image, (str, Path))

    @property
    def title(self) -> str:
        """What to call the case on the screen."""
        return self.name or (Path(self.image).name if self.isFile else self.image.GetName())

    def problem(self) -> str:
        """What is wrong with the case, in words; an empty string when nothing is."""
        if self.image is None:
            return _("A case has no image.")
        if self.role != UNLABELED and self.labels is None:
            return _("{case}: a labeled or held-out case needs a segmentation.").format(case=self.title)
        problem = self._fileProblem() if self.isFile else self._nodeProblem()
        return _("{case}: {problem}").format(case=self.title, problem=problem) if problem else ""

    def _fileProblem(self) -> str:
        for path in (self.image, self.labels):
            if path is not None and not isinstance(path, (str, Path)):
                return _("give the label map as a file, too, or load the image.")
            if path is not None and not self.fromScene and not Path(path).exists():
                return _("the file {name} does not exist.").format(name=Path(path).name)
        return ""

    def _nodeProblem(self) -> str:
        if not self.image.IsA("vtkMRMLScalarVolumeNode"):
            return _("choose a volume as the image.")
        return scene.volumeProblem(self.image) or (labelsProblem(self.labels, self.image) if self.labels else "")


class CaseProblems:
    """What is wrong with cases; files that were there once are not looked for at every change of a list."""

    def __init__(self) -> None:
        self._fine: set[tuple[str, str, str]] = set()

    def of(self, case: TrainingCase) -> str:
        """See `TrainingCase.problem`."""
        if not case.isFile:
            return case.problem()
        key = (case.role, str(case.image), str(case.labels))
        problem = "" if key in self._fine else case.problem()
        if not problem:
            self._fine.add(key)
        return problem


def casesOf(items: Iterable[Any], role: str) -> list[TrainingCase]:
    """Cases of a role from what a script gives: a `TrainingCase`, an (image, labels) pair, or an image alone."""
    cases = []
    for item in items:
        if isinstance(item, TrainingCase):
            cases.append(item)
        elif isinstance(item, (tuple, list)):
            image, labels = item
            cases.append(TrainingCase(image, labels, role))
        else:
            cases.append(TrainingCase(item, role=role))
    return cases


def labelsProblem(labelsNode, volumeNode) -> str:
    """What is wrong with a node as the labels of a volume, in words; an empty string when nothing is."""
    if isinstance(labelsNode, (str, Path)):
        return _("load the label map, too, or give both as files.")
    if labelsNode.IsA("vtkMRMLLabelMapVolumeNode"):
        image = labelsNode.GetImageData()
        empty = image is None or image.GetPointData().GetScalars() is None
        problem = _("the label map is empty.") if empty else ""
    elif not labelsNode.IsA("vtkMRMLSegmentationNode"):
        problem = _("choose a segmentation.")
    elif labelsNode.GetSegmentation().GetNumberOfSegments() == 0:
        problem = _("the segmentation is empty.")
    elif not labelsNode.GetSegmentation().ContainsRepresentation(scene.binaryLabelmap):
        problem = _("the segmentation is made of surfaces; create its binary label map in the module Segmentations.")
    else:
        problem = ""
    if not problem and transformBetween(volumeNode, labelsNode) is None:
        problem = _("image and segmentation are under different transforms that are not linear; harden them first.")
    return problem
