"""From MRML nodes to what the engine needs, and back: geometry, transforms, names, colors, terminology, provenance.

Everything here runs on the main thread and is quick: voxels are shared, never copied.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from ..models.catalog import StructureClass
from .metaimage import Geometry

madeByTag = "CMAformer.ModelId"  # of a segment: this module made it, and with which model
# Of a segment, too: what Slicer's DICOM export reads. Without them it says that the segment was drawn by hand.
algorithmTypeTag = "DICOM.SegmentAlgorithmType"
algorithmNameTag = "DICOM.SegmentAlgorithmName"
_copyOf = "CMAformer.CopyOf"
binaryLabelmap = "Binary labelmap"
closedSurface = "Closed surface"
# Cosines between the axes of a volume may differ from 0 by this: rounded headers, not tilted gantries.
_sheared = 5e-3
_terminologyContext = "Segmentation category and type - 3D Slicer General Anatomy list"
_anatomicContext = "Anatomic codes - DICOM master list"


@dataclass
class VolumeSnapshot:
    """What is needed of a volume while it is segmented, even when its node goes away meanwhile.

    `array` (K, J, I) looks into the node's own memory. It stays valid as long as this object lives, because it keeps a
    reference to the VTK array; writing into a volume during the fraction of a second in which it is saved would show.
    """

    nodeId: str
    name: str
    array: np.ndarray
    geometry: Geometry  # RAS
    scalars: vtk.vtkDataArray
    modified: int

    def releaseVoxels(self) -> None:
        """Let go of the voxels once they have been saved."""
        self.array = np.empty((0, 0, 0), np.uint8)

    def isOutdated(self, volumeNode) -> bool:
        """Whether the voxels were changed after the snapshot."""
        scalars = volumeNode.GetImageData().GetPointData().GetScalars() if volumeNode.GetImageData() else None
        return scalars is not self.scalars or scalars.GetMTime() != self.modified


def volumeProblem(volumeNode) -> str:
    """What is wrong with a volume as an input, in words; an empty string when it can be segmented."""
    if volumeNode is None:
        return _("Choose a volume to segment.")
    image = volumeNode.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        return _("The volume is empty. Choose another one.")
    if volumeNode.IsA("vtkMRMLLabelMapVolumeNode"):
        return _("This is a label map, not an image. Choose another volume.")
    if image.GetNumberOfScalarComponents() != 1:
        return _("The volume has {count} values per voxel (color or vector). Choose one with a single value.").format(
            count=image.GetNumberOfScalarComponents()
        )
    if _isSheared(volumeNode):
        return _(
            "The axes of the volume are not perpendicular (gantry tilt?). Resample it first (Resample Scalar Volume)."
        )
    return ""


def _isSheared(volumeNode) -> bool:
    """Whether voxels are no boxes: the axes of the node itself, without the transforms that it is under."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASDirectionMatrix(matrix)
    return areSheared(slicer.util.arrayFromVTKMatrix(matrix)[:3, :3])


def areSheared(axes: np.ndarray) -> bool:
    """Whether three axes, unit vectors in the columns, are not perpendicular."""
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() > _sheared)


def outputProblem(segmentationNode, volumeNode) -> str:
    """What is wrong with a segmentation as the place for the result, in words; empty when it can be used."""
    if segmentationNode is None:
        return ""
    segmentation = segmentationNode.GetSegmentation()
    if segmentation is None or segmentation.GetNumberOfSegments() == 0:
        return ""
    if segmentation.GetSourceRepresentationName() != binaryLabelmap:
        return _("The chosen result is made of surfaces. Choose another one, or create a new segmentation.")
    hasOthers = len(ownSegmentIds(segmentation)) < segmentation.GetNumberOfSegments()
    if hasOthers and segmentationNode.GetTransformNodeID() != volumeNode.GetTransformNodeID():
        return _("The chosen result has segments under another transform. Create a new segmentation instead.")
    return ""


def snapshotVolume(volumeNode) -> VolumeSnapshot:
    """Capture a volume's voxels (shared), its geometry and its identity.

    :raises ValueError: when the volume cannot be segmented, with the reason in words.
    """
    problem = volumeProblem(volumeNode)
    if problem:
        raise ValueError(problem)
    image = volumeNode.GetImageData()
    scalars = image.GetPointData().GetScalars()
    array = vtk_to_numpy(scalars).reshape(tuple(reversed(image.GetDimensions())))
    return VolumeSnapshot(
        volumeNode.GetID(), volumeNode.GetName(), array, volumeGeometry(volumeNode), scalars, scalars.GetMTime()
    )


