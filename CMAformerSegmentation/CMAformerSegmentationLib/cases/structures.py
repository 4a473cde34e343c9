"""What a training learns: which structure each segment of the cases is, and what the user has said about that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from ..models.catalog import ModelEntry, StructureClass
from .case import TrainingCase

# "Tissue": what Slicer gives to every segment that nobody has named, so that it tells nothing.
_generalType = "85756007"

# What users say about segments: name of a segment -> name of the structure that it is, or LEFT_OUT. Names without case.
SegmentMapping = Mapping[str, str]
LEFT_OUT = ""


@dataclass(frozen=True)
class FoundSegment:
    """A name that segments of the cases have.

    :ivar cases: how many cases have such a segment.
    :ivar structure: the segment as a structure of its own.
    """

    name: str
    cases: int
    structure: StructureClass

    @property
    def key(self) -> str:
        """Its name in a `SegmentMapping`."""
        return segmentKey(self.name)


def segmentKey(name: str) -> str:
    """A segment's name as a `SegmentMapping` has it."""
    return name.strip().casefold()


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
    if segmentKey(one.name) == segmentKey(other.name):
        return True
    told = one.type[1] != _generalType
    return told and one.type[:2] == other.type[:2] and (one.modifier or ())[:2] == (other.modifier or ())[:2]


def foundSegments(cases: Iterable[TrainingCase]) -> list[FoundSegment]:
    """The segments of the cases by name, in the order in which they are met. Label maps have values, and no names."""
    found: dict[str, FoundSegment] = {}
    for case in cases:
        if case.isFile or case.labels is None or not case.labels.IsA("vtkMRMLSegmentationNode"):
            continue
        segmentation = case.labels.GetSegmentation()
        own = [segmentStructure(segmentation.GetSegment(i), 0) for i in segmentation.GetSegmentIDs()]
        for key, structure in {segmentKey(structure.name): structure for structure in own}.items():
            before = found.get(key) or FoundSegment(structure.name, 0, structure)
            found[key] = FoundSegment(before.name, before.cases + 1, before.structure)
    return list(found.values())


def mappedStructure(structure: StructureClass, mapping: SegmentMapping) -> StructureClass | None:
    """A segment as what the user says that it is; itself where nothing is said, None where it is left out."""
    name = mapping.get(segmentKey(structure.name))
    if name is None or segmentKey(name) == segmentKey(structure.name):
        return structure
    # Its codes are those of what it was.
    return StructureClass(0, name, structure.color) if name != LEFT_OUT else None


def matchingStructure(one: StructureClass, structures: Iterable[StructureClass]) -> StructureClass | None:
    """Which of the structures one is. A name decides before a terminology does, so that two segments with one code
    find their own structures."""
    matching = [structure for structure in structures if sameStructure(one, structure)]
    named = [structure for structure in matching if segmentKey(structure.name) == segmentKey(one.name)]
    return next(iter([*named, *matching]), None)


def segmentsByStructure(
    segmentationNode, structures: Sequence[StructureClass], mapping: SegmentMapping
) -> dict[str, int]:
    """Which structure each segment is: segment id -> value. Segments that are none of them are left out."""
    segmentation = segmentationNode.GetSegmentation()
    found: dict[str, int] = {}
    for segmentId in segmentation.GetSegmentIDs():
        own = mappedStructure(segmentStructure(segmentation.GetSegment(segmentId), 0), mapping)
        matching = matchingStructure(own, structures) if own is not None else None
        if matching is not None:
            found[segmentId] = matching.value
    return found


def hasValues(cases: Iterable[TrainingCase]) -> bool:
    """Whether there are label maps among the labels, whose values have no names."""
    labels = [case for case in cases if case.labels is not None]
    return any(case.isFile or case.labels.IsA("vtkMRMLLabelMapVolumeNode") for case in labels)


def structuresToLearn(
    cases: Iterable[TrainingCase],
    base: ModelEntry | None = None,
    names: Mapping[int, str] | Sequence[str] | None = None,
    mapping: SegmentMapping | None = None,
) -> tuple[StructureClass, ...]:
    """What a training on these cases learns.

    :param base: the model to start from; its structures keep their names, colors and codes.
    :param names: the structures' names, in the order of their values 1, 2, ..., or by value; None: those of the base
      that the cases show (all of them where label maps are there), then the further segments by name.
    :param mapping: what the user says about segments.
    :raises ValueError: in words, when nothing says what to learn.
    """
    cases = list(cases)
    own: list[StructureClass] = []
    for segment in foundSegments(cases):
        structure = mappedStructure(segment.structure, mapping or {})
        if structure is not None and not any(sameStructure(structure, known) for known in own):
            own.append(structure)
    bases = list(base.structures) if base is not None else []
    if names is not None:
        items = names.items() if isinstance(names, Mapping) else enumerate(names, 1)
        wanted = [StructureClass(int(value), str(name).strip(), _color(int(value))) for value, name in items]
        known = [*bases, *own]
        return tuple(
            _renumbered(next((k for k in known if sameStructure(k, one)), one), one.value, one.name) for one in wanted
        )
    if hasValues(cases):
        if not bases:
            raise ValueError(_("Say what the values of the label maps mean: classes=['liver', ...]."))
        return tuple(bases)
    shown = [matchingStructure(structure, bases) for structure in own]
    kept = [base for base in bases if base in shown]
    kept += [structure for structure, base in zip(own, shown) if base is None]
    return tuple(_renumbered(structure, value, structure.name) for value, structure in enumerate(kept, 1))


def _renumbered(structure: StructureClass, value: int, name: str) -> StructureClass:
    return StructureClass(value, name, structure.color, structure.category, structure.type, structure.modifier)


def _color(value: int) -> tuple[float, float, float]:
    """A color for a structure that has none: Slicer's generic anatomy colors, told apart at a glance."""
    colors = ((128, 174, 128), (241, 214, 145), (177, 122, 101), (111, 184, 210), (216, 101, 79), (221, 130, 101))
    red, green, blue = colors[(value - 1) % len(colors)]
    return red / 255, green / 255, blue / 255
