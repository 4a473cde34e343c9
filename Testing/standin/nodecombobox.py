"""qMRMLNodeComboBox on the real scene, declared as in Slicer's header (Libs/MRML/Widgets/qMRMLNodeComboBox.h)."""

from __future__ import annotations

import slicer
import vtk
from PySide6.QtCore import Property, Signal, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QWidget

from .declare import stored
from .interception import answered
from .mrmlwidgets import SCENE
from .observing import observe


class qMRMLNodeComboBox(QWidget):
    """A combo box of the scene's nodes of some types; disabled until it has a scene, as in Slicer."""

    SIGNATURES = {
        **SCENE,
        "currentNodeChanged(PyObject)": "currentNodeChanged(vtkMRMLNode*)",
        "nodeActivated(PyObject)": "nodeActivated(vtkMRMLNode*)",
        "nodeAdded(PyObject)": "nodeAdded(vtkMRMLNode*)",
        "nodeAddedByUser(PyObject)": "nodeAddedByUser(vtkMRMLNode*)",
        "nodeAddedByUserAction(PyObject)": "nodeAddedByUserAction(vtkMRMLNode*)",
        "nodeAboutToBeRemoved(PyObject)": "nodeAboutToBeRemoved(vtkMRMLNode*)",
        "nodeAboutToBeEdited(PyObject)": "nodeAboutToBeEdited(vtkMRMLNode*)",
        "setCurrentNode(PyObject)": "setCurrentNode(vtkMRMLNode*)",
    }
    currentNodeChanged = Signal((object,), (bool,))
    currentNodeIDChanged = Signal(str)
    nodeActivated = Signal(object)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeAddedByUserAction = Signal(object)
    nodeAboutToBeRemoved = Signal(object)
    nodeAboutToBeEdited = Signal(object)
    currentNodeRenamed = Signal(str)

    nodeTypes = stored("nodeTypes", "QStringList", [], "_refresh")
    showHidden = stored("showHidden", bool, False, "_refresh")
    showChildNodeTypes = stored("showChildNodeTypes", bool, True, "_refresh")
    hideChildNodeTypes = stored("hideChildNodeTypes", "QStringList", [], "_refresh")
    baseName = stored("baseName", str, "")
    noneEnabled = stored("noneEnabled", bool, False, "_refresh")
    noneDisplay = stored("noneDisplay", str, "None", "_refresh")
    addEnabled = stored("addEnabled", bool, True, "_refresh")
    removeEnabled = stored("removeEnabled", bool, True, "_refresh")
    editEnabled = stored("editEnabled", bool, False, "_refresh")
    renameEnabled = stored("renameEnabled", bool, False, "_refresh")
    interactionNodeSingletonTag = stored("interactionNodeSingletonTag", str, "Singleton")
    selectNodeUponCreation = stored("selectNodeUponCreation", bool, True)
    sizeAdjustPolicy = stored("sizeAdjustPolicy", int, 0)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._combo = QComboBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._scene = None
        self._tags: list = []
        self._current = None
        self._announced = None
        self._requested = None
        self._rows: list = []
        self._attributes: dict = {}
        self._labels: dict = {}
        self._nameTag = None
        self._combo.activated.connect(self._activated)
        self.setEnabled(False)

    def _value(self, name: str):
        return self.property(name)

    def _shown(self, node) -> bool:
        kinds = self._value("nodeTypes")
        if node.GetHideFromEditors() and not self._value("showHidden"):
            return False
        exact = node.GetClassName() in kinds
        if not exact and not (self._value("showChildNodeTypes") and any(node.IsA(kind) for kind in kinds)):
            return False
        if not exact and any(node.IsA(kind) for kind in self._value("hideChildNodeTypes")):
            return False
        for (kind, name), wanted in self._attributes.items():
            value = node.GetAttribute(name)
            if node.IsA(kind) and (value is None or (wanted is not None and value != str(wanted))):
                return False
        return True

    def _refresh(self) -> None:
        """Rebuild the list; keep the current node or choose one as Slicer does; announce a change."""
        if self._scene is None or self._scene.IsBatchProcessing():
            return
        previousRow = next((row for row, node in enumerate(self._rows) if node is self._current), 0)
        nodes = [self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes())]
        self._rows = ([None] if self._value("noneEnabled") else []) + [node for node in nodes if self._shown(node)]
        if self._current not in self._rows:
            # What QComboBox does when the current row goes away: the row that moved to its place, or the last one.
            self._current = self._rows[min(previousRow, len(self._rows) - 1)] if self._rows else None
        self._combo.clear()
        for node in self._rows:
            self._combo.addItem(self._value("noneDisplay") if node is None else node.GetName() or "")
        self._addActions()
        self._combo.setCurrentIndex(self._rows.index(self._current) if self._current in self._rows else -1)
        self._combo.setPlaceholderText(f"Select a {self.nodeTypeLabel((list(self._value('nodeTypes')) or [''])[0])}")
        self._announce()

    def _addActions(self) -> None:
        kinds = list(self._value("nodeTypes"))
        label = self.nodeTypeLabel(kinds[0]) if len(kinds) == 1 else "node"
        if self._value("renameEnabled"):
            self._combo.addItem(f"Rename current {label}", ("rename", None))
        if self._value("addEnabled"):
            for kind in kinds:
                self._combo.addItem(f"Create new {self.nodeTypeLabel(kind)}", ("create", kind))
        if self._value("removeEnabled"):
            self._combo.addItem(f"Delete current {label}", ("delete", None))

    def _announce(self) -> None:
        if self._current is self._announced:
            return
        if self._nameTag is not None:
            self._announced.RemoveObserver(self._nameTag)
            self._nameTag = None
        self._announced = self._current
        if self._current is not None:
            self._nameTag = observe(self, self._current, vtk.vtkCommand.ModifiedEvent, "_nodeModified")
        self.currentNodeChanged[object].emit(self._current)
        self.currentNodeChanged[bool].emit(self._current is not None)
        self.currentNodeIDChanged.emit(self._current.GetID() if self._current is not None else "")

    def _nodeModified(self) -> None:
        node = self._current
        index = self._rows.index(node) if node in self._rows else -1
        if index < 0 or not self._shown(node):
            self._refresh()
        elif self._combo.itemText(index) != node.GetName():
            self._combo.setItemText(index, node.GetName())
            self.currentNodeRenamed.emit(node.GetName())

    def _activated(self, index: int) -> None:
        data = self._combo.itemData(index)
        if data is None:
            self._select(self._rows[index])
            self.nodeActivated.emit(self._current)
            return
        self._combo.setCurrentIndex(self._rows.index(self._current) if self._current in self._rows else -1)
        action, kind = data
        if action == "create":
            self.nodeAddedByUserAction.emit(self.addNode(kind))
        elif action == "delete":
            self.removeCurrentNode()
        else:
            self.renameCurrentNode()

    def _select(self, node) -> None:
        self._current = node if node in self._rows else None
        if self._current is None and self._rows and self._rows[0] is not None and node is not None:
            self._current = self._rows[0]
        self._combo.setCurrentIndex(self._rows.index(self._current) if self._current in self._rows else -1)
        self._announce()

    def _nodeAdded(self, node) -> None:
        if self._shown(node):
            self._refresh()
            self.nodeAdded.emit(node)

    def _nodeAboutToBeRemoved(self, node) -> None:
        if node in self._rows:
            self.nodeAboutToBeRemoved.emit(node)

    @Slot(object)
    def setMRMLScene(self, scene) -> None:
        if scene is self._scene:
            return
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._tags, self._scene = [], scene
        self.setEnabled(scene is not None)
        if scene is None:
            self._rows, self._current = [], None
            self._combo.clear()
            self._announce()
            return
        kind = slicer.vtkMRMLScene
        self._tags = [
            observe(self, scene, kind.NodeAddedEvent, "_nodeAdded", withNode=True),
            observe(self, scene, kind.NodeAboutToBeRemovedEvent, "_nodeAboutToBeRemoved", withNode=True),
            observe(self, scene, kind.NodeRemovedEvent, "_refresh"),
            observe(self, scene, kind.EndBatchProcessEvent, "_refresh"),
        ]
        self._refresh()
        if self._requested is not None:
            self._select(self._requested)
            self._requested = None

    @Slot(result=object)
    def mrmlScene(self):
        return self._scene

    @Slot(result=object)
    def currentNode(self):
        return self._current

    @Slot(object)
    def setCurrentNode(self, node) -> None:
        if isinstance(node, str):  # the deprecated overload
            self.setCurrentNodeID(node)
            return
        if node is not None and not node.IsA("vtkMRMLNode"):
            raise TypeError(f"setCurrentNode needs a node, not {node}")
        if self._scene is None:
            self._requested = node
            return
        self._select(node)

    @Slot(str)
    def setCurrentNodeID(self, nodeID: str) -> None:
        if self._scene is not None:
            self._select(self._scene.GetNodeByID(nodeID) if nodeID else None)

    @Slot(int)
    def setCurrentNodeIndex(self, index: int) -> None:
        self._select(self.nodeFromIndex(index))

    currentNodeID = Property(str, lambda self: self._current.GetID() if self._current else "", setCurrentNodeID)

    @Slot(result=int)
    def nodeCount(self) -> int:
        return len([node for node in self._rows if node is not None])

    @Slot(int, result=object)
    def nodeFromIndex(self, index: int):
        nodes = [node for node in self._rows if node is not None]
        return nodes[index] if 0 <= index < len(nodes) else None

    @Slot(str, str)
    @Slot(str, str, object)
    def addAttribute(self, nodeType: str, name: str, value=None) -> None:
        self._attributes[nodeType, name] = value
        self._refresh()

    @Slot(str, str)
    def removeAttribute(self, nodeType: str, name: str) -> None:
        self._attributes.pop((nodeType, name), None)
        self._refresh()

    @Slot(str, str)
    def setNodeTypeLabel(self, label: str, nodeType: str) -> None:
        self._labels[nodeType] = label
        self._refresh()

    @Slot(str, result=str)
    def nodeTypeLabel(self, nodeType: str) -> str:
        return self._labels.get(nodeType) or (
            slicer.mrmlScene.GetTypeDisplayNameByClassName(nodeType) if nodeType else "node"
        )

    @Slot(result=object)
    @Slot(str, result=object)
    def addNode(self, nodeType: str = ""):
        kinds = list(self._value("nodeTypes"))
        kind = nodeType or kinds[0]
        if kind not in kinds:
            return None
        base = self._value("baseName") or self.nodeTypeLabel(kind)
        node = self._scene.AddNewNodeByClass(kind, self._scene.GenerateUniqueName(base))
        for (attributeKind, name), value in self._attributes.items():
            if node.IsA(attributeKind):
                node.SetAttribute(name, "" if value is None else str(value))
        if self._value("selectNodeUponCreation"):
            self._select(node)
        self.nodeAddedByUser.emit(node)
        return node

    @Slot()
    def removeCurrentNode(self) -> None:
        if self._current is not None:
            self._scene.RemoveNode(self._current)

    @Slot()
    def editCurrentNode(self) -> None:
        self.nodeAboutToBeEdited.emit(self._current)

    @Slot()
    def renameCurrentNode(self) -> None:
        name = answered("QInputDialog", (self,))
        if name and self._current is not None:
            self._current.SetName(name)
