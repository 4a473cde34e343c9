"""What the user corrects in a result: it is never overwritten, and the numbers of the result follow it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from vtk.util.numpy_support import vtk_to_numpy

from ..scene import nodes as scene
from ..scene.labelLayers import LabelLayer, placeLabels, segmentLayers

_attribute = "CMAformer.Fingerprint"


def fingerprint(labels: np.ndarray, values: Sequence[int]) -> str:
    """A checksum of a label map (K, J, I), uint8, whatever the values of its segments are. For a thread.

    :param values: of the segments, in their order.
    """
    places = np.zeros(256, np.uint8)
    places[list(values)] = range(1, len(values) + 1)
    found = 0
    for plane in labels:
        found = zlib.crc32(places[plane].tobytes(), found)
    return f"{found:08x}"


class EarlierResult:
    """The result that the chosen segmentation holds, looked at before it would be replaced.

    :ivar corrected: whether it is another than this module made; known after `look()`.
    """

    def __init__(self, segmentationNode, volumeNode) -> None:
        self.corrected = False
        self._layers: list[LabelLayer] = []
        self._times: list[int] = []
        self._made = ""
        self._geometry = scene.volumeGeometry(volumeNode)
        if segmentationNode is None:
            return
        own = scene.ownSegmentIds(segmentationNode.GetSegmentation())
        self._made = segmentationNode.GetAttribute(_attribute) or ""
        if not own:
            return
        ordered = [i for i in segmentationNode.GetSegmentation().GetSegmentIDs() if i in own]
        self._values = range(1, len(ordered) + 1)
        try:
            self._layers = segmentLayers(segmentationNode, volumeNode, dict(zip(ordered, self._values)))
        except ValueError:
            self.corrected = True  # it was put under a transform: nobody knows what it is there
        self._times = [layer.owner.GetMTime() for layer in self._layers]

    def look(self) -> None:
        """Compare it with what it was when it was made. For a thread."""
        if self._layers and not self.corrected:
            self.corrected = fingerprint(placeLabels(self._layers, self._geometry), self._values) != self._made

    @property
    def mustBeKept(self) -> bool:
        """Whether the user has changed it, before or since it was looked at. On the main thread."""
        return self.corrected or self._times != [layer.owner.GetMTime() for layer in self._layers]


class Measurement:
    """The numbers of a result as it is now: voxels, volume and mean of the image in each structure.

    Made on the main thread; `measure()` is for another one.
    """

    def __init__(self, segmentationNode, volumeNode, values: dict[str, int]) -> None:
        self._layers = segmentLayers(segmentationNode, volumeNode, values)
        self._geometry = scene.volumeGeometry(volumeNode)
        self._scalars = volumeNode.GetImageData().GetPointData().GetScalars()
        self._values = sorted(set(values.values()))

    def measure(self) -> dict[int, dict[str, Any]]:
        """value -> "voxels", "volume_ml" and "mean" (None where there is no voxel), as the engine counts them."""
        ml = float(np.prod(self._geometry.spacing)) / 1000
        gray = vtk_to_numpy(self._scalars).reshape(tuple(reversed(self._geometry.size)))
        counts, known = dict.fromkeys(self._values, 0), dict.fromkeys(self._values, 0)
        sums = dict.fromkeys(self._values, 0.0)
        for layer in self._layers:  # one after the other: structures may overlap
            for plane, pixels in zip(placeLabels([layer], self._geometry), gray):
                for value in set(layer.values.values()):
                    there = pixels[plane == value]
                    counts[value] += there.size
                    there = there[np.isfinite(there)]
                    known[value] += there.size
                    sums[value] += float(there.sum(dtype=np.float64))
        return {
            value: {
                "voxels": int(counts[value]),
                "volume_ml": round(counts[value] * ml, 4),
                "mean": round(sums[value] / known[value], 4) if known[value] else None,
            }
            for value in self._values
        }


def labelTimes(segmentationNode, segmentIds: Sequence[str]) -> tuple[int, ...]:
    """When the label maps of some segments were changed last; a segment that is gone counts as changed."""
    segmentation = segmentationNode.GetSegmentation()
    times = []
    for segmentId in segmentIds:
        segment = segmentation.GetSegment(segmentId)
        image = segment.GetRepresentation(scene.binaryLabelmap) if segment is not None else None
        times.append(image.GetMTime() if image is not None else -1)
    return tuple(times)
