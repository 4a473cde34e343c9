"""Regions of interest for the tests, and which voxels lie inside of them."""

from __future__ import annotations

import numpy as np
from scenenodes import rotation


def makeRoi(matrix, size, transformNode=None):
    """A ROI with an orientation and center in its own frame."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Miller's region")
    node.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(np.asarray(matrix, float)))
    node.SetSize(*size)
    if transformNode is not None:
        node.SetAndObserveTransformNodeID(transformNode.GetID())
    return node


def roiOn(volumeNode, seed=None, half=(12.0, 10.0, 9.0), at=(0.5, 0.5, 0.5)):
    """A ROI around a point of a volume, in the volume's own frame: turned by a seed, or along the volume's axes."""
    import slicer
    import vtk

    m = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(m)
    toRas = slicer.util.arrayFromVTKMatrix(m)
    matrix = np.eye(4)
    directions = toRas[:3, :3] / np.linalg.norm(toRas[:3, :3], axis=0) if seed is None else rotation(seed)
    if np.linalg.det(directions) < 0:
        directions = directions * [1, 1, -1]
    matrix[:3, :3] = directions
    dimensions = np.array(volumeNode.GetImageData().GetDimensions())
    matrix[:3, 3] = (toRas @ [*((dimensions - 1) * at), 1])[:3]
    return makeRoi(matrix, 2 * np.array(half), volumeNode.GetParentTransformNode())


def insideByVtk(roiNode, volumeNode):
    """bool (K, J, I): which voxel centers the planes of the ROI in the world enclose."""
    import slicer
    import vtk

    planes = vtk.vtkPlanes()
    roiNode.GetPlanesWorld(planes)
    toRas, toWorld = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(toRas)
    if volumeNode.GetParentTransformNode() is not None:
        volumeNode.GetParentTransformNode().GetMatrixTransformToWorld(toWorld)
    matrix = slicer.util.arrayFromVTKMatrix(toWorld) @ slicer.util.arrayFromVTKMatrix(toRas)
    i, j, k = volumeNode.GetImageData().GetDimensions()
    result = np.zeros((k, j, i), bool)
    for index in np.ndindex(result.shape):
        result[index] = planes.EvaluateFunction((matrix @ [*index[::-1], 1.0])[:3]) <= 0
    return result


def insideByUs(roiNode, volumeNode):
    from CMAformerSegmentationLib.segmenting.region import regionOf

    first, last = regionOf(roiNode, volumeNode).spans()
    i = np.arange(volumeNode.GetImageData().GetDimensions()[0])
    return (i >= first[..., None]) & (i <= last[..., None])
