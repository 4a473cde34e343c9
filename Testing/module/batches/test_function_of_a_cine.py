"""Cardiac function of a beating heart in the scene: numbers, tables, chart, and what follows a correction."""

from __future__ import annotations

import numpy as np
import pytest

RADII = (12, 10, 7, 9)


def beating(slicer) -> list:
    """Segmentations of a heart, one a phase, made of label maps."""
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    nodes = []
    rows, columns = np.mgrid[:64, :64] - 32
    for number, radius in enumerate(RADII):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"phase {number}")
        distance = np.hypot(rows, columns)
        masks = {"left ventricle": distance < radius, "myocardium": (distance >= radius) & (distance < radius + 4)}
        for name, mask in masks.items():
            image = slicer.vtkOrientedImageData()
            image.SetDimensions(64, 64, 3)
            image.SetSpacing(1.0, 1.0, 10.0)
            voxels = np.stack([mask] * 3).astype(np.uint8).ravel()
            scalars = numpy_to_vtk(voxels, deep=True, array_type=vtk.VTK_UNSIGNED_CHAR)
            image.GetPointData().SetScalars(scalars)
            segment = slicer.vtkSegment()
            segment.SetName(name)
            segment.AddRepresentation("Binary labelmap", image)
            segment.SetLabelValue(1)
            node.GetSegmentation().AddSegment(segment, name)
        nodes.append(node)
    return nodes


@pytest.fixture
def logic(slicerScene):
    from CMAformerSegmentation import CMAformerSegmentationLogic

    logic = CMAformerSegmentationLogic()
    yield logic
    logic.cleanup()


def column(tableNode, number: int) -> list[str]:
    table = tableNode.GetTable()
    return [table.GetValue(row, number).ToString() for row in range(table.GetNumberOfRows())]


def test_frames_give_numbers_tables_and_a_chart(logic):
    import slicer

    found = logic.cardiacFunction(beating(slicer), body=(180.0, 80.0))
    assert (found.function.end_diastole, found.function.end_systole) == (1, 3)
    assert found.function.left.ejection_fraction == pytest.approx(100 * (1 - (7 / 12) ** 2), abs=3)
    assert "EF 6" in found.text() and "Right" not in found.text()
    assert "left ventricle ejection fraction" in column(found.table, 0) and "m2" in column(found.table, 2)
    assert len(column(found.curveTable, 0)) == 4
    assert found.chart.GetNumberOfPlotSeriesNodes() == 2


def test_it_follows_a_correction_in_the_same_nodes(logic):
    import slicer
    from vtk.util.numpy_support import vtk_to_numpy

    nodes = beating(slicer)
    first = logic.cardiacFunction(nodes)
    image = nodes[2].GetSegmentation().GetSegment("left ventricle").GetRepresentation("Binary labelmap")
    vtk_to_numpy(image.GetPointData().GetScalars())[::2] = 0
    second = logic.cardiacFunction(nodes)
    assert second.table is first.table and second.chart is first.chart
    assert second.function.left.esv_ml == pytest.approx(first.function.left.esv_ml / 2, rel=0.05)
    assert len([n for n in slicer.util.getNodesByClass("vtkMRMLTableNode") if "phase 0" in n.GetName()]) == 2


def test_what_is_no_heart_is_refused_in_words(logic):
    import slicer

    nodes = beating(slicer)
    for node in nodes:
        node.GetSegmentation().GetSegment("left ventricle").SetName("liver")
    with pytest.raises(ValueError, match="No left ventricle"):
        logic.cardiacFunction(nodes)
    with pytest.raises(ValueError, match="two phases"):
        logic.cardiacFunction(nodes[:1])


def test_models_say_what_can_be_measured(slicerApp):
    from pathlib import Path

    from CMAformerSegmentationLib.models.catalog import findModels

    catalog = findModels([Path(__file__).resolve().parents[3] / "Resources" / "Models"])
    assert catalog.find("cardiac-cine-mr").measurements == ("cardiac-function",)
    assert catalog.find("abdomen-ct").measurements == ()


def test_the_panel_measures_a_segmented_sequence_at_the_press_of_a_button(panel, picture, monkeypatch):
    """The button is there for a sequence by a model of the heart, and for nothing else."""
    from dataclasses import replace
    from types import SimpleNamespace

    import slicer

    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "cine segmentation")
    for number, node in enumerate(beating(slicer)):
        sequence.SetDataNodeAtValue(node, str(number))
        slicer.mrmlScene.RemoveNode(node)
    batches, ui = panel.batchPanel, panel.ui
    panel.parent.show()
    ui.batchGroupBox.collapsed = False
    batches.update()
    assert not ui.functionButton.visible
    ended = {"ended": True, "isGone": False, "items": [], "part": 1.0, "status": lambda: "4 done."}
    monkeypatch.setattr(batches, "batch", SimpleNamespace(sequenceNode=sequence, **ended))
    batches.update()
    assert not ui.functionButton.visible  # the tests' model offers nothing
    model = replace(batches.hub.choices.model, measurements=("cardiac-function",))
    monkeypatch.setattr(batches.hub, "choices", replace(batches.hub.choices, model=model))
    monkeypatch.setattr(batches, "_problem", lambda: "")
    monkeypatch.setattr(batches, "_letGo", lambda: None)
    batches.update()
    assert ui.functionButton.visible
    ui.functionButton.click()
    assert "Left ventricle: EDV" in ui.batchStatusLabel.text and "phase 3" in ui.batchStatusLabel.text
    picture(panel, "cardiac-function")
    monkeypatch.undo()
    batches._change("scene")
    ui.batchGroupBox.collapsed = True
