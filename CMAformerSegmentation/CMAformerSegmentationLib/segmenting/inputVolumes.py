"""The volumes of a patient on their way into a job folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from cmaformer.door.names import IMAGE

from ..scene import nodes as scene
from ..scene.labelLayers import transformBetween
from ..scene.metaimage import Geometry, writeMetaImage


def geometryIn(volumeNode, other) -> Geometry | None:
    """The geometry of a volume in the frame of another, both with their transforms; RAS.

    :return: None where no transform between them is linear, or it bends the axes of the volume.
    """
    geometry = scene.volumeGeometry(volumeNode)
    if volumeNode.GetTransformNodeID() == other.GetTransformNodeID():
        return geometry
    between = transformBetween(volumeNode, other)
    if between is None:
        return None
    matrix = slicer.util.arrayFromVTKMatrix(between)
    axes = matrix[:3, :3] @ np.reshape(geometry.direction, (3, 3)) * np.array(geometry.spacing)
    spacing = np.linalg.norm(axes, axis=0)
    directions = axes / spacing
    if scene.areSheared(directions):
        return None
    origin = matrix[:3, :3] @ np.array(geometry.origin) + matrix[:3, 3]
    return Geometry(geometry.size, tuple(spacing.tolist()), tuple(origin.tolist()), tuple(directions.ravel().tolist()))


class InputVolumes:
    """What is needed of the volumes while they are segmented; the first is the one that the result lies on.

    :raises ValueError: when one cannot be segmented, in words.
    """

    def __init__(self, volumeNodes: Iterable[Any]) -> None:
        nodes = list(volumeNodes)
        self.snapshots = [scene.snapshotVolume(node) for node in nodes]
        for node, snapshot in zip(nodes[1:], self.snapshots[1:]):
            geometry = geometryIn(node, nodes[0])
            assert geometry is not None, "the request has checked it"
            snapshot.geometry = geometry
        self.first = self.snapshots[0]
        self._names = [IMAGE, *(f"input-{number}.mha" for number in range(2, 1 + len(self.snapshots)))]

    def inputs(self) -> dict[str, Any]:
        """What the job says of them."""
        others = {"others": self._names[1:]} if len(self._names) > 1 else {}
        return {"image": IMAGE, **others}

    def write(self, folder: Path) -> None:
        """Write them into the job folder; a thread may do that."""
        for snapshot, name in zip(self.snapshots, self._names):
            writeMetaImage(folder / name, snapshot.array, snapshot.geometry.flippedXY())

    def releaseVoxels(self) -> None:
        """Let go of the voxels once they have been saved."""
        for snapshot in self.snapshots:
            snapshot.releaseVoxels()
