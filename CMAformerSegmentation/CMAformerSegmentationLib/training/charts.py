"""The curves of a training as MRML tables and plots: made once, then extended in place."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from .history import TrainingHistory

_colors = ((0.9, 0.3, 0.2), (0.2, 0.5, 0.9), (0.2, 0.7, 0.3), (0.8, 0.6, 0.1), (0.6, 0.3, 0.7), (0.3, 0.7, 0.7))


class TrainingChart:
    """Two charts of one training: the loss, and the Dice of each structure on the held-out cases.

    :param trainingId: stands in the nodes' attributes; nodes of an earlier chart of it are used again.
    :param structures: names, in the order of their values 1, 2, ...
    """

    def __init__(self, trainingId: str, name: str, structures: list[str]) -> None:
        self.trainingId, self.structures = trainingId, list(structures)
        self.lossChart = self._chart("loss", _("{name}: loss").format(name=name), _("loss"))
        self.diceChart = self._chart("dice", _("{name}: Dice on held-out cases").format(name=name), _("Dice"))
        self.lossTable = self._table("loss", [_("iteration"), _("loss")])
        self.diceTable = self._table("dice", [_("iteration"), *self.structures])
        self._series("loss", self.lossChart, self.lossTable, _("loss"), _colors[1])
        for number, structure in enumerate(self.structures):
            self._series(structure, self.diceChart, self.diceTable, structure, _colors[number % len(_colors)])

    def update(self, history: TrainingHistory) -> bool:
        """Bring the tables up to date; returns whether anything has changed.

        Rows are only added, unless a training was resumed from an earlier iteration.
        """
        looks = [
            [look["iteration"], *(_number(look["dice"].get(str(value))) for value in self._values())]
            for look in history.looks
        ]
        changed = [_fill(self.lossTable, [list(pair) for pair in history.losses]), _fill(self.diceTable, looks)]
        return any(changed)

    def show(self, dice: bool = True) -> bool:
        """Show a chart in the plot view; False where the layout has none."""
        layoutManager = slicer.app.layoutManager()
        if layoutManager is None:
            return False
        if not layoutManager.plotViewCount:
            layoutManager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView)
        chart = self.diceChart if dice else self.lossChart
        layoutManager.plotWidget(0).mrmlPlotViewNode().SetPlotChartNodeID(chart.GetID())
        return True

    @property
    def isGone(self) -> bool:
        """Whether its nodes have left the scene, with the scene or one by one."""
        nodes = (self.lossChart, self.diceChart, self.lossTable, self.diceTable)
        return not all(slicer.mrmlScene.IsNodePresent(node) for node in nodes)

    def _values(self) -> range:
        return range(1, len(self.structures) + 1)

    def _node(self, className: str, part: str, name: str):
        for node in slicer.util.getNodesByClass(className):
            if node.GetAttribute("CMAformer.Chart") == f"{self.trainingId}/{part}":
                return node, False
        node = slicer.mrmlScene.AddNewNodeByClass(className, name)
        node.SetAttribute("CMAformer.Chart", f"{self.trainingId}/{part}")
        node.SetSaveWithScene(False)  # the training's folder has it all
        return node, True

    def _chart(self, part: str, title: str, axis: str):
        node, isNew = self._node("vtkMRMLPlotChartNode", f"{part}-chart", title)
        if isNew:
            node.SetTitle(title)
            node.SetXAxisTitle(_("iteration"))
            node.SetYAxisTitle(axis)
        return node

    def _table(self, part: str, columns: list[str]):
        node, isNew = self._node("vtkMRMLTableNode", f"{part}-table", _("CMAformer training: {part}").format(part=part))
        if isNew:
            for column in columns:
                array = vtk.vtkDoubleArray()
                array.SetName(column)
                node.AddColumn(array)
        return node

    def _series(self, part: str, chart, table, column: str, color: tuple[float, float, float]) -> None:
        node, isNew = self._node("vtkMRMLPlotSeriesNode", f"{part}-series", column)
        if isNew:
            node.SetAndObserveTableNodeID(table.GetID())
            node.SetXColumnName(table.GetColumnName(0))
            node.SetYColumnName(column)
            node.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
            node.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
            node.SetColor(*color)
            chart.AddAndObservePlotSeriesNodeID(node.GetID())


def _fill(tableNode, rows: list[list[float]]) -> bool:
    table = tableNode.GetTable()
    count = table.GetNumberOfRows()
    shorter = count > len(rows)
    same = not shorter and (count == 0 or table.GetValue(count - 1, 0).ToDouble() == rows[count - 1][0])
    if same and count == len(rows):
        return False
    first = count if same else 0
    if not same:
        table.SetNumberOfRows(0)
    for row in rows[first:]:
        index = table.InsertNextBlankRow()
        for column, value in enumerate(row):
            table.SetValue(index, column, vtk.vtkVariant(float(value)))
    table.Modified()
    tableNode.Modified()
    return True


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else np.nan
