"""A result as DICOM SEG, through Slicer's own export: what it needs, and its dialog."""

from __future__ import annotations

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..scene import nodes as scene
from ..scene.labelLayers import placeLabels, segmentLayers

_plugin = "DICOMSegmentationPlugin"


def dicomProblem(volumeNode, segmentationNode) -> str:
    """Why a segmentation cannot be exported to DICOM, and what to do, in words; empty when it can."""
    plugins = getattr(slicer.modules, "dicomPlugins", {})
    if not hasattr(slicer, "qSlicerDICOMExportDialog") or _plugin not in plugins:
        return _("This Slicer cannot export DICOM segmentations. Use Slicer 5.12 or later, or export a label map.")
    instances = (volumeNode.GetAttribute("DICOM.instanceUIDs") or "").split()
    if not instances:
        return _(
            "The volume was not loaded from DICOM, so that there is no study to add to. Load it from the DICOM module"
            " and segment it there, or export a label map."
        )
    database = getattr(slicer, "dicomDatabase", None)
    # The first and the last one tell whether the series is there; Slicer's exporter looks at all.
    if database is None or not all(database.fileForInstance(uid) for uid in (instances[0], instances[-1])):
        return _(
            "The DICOM images of the volume are not in Slicer's DICOM database. Import them in the DICOM module, load"
            " the volume from there, and segment it."
        )
    if _study(volumeNode) == 0:
        return _("The volume belongs to no study in the module Data. Load it from the DICOM module and segment it.")
    reference = segmentationNode.GetNodeReferenceID(segmentationNode.GetReferenceImageGeometryReferenceRole())
    if reference != volumeNode.GetID():
        return _("The segmentation was set to another geometry than the volume's. Segment the volume again.")
    return ""


def prepareDicom(volumeNode, segmentationNode) -> None:
    """Put a segmentation into the study of its volume."""
    hierarchy, study = _hierarchy(), _study(volumeNode)
    item = hierarchy.GetItemByDataNode(segmentationNode)
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy()
    if item and study and hierarchy.GetItemAncestorAtLevel(item, level) != study:
        hierarchy.SetItemParent(item, study)


def correctedWork(segmentationNode, volumeNode, voxels: dict[str, int]):
    """Look for segments that the user has changed since they were made.

    :param voxels: how many each segment had, by id.
    :return: the work, for a thread, which returns their ids.
    """
    layers = {i: segmentLayers(segmentationNode, volumeNode, {i: 1}) for i in voxels}
    geometry = scene.volumeGeometry(volumeNode)

    def work() -> list[str]:
        counts = {i: np.count_nonzero(placeLabels(layers[i], geometry)) for i in voxels}
        return [i for i, count in counts.items() if count != voxels[i]]

    return work


def markCorrected(segmentationNode, segmentIds) -> None:
    """Say of segments that a person had a hand in them, as the standard wants it to be said."""
    for segmentId in segmentIds:
        segmentationNode.GetSegmentation().GetSegment(segmentId).SetTag(scene.algorithmTypeTag, "SEMIAUTOMATIC")


def openDicomExport(segmentationNode) -> bool:
    """Slicer's dialog for the export, which waits for the user. Whether something was exported."""
    dialog = slicer.qSlicerDICOMExportDialog(None)
    dialog.setMRMLScene(slicer.mrmlScene)
    return bool(dialog.execDialog(_hierarchy().GetItemByDataNode(segmentationNode)))


def _hierarchy():
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def _study(volumeNode) -> int:
    """The item of the study that a volume belongs to; 0 for none."""
    hierarchy = _hierarchy()
    item = hierarchy.GetItemByDataNode(volumeNode) if hierarchy is not None else 0
    if not item:
        return 0
    return hierarchy.GetItemAncestorAtLevel(item, slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy())