def volumeGeometry(volumeNode) -> Geometry:
    """The geometry of a volume node in RAS, in its own frame (without its parent transforms), to the last bit."""
    directions = [[0.0] * 3 for _row in range(3)]
    volumeNode.GetIJKToRASDirections(directions)
    return Geometry(
        volumeNode.GetImageData().GetDimensions(),
        volumeNode.GetSpacing(),
        volumeNode.GetOrigin(),
        tuple(value for row in directions for value in row),
    )


def newLabelImage(geometry: Geometry) -> tuple[Any, np.ndarray]:
    """Make an uninitialized label map on a grid, and a view (K, J, I) into its memory for a thread to fill.

    :return: (vtkOrientedImageData of unsigned char, uint8 array that shares its memory).
    """
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*geometry.size)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    placeImage(image, geometry)
    return image, vtk_to_numpy(image.GetPointData().GetScalars()).reshape(tuple(reversed(geometry.size)))


def placeImage(image, geometry: Geometry) -> None:
    """Give an oriented image a geometry to the last bit.

    VTK skips a direction that differs from the present one by less than rounding (6e-17 instead of 0, as an oblique
    scan has it), so they are moved far away first.
    """
    image.SetSpacing(*geometry.spacing)
    image.SetOrigin(*geometry.origin)
    image.SetDirections(*[2.0] * 9)
    image.SetDirections(*geometry.direction)


def adoptLabels(
    labelImage,
    volumeNode,
    structures: Sequence[StructureClass],
    modelId: str,
    provenance: Mapping[str, Any],
    segmentationNode=None,
    restricted=None,
):
    """Show a result: one segment per structure, all of them sharing one label map.

    Segments that this module made before are replaced; the user's own stay as they are.

    :param labelImage: from `newLabelImage`, filled; owned by the segmentation from here on.
    :param volumeNode: the volume that was segmented.
    :param provenance: what `recordProvenance` takes.
    :param segmentationNode: where to put the result; a new node is made for None.
    :param restricted: a `RegionResult` where a region alone was segmented.
    :return: the segmentation node.
    """
    placeImage(labelImage, volumeGeometry(volumeNode))
    if segmentationNode is not None and outputProblem(segmentationNode, volumeNode):
        segmentationNode = None  # the scene changed meanwhile: better a new node than damage to the user's segments
    isNew = segmentationNode is None
    if isNew:
        name = slicer.mrmlScene.GenerateUniqueName(_("{volume} segmentation").format(volume=volumeNode.GetName()))
        segmentationNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    if segmentationNode.GetDisplayNode() is None:
        segmentationNode.CreateDefaultDisplayNodes()
    wasModifying = segmentationNode.StartModify()
    try:
        segmentation = segmentationNode.GetSegmentation()
        hadSurface = segmentation.ContainsRepresentation(closedSurface)
        if hadSurface:
            segmentationNode.RemoveClosedSurfaceRepresentation()
        _removeOwnSegments(segmentation, restricted.segmentIds if restricted is not None else None)
        segmentation.SetSourceRepresentationName(binaryLabelmap)
        segmentationNode.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
        for structure in structures:
            image = restricted.image(structure.value, labelImage) if restricted is not None else labelImage
            _addSegment(segmentation, structure, modelId, image)
        recordProvenance(segmentationNode, provenance)
    finally:
        segmentationNode.EndModify(wasModifying)
    if isNew:
        placeBesideVolume(segmentationNode, volumeNode)
    if hadSurface:
        segmentationNode.CreateClosedSurfaceRepresentation()  # Show 3D was on, and stays on
    return segmentationNode


def recordProvenance(segmentationNode, provenance: Mapping[str, Any]) -> None:
    """Write how a segmentation was made as attributes of its node, such as `CMAformer.ModelId`."""
    for key, value in provenance.items():
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        segmentationNode.SetAttribute("CMAformer." + key, text)


def terminologyTag(structure: StructureClass) -> str:
    """The seven parts of Slicer's terminology tag: context, category, type, modifier, and an empty anatomic region."""
    triplets = ["^".join(part or ("", "", "")) for part in (structure.category, structure.type, structure.modifier)]
    return "~".join([_terminologyContext, *triplets, _anatomicContext, "^^", "^^"])


def referencedVolumeId(segmentationNode) -> str:
    """Id of the volume that a segmentation was made on; empty where it tells none."""
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    return segmentationNode.GetNodeReferenceID(role) or ""


