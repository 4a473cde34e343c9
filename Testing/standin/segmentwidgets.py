"""Segmentation widgets, declared as in Slicer's headers (Modules/Loadable/Segmentations/Widgets)."""

from __future__ import annotations

import slicer
import vtk
from PySide6.QtCore import Property, QItemSelection, Qt, Signal, Slot
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout

from .ctkbuttons import ctkMenuButton
from .declare import stored
from .mrmlwidgets import SCENE, qMRMLWidget
from .observing import observe

_CLOSED_SURFACE = "Closed surface"


def _segmentation(node):
    if node is not None and not node.IsA("vtkMRMLSegmentationNode"):
        return None
    return node


class _Follows:
    """Calls ``_update`` whenever the followed segmentation node changes."""

    _node = None
    _tags: tuple = ()

    def _follow(self, node) -> None:
        if node is self._node:
            return
        for tag in self._tags:
            self._node.RemoveObserver(tag)
        self._node, self._tags = node, ()
        if node is not None:
            kind = slicer.vtkSegmentation
            events = (
                vtk.vtkCommand.ModifiedEvent,
                kind.SegmentAdded,
                kind.SegmentRemoved,
                kind.SegmentModified,
                kind.ContainedRepresentationNamesModified,
            )
            self._tags = tuple(observe(self, node, event, "_update") for event in events)
        self._update()


class qMRMLSegmentsTableView(_Follows, qMRMLWidget):
    """The table of segments: name and color of each."""

    SIGNATURES = {**SCENE, "setSegmentationNode(PyObject)": "setSegmentationNode(vtkMRMLNode*)"}
    selectionChanged = Signal(QItemSelection, QItemSelection)
    segmentAboutToBeModified = Signal(str)

    headerVisible = stored("headerVisible", bool, True, "_update")
    visibilityColumnVisible = stored("visibilityColumnVisible", bool, True, "_update")
    colorColumnVisible = stored("colorColumnVisible", bool, True, "_update")
    opacityColumnVisible = stored("opacityColumnVisible", bool, True, "_update")
    statusColumnVisible = stored("statusColumnVisible", bool, False, "_update")
    layerColumnVisible = stored("layerColumnVisible", bool, False, "_update")
    readOnly = stored("readOnly", bool, False)
    filterBarVisible = stored("filterBarVisible", bool, False)
    textFilter = stored("textFilter", str, "", "_update")
    jumpToSelectedSegmentEnabled = stored("jumpToSelectedSegmentEnabled", bool, False)
    useTerminologySelector = stored("useTerminologySelector", bool, True)
    useTerminologySelectorSettingsKey = stored(
        "useTerminologySelectorSettingsKey", str, "Segmentations/UseTerminologySelector"
    )
    terminologySelectorOptionVisible = stored("terminologySelectorOptionVisible", bool, False)
    terminologySelectorAutoDisable = stored("terminologySelectorAutoDisable", bool, True)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._table = QTableWidget(0, 4, self)
        self._table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._table.verticalHeader().hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._table)
        self._table.selectionModel().selectionChanged.connect(self.selectionChanged)
        self._update()

    def _ids(self) -> list[str]:
        if self._node is None:
            return []
        segmentation, text = self._node.GetSegmentation(), self.property("textFilter").lower()
        ids = [segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())]
        return [item for item in ids if text in segmentation.GetSegment(item).GetName().lower()]

    def _update(self) -> None:
        self._table.setHorizontalHeaderLabels(["", "", "Opacity", "Name"])
        self._table.horizontalHeader().setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
        self._table.horizontalHeader().setVisible(self.property("headerVisible"))
        columns = ("visibilityColumnVisible", "colorColumnVisible", "opacityColumnVisible")
        for column, name in enumerate(columns):
            self._table.setColumnHidden(column, not self.property(name))
            self._table.setColumnWidth(column, 60 if column == 2 else 28)
        ids = self._ids()
        self._table.setRowCount(len(ids))
        for row, segmentID in enumerate(ids):
            segment = self._node.GetSegmentation().GetSegment(segmentID)
            swatch = QPixmap(14, 14)
            swatch.fill(QColor.fromRgbF(*segment.GetColor()))
            name = QTableWidgetItem(segment.GetName())
            name.setData(Qt.ItemDataRole.UserRole, segmentID)
            visible = QTableWidgetItem("\N{BULLET}")
            for column, item in enumerate(
                (visible, QTableWidgetItem(QIcon(swatch), ""), QTableWidgetItem("1.00"), name)
            ):
                self._table.setItem(row, column, item)

    @Slot(object)
    def setSegmentationNode(self, node) -> None:
        self._follow(_segmentation(node))

    @Slot(result=object)
    def segmentationNode(self):
        return self._node

    @Slot(result="QStringList")
    def selectedSegmentIDs(self):
        rows = sorted({index.row() for index in self._table.selectedIndexes()})
        return [self.segmentIDForRow(row) for row in rows]

    @Slot("QStringList")
    def setSelectedSegmentIDs(self, ids) -> None:
        self._table.clearSelection()
        for row, segmentID in enumerate(self._ids()):
            if segmentID in ids:
                for column in range(4):
                    self._table.item(row, column).setSelected(True)

    @Slot()
    def clearSelection(self) -> None:
        self._table.clearSelection()

    @Slot(result="QStringList")
    def displayedSegmentIDs(self):
        return self._ids()

    @Slot(str, result=int)
    def rowForSegmentID(self, segmentID: str) -> int:
        ids = self._ids()
        return ids.index(segmentID) if segmentID in ids else -1

    @Slot(int, result=str)
    def segmentIDForRow(self, row: int) -> str:
        ids = self._ids()
        return ids[row] if 0 <= row < len(ids) else ""

    @Slot(int)
    def setSelectionMode(self, mode: int) -> None:
        self._table.setSelectionMode(QAbstractItemView.SelectionMode(mode))

    segmentCount = Property(int, lambda self: len(self._ids()))
    selectionMode = Property(int, lambda self: self._table.selectionMode().value, setSelectionMode)


class qMRMLSegmentationShow3DButton(_Follows, ctkMenuButton):
    """Makes or removes the closed surfaces of a segmentation."""

    SIGNATURES = {"setSegmentationNode(PyObject)": "setSegmentationNode(vtkMRMLSegmentationNode*)"}

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setText("Show 3D")
        self.setCheckable(True)
        self.setEnabled(False)
        self._isLocked = False
        self.toggled.connect(self._show)

    def _update(self) -> None:
        segmentation = self._node.GetSegmentation() if self._node is not None else None
        if segmentation is None:
            self.setEnabled(False)
            return
        self.setEnabled(
            not self._isLocked
            and segmentation.GetNumberOfSegments() > 0
            and segmentation.GetSourceRepresentationName() != _CLOSED_SURFACE
        )
        wasBlocked = self.blockSignals(True)
        self.setChecked(segmentation.ContainsRepresentation(_CLOSED_SURFACE))
        self.blockSignals(wasBlocked)

    def _show(self, shown: bool) -> None:
        if self._node is None:
            return
        if shown:
            self._node.CreateClosedSurfaceRepresentation()
        else:
            self._node.RemoveClosedSurfaceRepresentation()

    @Slot(object)
    def setSegmentationNode(self, node) -> None:
        self._follow(_segmentation(node))

    @Slot(result=object)
    def segmentationNode(self):
        return self._node

    @Slot(bool)
    def setLocked(self, locked: bool) -> None:
        self._isLocked = locked
        self._update()

    locked = Property(bool, lambda self: self._isLocked, setLocked)
