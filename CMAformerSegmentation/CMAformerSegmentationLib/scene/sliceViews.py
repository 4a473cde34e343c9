"""What the slice views show: a slice of a volume, wherever it lies in the world."""

from __future__ import annotations

import slicer
import vtk


def jumpToSlice(volumeNode, axis: str, index: int, segmentationNode=None) -> None:
    """Turn the slice views to the planes of a volume, and let them meet at one of its slices.

    :param axis: "i", "j" or "k", along which the slice is counted.
    :param index: of the slice, from 0.
    :param segmentationNode: within the slice, the middle of its segments; None for that of the volume.
    """
    image = volumeNode.GetImageData()
    dimensions = image.GetDimensions()
    ijk = [(count - 1) / 2 for count in dimensions]
    toRas = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(toRas)
    if segmentationNode is not None and segmentationNode.GetSegmentation().GetNumberOfSegments():
        bounds = [0.0] * 6
        segmentationNode.GetBounds(bounds)  # in the frame of the volume: both are under the same transform
        if bounds[0] <= bounds[1]:
            middle = [(bounds[2 * n] + bounds[2 * n + 1]) / 2 for n in range(3)]
            toIjk = vtk.vtkMatrix4x4()
            vtk.vtkMatrix4x4.Invert(toRas, toIjk)
            found = toIjk.MultiplyPoint([*middle, 1.0])[:3]
            ijk = [min(max(x, 0.0), count - 1.0) for x, count in zip(found, dimensions)]
    ijk["ijk".index(axis)] = float(index)
    point = list(toRas.MultiplyPoint([*ijk, 1.0])[:3])
    parent = volumeNode.GetParentTransformNode()
    if parent is not None:
        toWorld = vtk.vtkGeneralTransform()
        parent.GetTransformToWorld(toWorld)
        point = list(toWorld.TransformPoint(point))
    for sliceNode in slicer.util.getNodesByClass("vtkMRMLSliceNode"):  # an oblique slice is in no view as it was
        sliceNode.RotateToVolumePlane(volumeNode)
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *point)


def showOver(volumeNode, overlayNode, opacity: float = 0.5) -> None:
    """Show a volume over another one in the slice views, where there are any."""
    if slicer.app.layoutManager() is not None:
        slicer.util.setSliceViewerLayers(background=volumeNode, foreground=overlayNode, foregroundOpacity=opacity)
