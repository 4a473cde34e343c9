"""``slicer.app.coreIOManager()``: reading and writing nodes with the real module logics and storage nodes."""

from __future__ import annotations

import os

import slicer
import vtk
from PySide6.QtCore import QObject, Slot

_VOLUME = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd", ".dcm", ".img", ".hdr")
_READERS = {
    "SegmentationFile": (".seg.nrrd", ".seg.nhdr", ".seg.vtm"),
    "VolumeFile": _VOLUME,
    "ModelFile": (".vtk", ".vtp", ".stl", ".obj", ".ply"),
    "TransformFile": (".h5", ".tfm"),
    "TableFile": (".tsv", ".csv"),
    "TextFile": (".txt",),
}
_NODE_CLASSES = {
    "TransformFile": "vtkMRMLLinearTransformNode",
    "TableFile": "vtkMRMLTableNode",
    "TextFile": "vtkMRMLTextNode",
    "ModelFile": "vtkMRMLModelNode",
}


def _loadVolume(fileName: str, properties: dict, messages):
    logic = slicer.app.moduleLogic("Volumes")
    options = sum(
        bit
        for bit, name in (
            (1, "labelmap"),
            (2, "center"),
            (4, "singleFile"),
            (8, "autoWindowLevel"),
            (16, "discardOrientation"),
        )
        if properties.get(name)
    )
    name = properties.get("name") or os.path.basename(fileName).split(".")[0]
    files = None
    if "fileNames" in properties:
        files = vtk.vtkStringArray()
        for item in properties["fileNames"]:
            files.InsertNextValue(str(item))
    node = logic.AddArchetypeVolume(fileName, name, options, files, messages)
    if node is not None and properties.get("show", True):
        selection = slicer.app.applicationLogic().GetSelectionNode()
        if node.IsA("vtkMRMLLabelMapVolumeNode"):
            selection.SetActiveLabelVolumeID(node.GetID())
        else:
            selection.SetActiveVolumeID(node.GetID())
        slicer.app.applicationLogic().PropagateVolumeSelection()
    return node


def _loadSegmentation(fileName: str, properties: dict, messages):
    logic = slicer.app.moduleLogic("Segmentations")
    return logic.LoadSegmentationFromFile(
        fileName, properties.get("autoOpacities", True), properties.get("name"), None, messages
    )


def _loadByStorage(kind: str, fileName: str, properties: dict, messages):
    """Load with the default storage node of the node class, as the small readers of Slicer do."""
    name = properties.get("name") or os.path.basename(fileName).split(".")[0]
    node = slicer.mrmlScene.AddNewNodeByClass(_NODE_CLASSES[kind], slicer.mrmlScene.GenerateUniqueName(name))
    storage = node.CreateDefaultStorageNode()
    slicer.mrmlScene.AddNode(storage)
    storage.UnRegister(None)
    storage.SetFileName(fileName)
    node.SetAndObserveStorageNodeID(storage.GetID())
    if not storage.ReadData(node):
        messages.AddMessages(storage.GetUserMessages())
        slicer.mrmlScene.RemoveNode(node)
        slicer.mrmlScene.RemoveNode(storage)
        return None
    if hasattr(node, "CreateDefaultDisplayNodes"):
        node.CreateDefaultDisplayNodes()
    return node


class qSlicerCoreIOManager(QObject):
    """Reads and writes the node types that the module handles; any other file type raises."""

    @Slot(str, result=str)
    def fileType(self, fileName: str) -> str:
        lower = fileName.lower()
        for kind, extensions in _READERS.items():
            if lower.endswith(extensions):
                return kind
        return "NoFile"

    @Slot(str, object, object, object, result=bool)
    def loadNodes(self, kind: str, properties: dict, collection, messages) -> bool:
        fileName = properties["fileName"]
        if not os.path.exists(fileName):
            return False
        if kind == "VolumeFile":
            node = _loadVolume(fileName, properties, messages)
        elif kind == "SegmentationFile":
            node = _loadSegmentation(fileName, properties, messages)
        elif kind in _NODE_CLASSES:
            node = _loadByStorage(kind, fileName, properties, messages)
        else:
            raise NotImplementedError(f"the stand-in does not read files of type {kind}")
        if node is None:
            return False
        collection.AddItem(node)
        return True

    @Slot(object, result=str)
    def fileWriterFileType(self, node) -> str:
        for className, kind in (
            ("vtkMRMLSegmentationNode", "SegmentationFile"),
            ("vtkMRMLVolumeNode", "VolumeFile"),
            *((name, kind) for kind, name in _NODE_CLASSES.items()),
        ):
            if node.IsA(className):
                return kind
        return "NoFile"

    @Slot(str, object, object, result=bool)
    def saveNodes(self, kind: str, properties: dict, messages) -> bool:
        if kind not in _READERS:
            raise NotImplementedError(f"the stand-in does not write files of type {kind}")
        node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
        node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        storage.SetFileName(str(properties["fileName"]))
        if "useCompression" in properties:
            storage.SetUseCompression(int(properties["useCompression"]))
        written = bool(storage.WriteData(node))
        messages.AddMessages(storage.GetUserMessages())
        return written