def referencesOtherVolume(segmentationNode, volumeNode) -> bool:
    """Whether a segmentation was made on another volume than this one."""
    reference = referencedVolumeId(segmentationNode)
    return bool(reference) and reference != volumeNode.GetID()


def _addSegment(segmentation, structure: StructureClass, modelId: str, labelImage) -> None:
    segment = slicer.vtkSegment()
    segment.SetName(structure.name)
    segment.SetColor(*structure.color)
    segment.SetLabelValue(structure.value)
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminologyTag(structure))
    segment.SetTag(madeByTag, modelId)
    segment.SetTag(algorithmTypeTag, "AUTOMATIC")
    segment.SetTag(algorithmNameTag, f"CMAformer {modelId}"[:64])  # no more letters than DICOM has room for
    segment.AddRepresentation(binaryLabelmap, labelImage)
    segmentId = segmentation.GenerateUniqueSegmentID(structure.name.replace(" ", "_"))
    if not segmentation.AddSegment(segment, segmentId):
        raise RuntimeError(f"Segment {structure.name} could not be added.")


def ownSegmentIds(segmentation) -> list[str]:
    """Segments that this module made in an earlier run."""
    value = vtk.mutable("")
    return [i for i in segmentation.GetSegmentIDs() if segmentation.GetSegment(i).GetTag(madeByTag, value)]


def _removeOwnSegments(segmentation, segmentIds: Sequence[str] | None = None) -> None:
    """Remove this module's segments, or some of them.

    VTK copies a segment out of its layer before it removes it: seconds on a big CT. Without its label map it goes at
    once; only where a segment of the user shares the layer the voxels have to be erased, in one pass.
    """
    own = [i for i in ownSegmentIds(segmentation) if segmentIds is None or i in segmentIds]
    others = [i for i in segmentation.GetSegmentIDs() if i not in own]
    kept = [segmentation.GetSegment(i).GetRepresentation(binaryLabelmap) for i in others]
    erase: dict[int, list[int]] = {}
    for segmentId in own:
        segment = segmentation.GetSegment(segmentId)
        image = segment.GetRepresentation(binaryLabelmap)
        for index, labelmap in enumerate(kept):
            if image is not None and image is labelmap:
                erase.setdefault(index, []).append(segment.GetLabelValue())
                break
        segment.RemoveRepresentation(binaryLabelmap)
    for index, values in erase.items():
        _eraseLabels(kept[index], values)
    for segmentId in own:
        segmentation.RemoveSegment(segmentId)


def _eraseLabels(labelmap, values: list[int]) -> None:
    scalars = labelmap.GetPointData().GetScalars()
    if scalars is None:
        return
    voxels = vtk_to_numpy(scalars)
    if voxels.dtype == np.uint8:
        table = bytes(0 if value in values else value for value in range(256))
        voxels[:] = np.frombuffer(voxels.tobytes().translate(table), np.uint8)  # the quickest look-up there is
    else:
        voxels[np.isin(voxels, values)] = 0
    scalars.Modified()
    labelmap.Modified()


def keptCopy(segmentationNode, volumeNode):
    """A copy of a segmentation as it is now, to be learned from: what becomes of the original changes nothing in it.

    There is one for each volume, which takes the place of the copy before. It is saved with the scene, hidden.
    """
    name = _("{volume} (to learn from)").format(volume=volumeNode.GetName())
    for copy in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if copy.GetAttribute(_copyOf) and copy.GetNodeReference(_copyOf) is volumeNode:
            break
    else:
        copy = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    copy.GetSegmentation().DeepCopy(segmentationNode.GetSegmentation())
    copy.SetAndObserveTransformNodeID(segmentationNode.GetTransformNodeID())
    copy.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    copy.SetName(name)
    copy.SetAttribute(_copyOf, "1")
    copy.SetNodeReferenceID(_copyOf, volumeNode.GetID())
    if copy.GetDisplayNode() is not None:
        copy.GetDisplayNode().SetVisibility(False)
    return copy


def placeBesideVolume(segmentationNode, volumeNode) -> None:
    """Put the segmentation under the volume's study in the subject hierarchy."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    if hierarchy is None:
        return
    volumeItem = hierarchy.GetItemByDataNode(volumeNode)
    segmentationItem = hierarchy.GetItemByDataNode(segmentationNode)
    if volumeItem and segmentationItem:
        hierarchy.SetItemParent(segmentationItem, hierarchy.GetItemParent(volumeItem))
