"""A region of interest: a markups ROI as a box in the voxel indices of a volume, whatever their directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from cmaformer.door import box

from ..scene import nodes as scene
from ..scene.labelLayers import transformBetween


@dataclass(frozen=True)
class Region:
    """A box in a volume.

    :ivar toBox: three rows of four numbers: a voxel (i, j, k) is inside where |a i + b j + c k + d| <= 1 for each.
    :ivar size: of the volume, (I, J, K).
    """

    toBox: tuple[tuple[float, ...], ...]
    size: tuple[int, int, int]

    def parameter(self) -> dict[str, Any]:
        """As `job.json` has it."""
        return box.parameter(self.toBox)

    def spans(self) -> tuple[np.ndarray, np.ndarray]:
        """First and last voxel inside along i, for each row of the volume: two integer arrays (K, J).

        Where the box does not meet a row, the last is smaller than the first.
        """
        return self._spans(np.arange(self.size[2]), np.arange(self.size[1]))

    @property
    def isEmpty(self) -> bool:
        """Whether no voxel has its center inside. Quick, as the panel asks at every change."""
        rows = np.array(self.toBox)
        toIndex = np.linalg.inv(rows[:, :3])
        center = -toIndex @ rows[:, 3]
        half = np.abs(toIndex).sum(axis=1)  # of the upright hull, in voxels
        low = np.maximum(np.ceil(center - half - 1e-3), 0).astype(int)
        high = np.minimum(np.floor(center + half + 1e-3), np.array(self.size) - 1).astype(int)
        if (low > high).any():
            return True
        nearest = np.clip(np.rint(center), low, high)
        if (np.abs(rows @ [*nearest, 1.0]) <= 1 + box.TOLERANCE).all():
            return False
        first, last = self._spans(np.arange(low[2], high[2] + 1), np.arange(low[1], high[1] + 1))
        return not bool((first <= last).any())

    def _spans(self, k: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return box.spans(self.toBox, k, j, self.size[0])


def regionProblem(roiNode, volumeNode) -> str:
    """What is wrong with a ROI as the region to segment, in words; an empty string when it can be used.

    :param roiNode: vtkMRMLMarkupsROINode, or None for the whole volume.
    :param volumeNode: a volume that can be segmented.
    """
    if roiNode is None:
        return ""
    if min(roiNode.GetSize()) <= 0:
        return _("The region is not placed yet. Place it in the slice views, or choose the whole volume.")
    if transformBetween(volumeNode, roiNode) is None:
        return _("A transform that is not linear lies between the region and the volume. Harden it first.")
    if regionOf(roiNode, volumeNode).isEmpty:
        return _("The region lies outside of the volume. Move it onto what is to be segmented.")
    return ""


def regionOf(roiNode, volumeNode) -> Region:
    """The box of a ROI in a volume, with the transforms that both are under. The nodes may change or go afterwards."""
    geometry = scene.volumeGeometry(volumeNode)
    ijkToNode = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(ijkToNode)
    array = slicer.util.arrayFromVTKMatrix
    nodeToRoi = array(transformBetween(volumeNode, roiNode))
    nodeToBox = np.linalg.inv(array(roiNode.GetObjectToNodeMatrix()))
    halves = np.diag([*(2 / side for side in roiNode.GetSize()), 1.0])
    rows = (halves @ nodeToBox @ nodeToRoi @ array(ijkToNode))[:3]
    return Region(tuple(tuple(float(v) for v in row) for row in rows), tuple(geometry.size))  # type: ignore[arg-type]


def fitRegion(roiNode, volumeNode) -> None:
    """Place a ROI around a whole volume, in its directions and under its transform, to be made smaller from there."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASDirectionMatrix(matrix)
    directions = slicer.util.arrayFromVTKMatrix(matrix)
    if np.linalg.det(directions) < 0:
        directions[:3, 2] *= -1  # a ROI is right-handed
    dimensions = np.array(volumeNode.GetImageData().GetDimensions())
    volumeNode.GetIJKToRASMatrix(matrix)
    directions[:3, 3] = (slicer.util.arrayFromVTKMatrix(matrix) @ [*(dimensions - 1) / 2, 1.0])[:3]
    wasModifying = roiNode.StartModify()
    try:
        roiNode.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        roiNode.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(directions))
        roiNode.SetSize(*(dimensions * volumeNode.GetSpacing()))
    finally:
        roiNode.EndModify(wasModifying)
