"""Where the model is unsure: the panel steps through the worst slices and shows a volume of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from panels import apply, finishJob, ijkToRas, status, volume

import standin

UNSURE = {
    "expected_dice": {"right ventricle": 0.71, "myocardium": 0.9, "left ventricle": None},
    "mean_expected_dice": 0.8,
    "slice_axis": "k",
    "worst_slices": [3, 1],
}


@pytest.fixture
def result(panel, fakeEngine):
    panel._parameterNode.inputVolume = volume()
    apply(panel, fakeEngine)
    fakeEngine.unsure = UNSURE
    finishJob(panel, fakeEngine)
    return panel._parameterNode.outputSegmentation


def view(volumeNode):
    """A slice view parallel to the slices of a volume."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode")
    node.RotateToVolumePlane(volumeNode)
    return node


def test_the_engine_is_asked_for_it_and_the_panel_steps_through_the_slices(panel, fakeEngine, result):
    import vtk

    parameters = fakeEngine.submitted[-1]["parameters"]
    assert parameters["uncertainty"] is True
    node = panel._parameterNode.inputVolume
    sliceNode = view(node)
    for index in (3, 1, 3):  # the worst first, and then again from the beginning
        panel.ui.reviewButton.click()
        seen = sliceNode.GetSliceToRAS()
        ijk = ijkToRas(node)
        ijk.Invert()
        world = vtk.vtkMatrix4x4()
        node.GetParentTransformNode().GetMatrixTransformFromWorld(world)  # the test volume is under a transform
        vtk.vtkMatrix4x4.Multiply4x4(ijk, world, ijk)
        assert ijk.MultiplyPoint([seen.GetElement(row, 3) for row in range(3)] + [1.0])[2] == pytest.approx(index)
        assert f"slice {index + 1}." in status(panel) and "right ventricle (expected Dice 0.71)" in status(panel)


def test_a_saved_scene_knows_the_slices_but_not_the_volume(panel, result):
    panel.segmentPanel.task = None
    panel.segmentPanel._results.clear()
    panel.segmentPanel.update()
    assert panel.ui.reviewButton.enabled and not panel.ui.uncertaintyButton.enabled


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", json.dumps({**UNSURE, "worst_slices": [99]}), json.dumps({**UNSURE, "slice_axis": "x"})],
)
def test_what_a_scene_says_wrongly_is_left_out(panel, result, text):
    result.SetAttribute("CMAformer.Review", text)
    panel.segmentPanel.update()
    assert not panel.ui.reviewButton.enabled


def test_a_volume_of_it_lies_on_the_image(panel, fakeEngine, result):
    import slicer

    image = panel._parameterNode.inputVolume
    panel.ui.uncertaintyButton.click()
    standin.processUntil(lambda: "shows where the model is unsure" in status(panel))
    node = slicer.util.getNode(image.GetName() + " uncertainty (%)")
    assert np.array_equal(slicer.util.arrayFromVolume(node), fakeEngine.percent)
    a, b = (slicer.util.arrayFromVTKMatrix(ijkToRas(n)) for n in (image, node))
    assert np.allclose(a, b) and node.GetTransformNodeID() == image.GetTransformNodeID()


def test_the_uncertainty_of_a_result_is_kept_while_another_is_looked_at(panel, fakeEngine, result):
    first = fakeEngine.percent
    panel._parameterNode.inputVolume = volume()
    apply(panel, fakeEngine)
    fakeEngine.unsure = None
    finishJob(panel, fakeEngine)
    assert panel._parameterNode.outputSegmentation is not result and not panel.ui.uncertaintyButton.enabled
    panel._parameterNode.outputSegmentation = result
    assert panel.ui.uncertaintyButton.enabled and panel.ui.structuresTable.item(0, 3).text()
    import slicer

    panel.ui.uncertaintyButton.click()
    standin.processUntil(lambda: "shows where the model is unsure" in status(panel))
    (node,) = [n for n in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if "uncertainty" in n.GetName()]
    assert np.array_equal(slicer.util.arrayFromVolume(node), first)
