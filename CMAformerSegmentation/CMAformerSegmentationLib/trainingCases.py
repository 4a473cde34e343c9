"""The cases of a training as a user names them, and the structures to learn from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from . import scene
from .catalog import ModelEntry, StructureClass

LABELED, UNLABELED, HELD_OUT = "labeled", "unlabeled", "held-out"

# "Tissue": what Slicer gives to every segment that nobody has named, so that it tells nothing.
_generalType = "85756007"


@dataclass(frozen=True)
class TrainingCase:
    """One image and what it is used for.

    :ivar image: a scalar volume node, or the path of an image file.
    :ivar labels: a segmentation node or a label map volume node on a node; the path of a label map on a path; None for
      an unlabeled case. Values of label maps are those of the structures.
    :ivar role: `LABELED`, `UNLABELED` or `HELD_OUT`.
    :ivar name: for this computer's screen and log alone; taken from the image when empty.
    :ivar patient: cases of one patient are never both trained on and held out; the name when empty.
    """

    image: Any
    labels: Any = None
    role: str = LABELED
    name: str = ""
    patient: str = ""

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
            if path is not None and not Path(path).exists():
                return _("the file {name} does not exist.").format(name=Path(path).name)
        return ""

    def _nodeProblem(self) -> str:
        if not self.image.IsA("vtkMRMLScalarVolumeNode"):
            return _("choose a volume as the image.")
        return scene.volumeProblem(self.image) or (labelsProblem(self.labels, self.image) if self.labels else "")


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


def transformBetween(fromNode, toNode):
    """The matrix from one node's frame to another's (vtkMatrix4x4, mm, RAS); None where it is not linear."""
    matrix = vtk.vtkMatrix4x4()
    linear = slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(
        fromNode.GetParentTransformNode(), toNode.GetParentTransformNode(), matrix
    )
    return matrix if linear else None


def segmentStructure(segment, value: int) -> StructureClass:
    """A segment as a structure to learn, with its name, color and terminology."""
    entry = vtk.mutable("")
    segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), entry)
    parts = [tuple(part.split("^")) for part in str(entry).split("~")]
    codes: list[Any] = [part if len(part) == 3 and part[1] else None for part in parts[1:4]]
    known = {key: code for key, code in zip(("category", "type", "modifier"), codes) if code}
    return StructureClass(value, segment.GetName().strip(), tuple(segment.GetColor()), **known)


def sameStructure(one: StructureClass, other: StructureClass) -> bool:
    """Whether two structures are the same one: by name, else by terminology where that says more than "tissue"."""
    if one.name.strip().casefold() == other.name.strip().casefold():
        return True
    told = one.type[1] != _generalType
    return told and one.type[:2] == other.type[:2] and (one.modifier or ())[:2] == (other.modifier or ())[:2]


def segmentsByStructure(segmentationNode, structures: Sequence[StructureClass]) -> dict[str, int]:
    """Which structure each segment is: segment id -> value. Segments that are none of them are left out.

    A name decides before a terminology does, so that two segments with one code find their own structures.
    """
    segmentation = segmentationNode.GetSegmentation()
    found: dict[str, int] = {}
    for segmentId in segmentation.GetSegmentIDs():
        own = segmentStructure(segmentation.GetSegment(segmentId), 0)
        named = [s for s in structures if s.name.strip().casefold() == own.name.casefold()]
        matching = named or [s for s in structures if sameStructure(own, s)]
        if matching:
            found[segmentId] = matching[0].value
    return found


def structuresToLearn(
    cases: Iterable[TrainingCase],
    base: ModelEntry | None = None,
    names: Mapping[int, str] | Sequence[str] | None = None,
) -> tuple[StructureClass, ...]:
    """What a training on these cases learns.

    :param base: the model to start from; its structures keep their names, colors and codes.
    :param names: the structures' names, in the order of their values 1, 2, ..., or by value; None: those of the base
      that the cases show (all of them where cases are files), then the further segments by name.
    :raises ValueError: in words, when nothing says what to learn.
    """
    cases = [case for case in cases if case.labels is not None]
    own: list[StructureClass] = []
    for case in cases:
        if not case.isFile and case.labels.IsA("vtkMRMLSegmentationNode"):
            segmentation = case.labels.GetSegmentation()
            for segmentId in segmentation.GetSegmentIDs():
                structure = segmentStructure(segmentation.GetSegment(segmentId), 0)
                if not any(sameStructure(structure, known) for known in own):
                    own.append(structure)
    bases = list(base.structures) if base is not None else []
    if names is not None:
        items = names.items() if isinstance(names, Mapping) else enumerate(names, 1)
        wanted = [StructureClass(int(value), str(name).strip(), _color(int(value))) for value, name in items]
        known = [*bases, *own]
        return tuple(
            _renumbered(next((k for k in known if sameStructure(k, one)), one), one.value, one.name) for one in wanted
        )
    values = any(case.isFile or case.labels.IsA("vtkMRMLLabelMapVolumeNode") for case in cases)
    if values and not bases:
        raise ValueError(_("Say what the values of the label maps mean: classes=['liver', ...]."))
    if values:
        return tuple(bases)
    kept = [b for b in bases if any(sameStructure(b, structure) for structure in own)]
    kept += [structure for structure in own if not any(sameStructure(b, structure) for b in bases)]
    return tuple(_renumbered(structure, value, structure.name) for value, structure in enumerate(kept, 1))


def _renumbered(structure: StructureClass, value: int, name: str) -> StructureClass:
    return StructureClass(value, name, structure.color, structure.category, structure.type, structure.modifier)


def _color(value: int) -> tuple[float, float, float]:
    """A color for a structure that has none: Slicer's generic anatomy colors, told apart at a glance."""
    colors = ((128, 174, 128), (241, 214, 145), (177, 122, 101), (111, 184, 210), (216, 101, 79), (221, 130, 101))
    red, green, blue = colors[(value - 1) % len(colors)]
    return red / 255, green / 255, blue / 255
