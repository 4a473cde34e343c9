"""Cardiac function of a sequence of segmentations, or of two frames: tables, and a chart of the volumes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from cmaformer.door import cardiac_function as engine
from cmaformer.door.errors import EngineError

from ..refusal import Refusal
from ..scene import nodes as scene

_colors = {engine.LEFT: (0.84, 0.2, 0.18), engine.RIGHT: (0.25, 0.47, 0.86), engine.MYOCARDIUM: (0.92, 0.71, 0.31)}


class CardiacFunctionResult:
    """What was measured, and the nodes that show it.

    :ivar function: see `cmaformer.door.cardiac_function.CardiacFunction`.
    :ivar volumes: for each phase, ml of each structure by its name.
    :ivar curveTable: phase by phase. :ivar table: the measurements. :ivar chart: of the volumes over the cycle.
    """

    def __init__(self, name: str, function: engine.CardiacFunction, volumes: list[dict[str, float]]) -> None:
        self.function, self.volumes = function, volumes
        structures = list(volumes[0])
        self.curveTable = _node("vtkMRMLTableNode", _("{name}: volumes").format(name=name))
        _fillCurve(self.curveTable, structures, volumes)
        self.table = _node("vtkMRMLTableNode", _("{name}: cardiac function").format(name=name))
        _fillMeasurements(self.table, function)
        self.chart = _node("vtkMRMLPlotChartNode", _("{name}: volumes over the cycle").format(name=name))
        self.chart.RemoveAllPlotSeriesNodeIDs()
        self.chart.SetTitle(_("Volumes over the cycle"))
        self.chart.SetXAxisTitle(_("phase"))
        self.chart.SetYAxisTitle("ml")
        for structure in structures:
            series = _node("vtkMRMLPlotSeriesNode", f"{name}: {structure}")
            series.SetAndObserveTableNodeID(self.curveTable.GetID())
            series.SetXColumnName(_("phase"))
            series.SetYColumnName(structure)
            series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
            series.SetColor(*_colors.get(structure.casefold(), (0.5, 0.5, 0.5)))
            self.chart.AddAndObservePlotSeriesNodeID(series.GetID())

    def show(self) -> bool:
        """Show the chart in the plot view; False where the layout has none."""
        layoutManager = slicer.app.layoutManager()
        if layoutManager is None:
            return False
        if not layoutManager.plotViewCount:
            layoutManager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView)
        layoutManager.plotWidget(0).mrmlPlotViewNode().SetPlotChartNodeID(self.chart.GetID())
        return True

    def text(self) -> str:
        """The most important numbers in a line."""
        left, right = self.function.left, self.function.right
        words = [
            _("End-diastole: phase {ed}; end-systole: phase {es}.").format(
                ed=self.function.end_diastole, es=self.function.end_systole
            ),
            _("Left ventricle: EDV {edv} ml, ESV {esv} ml, EF {ef} %.").format(**_shown(left)),
        ]
        if right is not None:
            words.append(_("Right ventricle: EDV {edv} ml, ESV {esv} ml, EF {ef} %.").format(**_shown(right)))
        if self.function.mass_g is not None:
            words.append(_("Myocardium: {mass} g.").format(mass=f"{self.function.mass_g:.0f}"))
        return " ".join(words)


def cardiacFunction(
    segmentations: Any,
    endDiastole: int | None = None,
    endSystole: int | None = None,
    body: tuple[float, float] | None = None,
) -> CardiacFunctionResult:
    """Measure a sequence of segmentations, or segmentation nodes in the order of time, as they are now.

    :param endDiastole, endSystole: phases from 1, where the user knows better than the largest and the smallest.
    :param body: height in cm and weight in kg, for indexed values.
    :raises ValueError: in words, when there is no cardiac function to measure.
    """
    isSequence = hasattr(segmentations, "GetNumberOfDataNodes")
    phases = list(_dataNodes(segmentations) if isSequence else segmentations)
    volumes = [segmentVolumes(node) for node in phases]
    try:
        found = engine.cardiac_function(volumes, endDiastole, endSystole, body)
    except EngineError as error:
        text = str(error)
        raise Refusal(lambda: text) from None
    name = segmentations.GetName() if isSequence else phases[0].GetName()
    return CardiacFunctionResult(name, found, volumes)


def segmentVolumes(segmentationNode) -> dict[str, float]:
    """ml of each segment, by its name; a segment without a label map has none."""
    if segmentationNode is None or not segmentationNode.IsA("vtkMRMLSegmentationNode"):
        raise Refusal(lambda: _("A frame has no segmentation."))
    segmentation, volumes = segmentationNode.GetSegmentation(), {}
    for segmentId in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segmentId)
        image = segment.GetRepresentation(scene.binaryLabelmap)
        scalars = image.GetPointData().GetScalars() if image is not None else None
        count = int(np.count_nonzero(vtk_to_numpy(scalars) == segment.GetLabelValue())) if scalars is not None else 0
        ml = float(np.prod(image.GetSpacing())) / 1000 if image is not None else 0.0
        volumes[segment.GetName()] = count * ml
    return volumes


def _dataNodes(sequenceNode) -> Iterable[Any]:
    return (sequenceNode.GetNthDataNode(number) for number in range(sequenceNode.GetNumberOfDataNodes()))


def _node(className: str, name: str):
    """The node of that name that this made before, so that measuring again changes it, or a new one."""
    for node in slicer.util.getNodesByClass(className):
        if node.GetName() == name and node.GetAttribute("CMAformer.CardiacFunction"):
            return node
    node = slicer.mrmlScene.AddNewNodeByClass(className, name)
    node.SetAttribute("CMAformer.CardiacFunction", "1")
    return node


def _fillCurve(tableNode, structures: list[str], volumes: list[dict[str, float]]) -> None:
    columns: dict[str, list[Any]] = {_("phase"): list(range(1, len(volumes) + 1))}
    columns.update({name: [phase.get(name, 0.0) for phase in volumes] for name in structures})
    _setColumns(tableNode, columns, vtk.vtkDoubleArray)


def _fillMeasurements(tableNode, function: engine.CardiacFunction) -> None:
    rows = engine.rows(function)
    shown = ["" if value is None else f"{value:.1f}".removesuffix(".0") for _name, value, _unit in rows]
    columns: dict[str, list[Any]] = {
        _("Measurement"): [name for name, _value, _unit in rows],
        _("Value"): shown,
        _("Unit"): [unit for _name, _value, unit in rows],
    }
    _setColumns(tableNode, columns, vtk.vtkStringArray)


def _setColumns(tableNode, columns: dict[str, list[Any]], makeArray: Any) -> None:
    tableNode.RemoveAllColumns()
    for name, values in columns.items():
        array = makeArray()
        array.SetName(name)
        for value in values:
            array.InsertNextValue(value)
        tableNode.AddColumn(array)


def _shown(ventricle: engine.Ventricle) -> dict[str, str]:
    fraction = ventricle.ejection_fraction
    return {
        "edv": f"{ventricle.edv_ml:.0f}",
        "esv": f"{ventricle.esv_ml:.0f}",
        "ef": "?" if fraction is None else f"{fraction:.0f}",
    }
