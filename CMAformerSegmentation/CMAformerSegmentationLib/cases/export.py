"""Cases of the scene as files for the engine: one at a time, voxels written and labels placed in a thread.

A label map must lie on its image's grid; ``scene/labelLayers.py`` brings it there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import slicer
from slicer.i18n import tr as _

from cmaformer.door.files import write_json
from cmaformer.door.names import CASES

from ..jobs.background import BackgroundCall
from ..models.catalog import StructureClass
from ..refusal import Refusal
from ..scene import nodes as scene
from ..scene.labelLayers import LabelLayer, checkLabels, nodeMatrix, placeLabels, segmentLayers, toVolume, voxels
from ..scene.metaimage import writeMetaImage
from .case import TrainingCase
from .structures import SegmentMapping, segmentsByStructure


def labelLayers(
    labelsNode, volumeNode, structures: Sequence[StructureClass], mapping: SegmentMapping = MappingProxyType({})
) -> list[LabelLayer]:
    """The label maps of a segmentation or of a label map volume; quick, on the main thread.

    :param mapping: what the user says about segments.

    :raises ValueError: in words, when they cannot be brought into the image's frame.
    """
    if labelsNode.IsA("vtkMRMLLabelMapVolumeNode"):
        image = labelsNode.GetImageData()
        own = {structure.value: structure.value for structure in structures}
        matrix = toVolume(labelsNode, volumeNode) @ nodeMatrix(labelsNode)
        return [LabelLayer(*voxels(image), matrix, own, image, hasNames=False)]
    return segmentLayers(labelsNode, volumeNode, segmentsByStructure(labelsNode, structures, mapping))


class CaseExport:
    """Writes the cases of a training into a folder, then `cases.json`, which lists them. Call `poll()` until `done`.

    Nodes are looked up by id when their turn comes. Files of the user are not copied.

    :ivar done: whether `cases.json` is there. :ivar error: what went wrong (ValueError in words, or OSError), or None.
    :ivar count: cases that are done.
    """

    def __init__(
        self,
        cases: Sequence[TrainingCase],
        structures: Sequence[StructureClass],
        folder: Path,
        mapping: SegmentMapping = MappingProxyType({}),
    ) -> None:
        self.folder = Path(folder)
        self.done = False
        self.error: Exception | None = None
        self.count = 0
        self._structures = tuple(structures)
        self._mapping = dict(mapping)
        self._cases = list(cases)
        self._nodes = [None if case.isFile else self._ids(case) for case in cases]
        self._entries: list[dict[str, Any]] = []
        self._work: BackgroundCall | None = None

    @property
    def total(self) -> int:
        return len(self._cases)

    @property
    def threadIsWorking(self) -> bool:
        return self._work is not None

    def poll(self) -> None:
        """Take the next step. Quick; never raises."""
        if self.done or self.error is not None:
            return
        try:
            self._step()
        except (ValueError, OSError) as error:
            self.error = error

    def _step(self) -> None:
        if self._work is not None:
            if not self._work.done:
                return
            work, self._work = self._work, None
            if isinstance(work.error, Refusal):
                raise ValueError(f"{self._cases[self.count].title}: {work.error}")
            if isinstance(work.error, (ValueError, OSError)):
                raise work.error
            if work.error is not None:
                name = self._cases[self.count].title
                raise ValueError(_("{case} cannot be written: {error}").format(case=name, error=work.error))
            self.count += 1
        if self.count == len(self._cases):
            self._finish()
            return
        case = self._cases[self.count]
        taken = {other["name"] for other in self._entries}
        name = next(n for n in _names(case.title) if n not in taken)  # nodes of one scene may have the same name
        entry: dict[str, Any] = {"name": name, "role": case.role, "patient": case.patient or name}
        if case.isFile:
            entry["image"] = str(Path(case.image).resolve())
            entry["labels"] = str(Path(case.labels).resolve()) if case.labels else None
            self._entries.append(entry)
            self.count += 1
            return
        self._begin(case, entry)

    def _begin(self, case: TrainingCase, entry: dict[str, Any]) -> None:
        nodes = [slicer.mrmlScene.GetNodeByID(i) if i else None for i in self._nodes[self.count] or ()]
        volumeNode, labelsNode = nodes
        if volumeNode is None or (case.labels is not None and labelsNode is None):
            raise ValueError(_("{case} was removed from the scene before it was saved.").format(case=entry["name"]))
        snapshot = scene.snapshotVolume(volumeNode)
        layers = (
            labelLayers(labelsNode, volumeNode, self._structures, self._mapping) if labelsNode is not None else None
        )
        number = f"{self.count + 1:04d}"
        entry["image"], entry["labels"] = f"{number}-image.mha", None if layers is None else f"{number}-labels.mha"
        self._entries.append(entry)

        def write() -> None:
            geometry = snapshot.geometry.flippedXY()
            writeMetaImage(self.folder / entry["image"], snapshot.array, geometry)
            if layers is not None:
                checkLabels(layers, snapshot.geometry)
                writeMetaImage(self.folder / entry["labels"], placeLabels(layers, snapshot.geometry), geometry)

        self._work = BackgroundCall(write)

    def _finish(self) -> None:
        content = {"classes": {str(s.value): _about(s) for s in self._structures}, "cases": self._entries}
        write_json(self.folder / CASES, content, indent=1)
        self.done = True

    @staticmethod
    def _ids(case: TrainingCase) -> tuple[str, str]:
        return case.image.GetID(), case.labels.GetID() if case.labels is not None else ""


def _names(title: str) -> Iterator[str]:
    yield title
    yield from (f"{title} ({number})" for number in itertools.count(2))


def _about(structure: StructureClass) -> dict[str, Any]:
    codes = {"category": structure.category, "type": structure.type, "modifier": structure.modifier}
    return {
        "name": structure.name,
        "color": [round(255 * part) for part in structure.color],
        "terminology": {key: list(code) for key, code in codes.items() if code},
    }
