"""A result that is restricted to a region: cut at it, and joined with what an earlier result has outside of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from ..cases.structures import segmentsByStructure
from ..models.catalog import StructureClass
from ..scene import nodes as scene
from ..scene.labelLayers import LabelLayer, gridShift, placeLabels, segmentLayers
from ..scene.metaimage import Geometry
from .region import Region


def earlierSegments(segmentationNode, structures: Sequence[StructureClass]) -> dict[str, int]:
    """The segments that this module made before of these structures, one for each: segment id -> value."""
    if segmentationNode is None:
        return {}
    own = scene.ownSegmentIds(segmentationNode.GetSegmentation())
    found = segmentsByStructure(segmentationNode, structures, {})
    firsts: dict[int, str] = {}
    for segmentId, value in found.items():
        if segmentId in own:
            firsts.setdefault(value, segmentId)
    return {segmentId: value for value, segmentId in firsts.items()}


def keepingProblem(segmentationNode, volumeNode, structures: Sequence[StructureClass]) -> str:
    """Why what an earlier result has outside of a region could not be kept as it is, in words; empty when it can."""
    earlier = earlierSegments(segmentationNode, structures)
    try:
        layers = segmentLayers(segmentationNode, volumeNode, earlier) if earlier else []
    except ValueError as error:
        return str(error)
    geometry = scene.volumeGeometry(volumeNode)
    if all(_fits(layer, geometry) for layer in layers):
        return ""
    return _(
        "The chosen result is not on the grid of the volume, so that it could not be kept outside of the region."
        " Create a new segmentation instead."
    )


def _fits(layer: LabelLayer, geometry: Geometry) -> bool:
    """Whether a label map is a part of a grid, voxel on voxel."""
    shift = gridShift(layer, geometry)
    if shift is None:
        return False
    return all(
        offset <= 0 and count - offset <= size
        for offset, count, size in zip(shift.tolist(), reversed(layer.array.shape), geometry.size)
    )


class RegionResult:
    """Made on the main thread, joined in another one. Without a region it changes nothing.

    :ivar segmentIds: segments that the new ones replace; None: all that this module made.
    """

    def __init__(
        self,
        region: Region | None,
        snapshot: scene.VolumeSnapshot,
        structures: Sequence[StructureClass],
        segmentationNode=None,
        volumeNode=None,
    ) -> None:
        self.segmentIds: list[str] | None = None
        self._region = region
        self._geometry = snapshot.geometry
        self._values = [structure.value for structure in structures]
        self._layers: list[LabelLayer] = []
        self._found: dict[int, dict[str, Any]] = {}
        self._images: dict[int, Any] = {}
        self._canKeep = True
        if region is None:
            return
        self._scalars = snapshot.scalars
        self._canKeep = volumeNode is not None and not keepingProblem(segmentationNode, volumeNode, structures)
        if self._canKeep:
            earlier = earlierSegments(segmentationNode, structures)
            self.segmentIds = list(earlier)
            self._layers = segmentLayers(segmentationNode, volumeNode, earlier) if earlier else []
        self._times = [layer.owner.GetMTime() for layer in self._layers]
        # For label maps that overlap, which one label map cannot hold. Memory that is not touched costs nothing.
        self._spare = [scene.newLabelImage(self._geometry) for _layer in self._layers[1:]]

    @property
    def isOutdated(self) -> bool:
        """Whether the earlier result was changed after this object was made."""
        return bool(self._layers) and self._times != [layer.owner.GetMTime() for layer in self._layers]

    def target(self, segmentationNode) -> Any:
        """Where the result can go: None, a new segmentation, where the chosen one could not be kept."""
        return segmentationNode if self._canKeep else None

    def image(self, value: int, labelImage) -> Any:
        """The label map of a structure."""
        return self._images.get(value, labelImage)

    def notices(self) -> list[str]:
        """What the user should know of it."""
        if self._region is None:
            return []
        if self._layers:
            return [_("Only the region was segmented; outside of it the earlier result was kept.")]
        return [_("Only the region was segmented.")]

    def provenance(self) -> dict[str, Any]:
        """For the parameters of the result."""
        return {"kept_outside": bool(self._layers)} if self._region is not None else {}

    def summary(self, summary: dict[str, Any]) -> dict[str, Any]:
        """The engine's summary, with the numbers of what was joined."""
        structures = [{**item, **self._found.get(item.get("value", 0), {})} for item in summary.get("structures", [])]
        return {**summary, "structures": structures} if self._found else summary

    def join(self, labels: np.ndarray) -> None:
        """Cut and complete a label map in place. For a thread.

        :param labels: uint8 (K, J, I), what the engine found.
        """
        if self._region is None:
            return
        maps = [placeLabels([layer], self._geometry) for layer in self._layers]
        overlap = False
        for plane, inside, parts in zip(labels, self._inside(), zip(*maps) if maps else [()] * len(labels)):
            plane[~inside] = 0
            for part in parts:
                part[inside] = 0
            overlap = overlap or (len(parts) > 1 and bool((sum((p > 0).astype(np.uint8) for p in parts) > 1).any()))
        if overlap:
            self._separate(labels, maps)
        for kept in maps:
            for plane, old in zip(labels, kept):
                np.copyto(plane, old, where=old > 0)
        if maps:
            self._measure(labels)

    def _separate(self, labels: np.ndarray, maps: list[np.ndarray]) -> None:
        """Give each earlier label map but the first one its own again, and the new voxels of its structures."""
        for layer, (image, array) in zip(self._layers[1:], self._spare):
            kept, values = maps.pop(1), sorted(set(layer.values.values()))
            for plane, old, new in zip(array, kept, labels):
                own = np.isin(new, values)
                plane[:] = np.where(own, new, old)
                new[own] = 0
            self._images.update(dict.fromkeys(values, image))

    def _measure(self, labels: np.ndarray) -> None:
        """Voxels, volume and mean of the image in each structure, as the engine counts them."""
        voxel = float(np.prod(self._geometry.spacing)) / 1000
        gray = vtk_to_numpy(self._scalars).reshape(labels.shape)
        separate = {id(image): array for image, array in self._spare}
        for value in self._values:
            image = self._images.get(value)
            array = labels if image is None else separate[id(image)]
            count = known = 0
            total = 0.0
            for plane, values in zip(array, gray):
                where = plane == value
                count += int(np.count_nonzero(where))
                there = values[where]
                there = there[np.isfinite(there)]
                known += there.size
                total += float(there.sum(dtype=np.float64))
            mean = round(total / known, 4) if known else None
            self._found[value] = {"voxels": count, "volume_ml": round(count * voxel, 4), "mean": mean}

    def _inside(self) -> Iterator[np.ndarray]:
        assert self._region is not None
        i = np.arange(self._geometry.size[0])
        for first, last in zip(*self._region.spans()):
            yield (i >= first[:, None]) & (i <= last[:, None])
