"""Label maps as they lie in the scene, and their place on the grid of an image.

Where a segmentation has another grid than the image, each voxel of the image takes the label that lies at its center;
where it has the same, voxels are copied.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from ..refusal import Refusal
from . import nodes as scene
from .metaimage import Geometry

# A voxel center may miss another grid's by this part of a voxel and still counts as the same grid.
_sameGrid = 1e-3
# Segments on grids of their own may share voxels at their border: this part of the smaller one.
_overlap = 0.01


@dataclass
class LabelLayer:
    """A label map as it lies in the scene.

    :ivar array: (K, J, I), a view into the node's memory. :ivar first: its smallest (i, j, k) index.
    :ivar ijkToRas: 4x4, from its indices to the frame of the image that it belongs to.
    :ivar values: what each of its values means: value -> value of the structure.
    :ivar owner: keeps the memory. :ivar hasNames: whether a value without meaning is a segment that is left out; in a
      label map volume it is one that nobody has named.
    """

    array: np.ndarray
    first: tuple[int, int, int]
    ijkToRas: np.ndarray
    values: dict[int, int]
    owner: Any
    hasNames: bool = True


def segmentLayers(segmentationNode, volumeNode, values: Mapping[str, int]) -> list[LabelLayer]:
    """The label maps of some segments of a segmentation; quick, on the main thread.

    :param values: segment id -> value of its structure.
    :raises ValueError: in words, when they cannot be brought into the image's frame.
    """
    frame = toVolume(segmentationNode, volumeNode)
    segmentation = segmentationNode.GetSegmentation()
    layers: dict[int, LabelLayer] = {}
    for segmentId, value in values.items():
        segment = segmentation.GetSegment(segmentId)
        image = segment.GetRepresentation(scene.binaryLabelmap)
        if image is None or image.GetPointData().GetScalars() is None or 0 in image.GetDimensions():
            continue
        # Several segments may share one label map. VTK gives one Python object to one image as long as it is held.
        layer = layers.setdefault(id(image), LabelLayer(*voxels(image), frame @ _imageMatrix(image), {}, image))
        layer.values[segment.GetLabelValue()] = value
    return list(layers.values())


def toVolume(labelsNode, volumeNode) -> np.ndarray:
    """The 4x4 matrix from the frame of a node with labels to that of a volume.

    :raises ValueError: in words, when it is not linear.
    """
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


def checkLabels(layers: Sequence[LabelLayer], geometry: Geometry) -> None:
    """Refuse labels that would not be learned as they are. For a thread.

    :param geometry: of the image, RAS.
    :raises Refusal: values that nobody has named, or structures that overlap.
    """
    for layer in layers:
        if not layer.hasNames:
            _checkValues(layer)
    before = np.zeros(tuple(reversed(geometry.size)), np.uint8)
    for layer in layers:
        own = placeLabels([layer], geometry)
        both = int(np.count_nonzero((before > 0) & (own > 0) & (before != own)))
        smaller = min(int(np.count_nonzero(before)), int(np.count_nonzero(own)))
        if both > _overlap * max(1, smaller):
            raise Refusal(functools.partial(_overlapping, both))
        np.copyto(before, own, where=own > 0)


def _checkValues(layer: LabelLayer) -> None:
    strange = sorted({float(value) for value in np.unique(layer.array)} - {0.0, *map(float, layer.values)})
    if any(value != int(value) for value in strange):
        raise Refusal(lambda: _("the label map has values that are no whole numbers; give the segmentation itself."))
    if strange:
        shown = ", ".join(f"{value:g}" for value in strange[:5])
        raise Refusal(lambda: _("the label map holds {values}, which are no structures.").format(values=shown))


def _overlapping(count: int) -> str:
    what = _("its segments overlap in {count} voxels, and a voxel has one structure.").format(count=count)
    return what + " " + _("Separate them in the Segment Editor (Logical operators), or leave one out.")


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


def voxels(image) -> tuple[np.ndarray, tuple[int, int, int]]:
    """The array (K, J, I) of a VTK image, a view of its memory, and its smallest (i, j, k) index."""
    extent = image.GetExtent()
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(tuple(reversed(image.GetDimensions())))
    return array, (extent[0], extent[2], extent[4])


def _imageMatrix(image) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def nodeMatrix(volumeNode) -> np.ndarray:
    """The 4x4 matrix from the indices of a volume node to its own frame (mm, RAS)."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def transformBetween(fromNode, toNode):
    """The matrix from one node's frame to another's (vtkMatrix4x4, mm, RAS); None where it is not linear."""
    matrix = vtk.vtkMatrix4x4()
    linear = slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(
        fromNode.GetParentTransformNode(), toNode.GetParentTransformNode(), matrix
    )
    return matrix if linear else None
