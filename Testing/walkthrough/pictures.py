"""Pictures of what the views of Slicer would show: plots and slices, drawn by VTK without a display."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import vtk
from scipy import ndimage
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy


def drawChart(chartNode, path: Path, size: tuple[int, int] = (640, 400)) -> None:
    """Draw a vtkMRMLPlotChartNode as the plot view does."""
    chart = vtk.vtkChartXY()
    chart.SetShowLegend(True)
    chart.SetTitle(chartNode.GetTitle())
    chart.GetAxis(vtk.vtkAxis.BOTTOM).SetTitle(chartNode.GetXAxisTitle())
    chart.GetAxis(vtk.vtkAxis.LEFT).SetTitle(chartNode.GetYAxisTitle())
    for number in range(chartNode.GetNumberOfPlotSeriesNodes()):
        series = chartNode.GetNthPlotSeriesNode(number)
        plot = chart.AddPlot(vtk.vtkChart.LINE)
        table = series.GetTableNode().GetTable()
        plot.SetInputData(table, series.GetXColumnName(), series.GetYColumnName())
        plot.SetColorF(*series.GetColor())
        plot.SetWidth(2)
        plot.SetLabel(series.GetName())
    view = vtk.vtkContextView()
    view.GetRenderer().SetBackground(1, 1, 1)
    view.GetScene().AddItem(chart)
    view.GetRenderWindow().SetOffScreenRendering(True)
    view.GetRenderWindow().SetSize(*size)
    view.GetRenderWindow().Render()
    grabber = vtk.vtkWindowToImageFilter()
    grabber.SetInput(view.GetRenderWindow())
    grabber.ReadFrontBufferOff()
    _write(grabber.GetOutputPort(), path)


def drawSlices(volumeNode, segmentationNodes: list, path: Path, slices: list[int], zoom: int = 3) -> None:
    """Draw slices side by side: filled segmentations as a tint, the others as an outline, in their colors."""
    import slicer

    array = slicer.util.arrayFromVolume(volumeNode)
    low, high = np.percentile(array, (0.5, 99.5))
    panels = []
    for k in slices:
        gray = np.clip((array[k] - low) / max(high - low, 1), 0, 1).astype(np.float32)
        gray = np.kron(gray, np.ones((zoom, zoom), np.float32))
        panel = np.repeat(gray[:, :, None], 3, axis=2)
        for node in sorted(segmentationNodes, key=lambda node: not node.GetDisplayNode().GetVisibility2DFill()):
            segmentation = node.GetSegmentation()
            for segmentId in segmentation.GetSegmentIDs():
                mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId, volumeNode)[k] > 0
                mask = np.kron(mask, np.ones((zoom, zoom), bool))
                color = np.array(segmentation.GetSegment(segmentId).GetColor(), np.float32)
                if node.GetDisplayNode().GetVisibility2DFill():
                    panel[mask] = 0.55 * panel[mask] + 0.45 * color
                else:
                    panel[mask ^ ndimage.binary_erosion(mask)] = color
        panels.append(panel)
    pixels = (255 * np.concatenate(panels, axis=1)).astype(np.uint8)[::-1]
    image = vtk.vtkImageData()
    image.SetDimensions(pixels.shape[1], pixels.shape[0], 1)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(pixels).reshape(-1, 3), deep=True))
    producer = vtk.vtkTrivialProducer()
    producer.SetOutput(image)
    _write(producer.GetOutputPort(), path)


def isBlank(path: Path) -> bool:
    """Whether a picture has one color alone."""
    reader = vtk.vtkPNGReader()
    reader.SetFileName(str(path))
    reader.Update()
    return bool(np.ptp(vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars())) == 0)


def _write(port, path: Path) -> None:
    writer = vtk.vtkPNGWriter()
    writer.SetInputConnection(port)
    writer.SetFileName(str(path))
    writer.Write()
