"""Cases of the scene as files for the engine: one at a time, voxels written and labels placed in a thread.

A label map must lie on its image's grid. Where a segmentation has another one, each voxel of the image takes the label
that lies at its center; where it has the same, voxels are copied.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from cmaformer.door.files import write_json
from cmaformer.door.names import CASES

from ..jobs.background import BackgroundCall
from ..models.catalog import StructureClass
from ..scene import nodes as scene
from ..scene.metaimage import Geometry, writeMetaImage
from .case import TrainingCase, transformBetween
from .structures import SegmentMapping, segmentsByStructure

# A voxel center may miss another grid's by this part of a voxel and still counts as the same grid.
_sameGrid = 1e-3


@dataclass
class LabelLayer:
    """A label map as it lies in the scene.

    :ivar array: (K, J, I), a view into the node's memory. :ivar first: its smallest (i, j, k) index.
    :ivar ijkToRas: 4x4, from its indices to the frame of the image that it belongs to.
    :ivar values: what each of its values means: value -> value of the structure.
    :ivar owner: keeps the memory.
    """

    array: np.ndarray
    first: tuple[int, int, int]
    ijkToRas: np.ndarray
    values: dict[int, int]
    owner: Any


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
        matrix = _toVolume(labelsNode, volumeNode) @ _nodeMatrix(labelsNode)
        return [LabelLayer(*_voxels(image), matrix, own, image)]
    return segmentLayers(labelsNode, volumeNode, segmentsByStructure(labelsNode, structures, mapping))


def segmentLayers(segmentationNode, volumeNode, values: Mapping[str, int]) -> list[LabelLayer]:
    """The label maps of some segments of a segmentation; quick, on the main thread.

    :param values: segment id -> value of its structure.
    :raises ValueError: in words, when they cannot be brought into the image's frame.
    """
    toVolume = _toVolume(segmentationNode, volumeNode)
    segmentation = segmentationNode.GetSegmentation()
    layers: dict[int, LabelLayer] = {}
    for segmentId, value in values.items():
        segment = segmentation.GetSegment(segmentId)
        image = segment.GetRepresentation(scene.binaryLabelmap)
        if image is None or image.GetPointData().GetScalars() is None or 0 in image.GetDimensions():
            continue
        # Several segments may share one label map. VTK gives one Python object to one image as long as it is held.
        layer = layers.setdefault(id(image), LabelLayer(*_voxels(image), toVolume @ _imageMatrix(image), {}, image))
        layer.values[segment.GetLabelValue()] = value
    return list(layers.values())


def _toVolume(labelsNode, volumeNode) -> np.ndarray:
    matrix = transformBetween(labelsNode, volumeNode)
    if matrix is None:
        raise ValueError(_("Image and segmentation are under different transforms that are not linear."))
    return slicer.util.arrayFromVTKMatrix(matrix)


def placeLabels(layers: Sequence[LabelLayer], geometry: Geometry) -> np.ndarray:
    """One label map on the grid of an image: uint8 (K, J, I). Later layers win where they overlap. For a thread.

    :param geometry: of the image, RAS.
    """
    result = np.zeros(tuple(reversed(geometry.size)), np.uint8)
    for layer in layers:
        if not layer.array.size or not layer.values:
            continue
        table = np.zeros(int(max(layer.values)) + 1, np.uint8)
        for value, structure in layer.values.items():
            table[value] = structure
        shift = gridShift(layer, geometry)
        if shift is not None:
            _copy(result, layer.array, shift, table)
        else:
            _sample(result, layer.array, _toLayer(layer, geometry), table)
    return result


def gridShift(layer: LabelLayer, geometry: Geometry) -> np.ndarray | None:
    """What to add to (i, j, k) of an image to have the place in a label map on the same grid; None on another grid."""
    toLayer = _toLayer(layer, geometry)
    shift = np.rint(toLayer[:3, 3]).astype(int)
    plain = np.eye(4)
    plain[:3, 3] = shift
    far = np.array([*geometry.size, 1.0])
    same = np.abs((toLayer - plain) @ far).max() < _sameGrid and np.abs(toLayer - plain).max() < _sameGrid
    return shift if same else None


def _toLayer(layer: LabelLayer, geometry: Geometry) -> np.ndarray:
    ijkToRas = np.eye(4)
    direction = np.array(geometry.direction).reshape(3, 3)
    ijkToRas[:3, :3], ijkToRas[:3, 3] = direction * geometry.spacing, geometry.origin
    toLayer = np.linalg.inv(layer.ijkToRas) @ ijkToRas
    toLayer[:3, 3] -= layer.first
    return toLayer


def _copy(result: np.ndarray, array: np.ndarray, shift: np.ndarray, table: np.ndarray) -> None:
    there, here = [], []
    for size, own, offset in zip(result.shape, array.shape, reversed(shift.tolist())):
        low, high = max(0, -offset), min(size, own - offset)
        if low >= high:
            return
        here.append(slice(low, high))
        there.append(slice(low + offset, high + offset))
    for target, source in zip(result[tuple(here)], array[tuple(there)]):
        _write(target, source, table)


def _sample(result: np.ndarray, array: np.ndarray, toLayer: np.ndarray, table: np.ndarray) -> None:
    """Slice by slice, so that little memory is needed and the interpreter is let go in between."""
    rows, columns = np.indices(result.shape[1:])
    for k, target in enumerate(result):
        at = [toLayer[n, 0] * columns + toLayer[n, 1] * rows + (toLayer[n, 2] * k + toLayer[n, 3]) for n in range(3)]
        index = [np.rint(axis).astype(np.intp) for axis in at]
        inside = np.ones(target.shape, bool)
        for axis, size in zip(index, reversed(array.shape)):
            inside &= (axis >= 0) & (axis < size)
            np.clip(axis, 0, size - 1, out=axis)
        found = array[index[2], index[1], index[0]]
        _write(target, np.where(inside, found, 0), table)


def _write(target: np.ndarray, source: np.ndarray, table: np.ndarray) -> None:
    known = (source > 0) & (source < len(table))
    values = table[np.where(known, source, 0).astype(np.intp)]
    np.copyto(target, values, where=values > 0)


def _voxels(image) -> tuple[np.ndarray, tuple[int, int, int]]:
    extent = image.GetExtent()
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(tuple(reversed(image.GetDimensions())))
    return array, (extent[0], extent[2], extent[4])


def _imageMatrix(image) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def _nodeMatrix(volumeNode) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


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
