"""The panel as a user drives it, in all its states. Pictures go to $CMAFORMER_SCREENSHOTS, or to a temporary folder."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import standin


@pytest.fixture
def panel(module, scene, models, fakeEngine, monkeypatch):
    """The module's widget, entered, with the fake engine."""
    import slicer

    from CMAformerSegmentationLib.taskRunner import TaskRunner

    widget = slicer.util.getModuleWidget("CMAformerSegmentation")
    runner = TaskRunner(lambda folder: fakeEngine)
    monkeypatch.setattr(widget.logic, "runner", runner)
    monkeypatch.setattr(widget.segmentPanel, "task", None)
    monkeypatch.setattr(widget.computerCard.torch, "state", "present")
    widget.parent.enter()
    yield widget
    runner.shutdown()
    widget.segmentPanel.task = None
    widget.parent.exit()


@pytest.fixture
def picture(tmp_path):
    folder = Path(os.environ.get("CMAFORMER_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return lambda widget, name: standin.grab(widget.parent, folder / f"panel-{name}.png", 400)


def volume():
    from CMAformerSegmentationLib.selftest import makeTestVolume

    node = makeTestVolume()
    node.SetName("CineHeart 4D, end diastole")
    return node


def apply(panel, fakeEngine):
    before = len(fakeEngine.jobs)
    panel.ui.applyButton.click()
    standin.processUntil(lambda: len(fakeEngine.jobs) > before)


def status(panel) -> str:
    return panel.ui.statusLabel.text


def finishJob(panel, fakeEngine):
    fakeEngine.begin(6, 6)
    fakeEngine.finish()
    standin.processUntil(lambda: panel.segmentPanel.task.ended)


def test_empty(panel, picture):
    assert status(panel) == "Choose a volume to segment. Load... takes one from a file, or a sample."
    assert not panel.ui.applyButton.enabled and panel.ui.applyButton.toolTip == "Choose a volume to segment."
    assert not panel.ui.progressBar.visible and not panel.ui.structuresTable.visible
    assert panel.ui.modelSelector.currentText == "Tiny heart"
    assert panel.ui.modelDescriptionLabel.text == "Three structures of a heart, for tests."
    assert "A card for people." in panel.ui.modelCardBrowser.plainText
    picture(panel, "empty")


def test_ready(panel, picture):
    node = volume()
    panel.enter()
    assert panel.ui.inputSelector.currentNode() is node  # the first volume is chosen
    assert panel.ui.applyButton.enabled and panel.ui.applyButton.text == "Apply"
    assert "Press Apply" in status(panel)
    assert panel.ui.deviceSelector.currentText == "Automatic"
    panel.ui.modelCardGroupBox.collapsed = False
    picture(panel, "ready")
    panel.ui.modelCardGroupBox.collapsed = True


def test_running_and_done(panel, picture, fakeEngine):
    import slicer

    node = volume()
    panel.enter()
    apply(panel, fakeEngine)
    assert panel.ui.applyButton.text == "Cancel" and panel.ui.applyButton.enabled
    assert "Loading the model" in status(panel) and panel.ui.progressBar.maximum == 0
    assert not panel.ui.inputSelector.enabled and not panel.ui.modelSelector.enabled
    fakeEngine.begin(done=34, total=120, secondsLeft=11.3)
    standin.processUntil(lambda: "34" in status(panel))
    assert status(panel) == "Segmenting: slice 34 of 120, about 12 s left."
    assert (panel.ui.progressBar.value, panel.ui.progressBar.maximum) == (34, 120)
    picture(panel, "running")
    labels = fakeEngine.finish()
    standin.processUntil(lambda: panel.segmentPanel.task.ended)
    assert status(panel).startswith("Done in ") and ": 3 structures. Look at every slice." in status(panel)
    assert panel.ui.applyButton.text == "Apply" and not panel.ui.progressBar.visible
    output = panel.ui.outputSelector.currentNode()
    assert (
        output.GetName() == "CineHeart 4D, end diastole segmentation"
        and panel.ui.show3DButton.segmentationNode() is output
    )
    table = panel.ui.structuresTable
    assert [table.item(row, 1).text() for row in range(3)] == ["right ventricle", "myocardium", "left ventricle"]
    voxel = np.prod(node.GetSpacing()) / 1000
    assert [table.item(row, 2).text() for row in range(3)] == [f"{(labels == v).sum() * voxel:.1f}" for v in (1, 2, 3)]
    picture(panel, "done")
    panel.ui.show3DButton.click()
    assert output.GetSegmentation().ContainsRepresentation("Closed surface")
    slicer.mrmlScene.RemoveNode(output)
    standin.processUntil(lambda: not panel.ui.structuresTable.visible)
    assert "Press Apply" in status(panel) and not panel.ui.show3DButton.enabled


def test_what_comes_after_a_result(panel, fakeEngine, monkeypatch):
    """Copied, opened in the Segment Editor, and used to learn from."""
    import qt
    import slicer

    node = volume()
    panel.enter()
    apply(panel, fakeEngine)
    fakeEngine.begin(done=1, total=6)
    labels = fakeEngine.finish()
    standin.processUntil(lambda: panel.segmentPanel.task.ended)
    output = panel.ui.outputSelector.currentNode()
    panel.ui.copyButton.click()
    lines = [line.split("\t") for line in qt.QApplication.clipboard().text().splitlines()]
    assert lines[0] == ["Structure", "Volume (ml)", "Voxels", "Mean"] and len(lines) == 4
    assert [line[2] for line in lines[1:]] == [str((labels == value).sum()) for value in (1, 2, 3)]

    seen = []

    class Editor:
        def setSegmentationNode(self, shown):
            seen.append(shown)

        setSourceVolumeNode = setSegmentationNode

    representation = SimpleNamespace(self=lambda: SimpleNamespace(editor=Editor()))
    module = SimpleNamespace(widgetRepresentation=lambda: representation)
    monkeypatch.setattr(slicer.modules, "segmenteditor", module, raising=False)
    monkeypatch.setattr(slicer.util, "selectModule", seen.append)
    panel.ui.editButton.click()
    assert seen == ["SegmentEditor", output, node]

    for _twice in range(2):
        panel.ui.useResultButton.click()
        (case,) = panel.trainPanel.cases
        assert case.image is node and case.labels is output and case.role == "labeled"
    assert not panel.ui.trainCollapsibleButton.collapsed and "labeled case" in panel.ui.trainStatusLabel.text
    panel.ui.trainCollapsibleButton.collapsed = True
    slicer.mrmlScene.RemoveNode(node)
    panel.ui.useResultButton.click()  # there is nothing to learn from any more
    panel.ui.editButton.click()
    assert panel.trainPanel.cases == [] and len(seen) == 3


def test_failed(panel, picture, fakeEngine):
    volume()
    panel.enter()
    apply(panel, fakeEngine)
    fakeEngine.begin(done=3, total=6)
    fakeEngine.log = "Traceback (most recent call last):\n  something technical\nRuntimeError: CUDA error"
    fakeEngine.exit(-11)
    standin.processUntil(lambda: panel.segmentPanel.task.ended)
    assert status(panel).startswith("The segmentation engine crashed. Try again with the CPU.")
    assert panel.ui.applyButton.text == "Apply" and panel.ui.applyButton.enabled
    assert panel.ui.detailsGroupBox.collapsed and "something technical" in panel.ui.detailsView.plainText
    panel.ui.detailsGroupBox.collapsed = False
    picture(panel, "failed")
    panel.ui.detailsGroupBox.collapsed = True


def test_cancel_button(panel, fakeEngine):
    volume()
    panel.enter()
    apply(panel, fakeEngine)
    fakeEngine.begin()
    standin.processUntil(lambda: panel.segmentPanel.task.state == "running")
    panel.ui.applyButton.click()
    assert status(panel) == "Stopping..." and not panel.ui.applyButton.enabled
    fakeEngine.event("cancelled")
    standin.processUntil(lambda: panel.segmentPanel.task.ended)
    assert status(panel) == "The segmentation was cancelled." and panel.ui.applyButton.text == "Apply"


def test_another_volume_does_not_overwrite_the_result_of_the_first(panel, fakeEngine):
    first, second = volume(), volume()
    panel.ui.inputSelector.setCurrentNode(first)
    apply(panel, fakeEngine)
    finishJob(panel, fakeEngine)
    result = panel.ui.outputSelector.currentNode()
    panel.ui.inputSelector.setCurrentNode(second)
    assert panel.ui.outputSelector.currentNode() is None and "Press Apply" in status(panel)
    apply(panel, fakeEngine)
    finishJob(panel, fakeEngine)
    assert panel.ui.outputSelector.currentNode() is not result
    panel.ui.inputSelector.setCurrentNode(second)
    assert panel.ui.outputSelector.currentNode() is not None


def test_leaving_the_module_does_not_stop_the_work(panel, fakeEngine):
    volume()
    panel.enter()
    apply(panel, fakeEngine)
    panel.exit()
    finishJob(panel, fakeEngine)
    assert panel.segmentPanel.task.state == "finished"
    panel.enter()
    assert panel.ui.outputSelector.currentNode() is panel.segmentPanel.task.segmentationNode
    assert status(panel).startswith("Done in ")


def test_closing_the_scene_while_running(panel, fakeEngine):
    volume()
    panel.enter()
    apply(panel, fakeEngine)
    fakeEngine.begin()
    standin.processUntil(lambda: panel.segmentPanel.task.state == "running")
    standin.closeScene()
    fakeEngine.event("cancelled")
    standin.processUntil(lambda: panel.segmentPanel.task.ended)
    assert "The scene was closed" in status(panel)
    volume()
    panel.enter()
    assert panel.ui.applyButton.enabled


def test_choices_are_stored_in_the_scene(panel, module):
    import slicer

    node = volume()
    panel.enter()
    panel.ui.deviceSelector.setCurrentIndex(2)
    choices = module.CMAformerSegmentationParameterNode(panel.logic.getParameterNode().parameterNode)
    assert choices.inputVolume is node and choices.device.value == "cpu"
    parameterNode = slicer.mrmlScene.GetSingletonNode("CMAformerSegmentation", "vtkMRMLScriptedModuleNode")
    assert parameterNode.GetParameter("device") == "CPU"


def test_region_of_interest(panel, picture, fakeEngine):
    """Made in the list, it is the whole volume; moved away, it is said; while it is worked on, it cannot be changed."""
    import json

    import slicer

    node = volume()
    panel.enter()
    selector = panel.ui.regionSelector
    assert selector.noneDisplay == "Whole volume" and selector.currentNode() is None
    roiNode = selector.addNode()
    assert panel.ui.regionSelector.currentNode() is roiNode and roiNode.GetDisplayNode() is not None
    sides = np.array(node.GetImageData().GetDimensions()) * node.GetSpacing()
    np.testing.assert_allclose(roiNode.GetSize(), sides)
    assert roiNode.GetTransformNodeID() == node.GetTransformNodeID()
    standin.processUntil(lambda: panel.ui.applyButton.enabled)
    roiNode.SetSize(*(sides / 2))
    picture(panel, "region")
    center = np.array(roiNode.GetCenter())
    roiNode.SetCenter(*(center + 1000))
    standin.processUntil(lambda: "outside of the volume" in status(panel))
    assert not panel.ui.applyButton.enabled
    roiNode.SetCenter(*center)
    standin.processUntil(lambda: panel.ui.applyButton.enabled)
    apply(panel, fakeEngine)
    assert not selector.enabled
    assert "to_box" in json.loads((fakeEngine.jobs[-1] / "job.json").read_text())["parameters"]["region"]
    finishJob(panel, fakeEngine)
    assert selector.enabled and "Only the region was segmented." in status(panel)
    assert "outside of it the earlier result was kept" not in status(panel)
    slicer.mrmlScene.RemoveNode(roiNode)
    assert selector.currentNode() is None
    apply(panel, fakeEngine)
    assert "region" not in json.loads((fakeEngine.jobs[-1] / "job.json").read_text())["parameters"]


def test_no_models(panel, monkeypatch, module, tmp_path):

    (tmp_path / "broken").mkdir()
    monkeypatch.setattr(module, "bundledModelFolders", lambda: [tmp_path])
    panel.enter()
    assert "no models" in status(panel) and not panel.ui.applyButton.enabled
    assert "broken: The file model.json is missing." in panel.ui.detailsView.plainText


def chooseInLoadMenu(panel, text):
    (action,) = [action for action in panel.ui.loadButton.menu().actions() if action.text == text]
    action.trigger()
    return action


def test_load_menu(panel, tmp_path):
    import SimpleITK as sitk

    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5), np.int16)), str(tmp_path / "scan.nii.gz"))
    (tmp_path / "bad.nrrd").write_text("no image")
    standin.answer("getOpenFileName", str(tmp_path / "scan.nii.gz"))
    chooseInLoadMenu(panel, "Volume file...")
    assert panel.ui.inputSelector.currentNode().GetName() == "scan"
    standin.answer("getOpenFileName", "")
    chooseInLoadMenu(panel, "Volume file...")
    assert panel.ui.inputSelector.currentNode().GetName() == "scan"
    (tmp_path / "empty").mkdir()
    standin.answer("getExistingDirectory", str(tmp_path / "empty"))
    chooseInLoadMenu(panel, "DICOM folder...")
    assert status(panel) == "There are no DICOM images in the folder empty."


def test_the_sample_is_drawn_beside_the_panel_and_chosen(panel, picture):
    import slicer

    import synthetic

    action = chooseInLoadMenu(panel, "Sample data: synthetic heart")
    assert status(panel) == "Drawing a synthetic heart. This takes a few seconds."
    assert panel.ui.inputSelector.currentNode() is None and not action.enabled
    picture(panel, "sample")
    standin.processUntil(lambda: panel.ui.inputSelector.currentNode(), timeout=120)
    node, heart = panel.ui.inputSelector.currentNode(), synthetic.short_axis_heart()
    assert node.GetName() == "Synthetic short-axis heart" and panel.ui.applyButton.enabled and action.enabled
    assert status(panel) == "Ready. Press Apply to segment the volume."
    # Slicer turns the slices of a left-handed volume around; every voxel stays where it is in the patient.
    assert np.array_equal(slicer.util.arrayFromVolume(node), heart.image[::-1])
    toRas = slicer.util.arrayFromVTKMatrix(ijkToRas(node))
    for k, j, i in ((0, 0, 0), (9, 255, 215), (3, 100, 20)):
        lps = np.array(heart.origin) + np.reshape(heart.direction, (3, 3)) @ (np.array([i, j, k]) * heart.spacing)
        assert np.allclose((toRas @ [i, j, 9 - k, 1])[:3], lps * (-1, -1, 1), atol=1e-9)


def ijkToRas(node):
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return matrix


def smallHeart(monkeypatch, draw=None):
    from CMAformerSegmentationLib import sampleData, syntheticHeart

    small = draw or (lambda: syntheticHeart.shortAxisHeart(64, 56, 3, (6.0, 6.0, 25.0)))
    monkeypatch.setattr(sampleData, "shortAxisHeart", small)


def test_a_sample_does_not_replace_the_volume_that_is_segmented_meanwhile(panel, fakeEngine, monkeypatch):
    import slicer

    smallHeart(monkeypatch)
    panel._parameterNode.inputVolume = other = volume()
    chooseInLoadMenu(panel, "Sample data: synthetic heart")
    apply(panel, fakeEngine)
    standin.processUntil(lambda: slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[1:], timeout=60)
    assert panel.ui.inputSelector.currentNode() is other
    finishJob(panel, fakeEngine)
    assert status(panel).startswith("Done in")


def test_a_sample_that_cannot_be_drawn(panel, monkeypatch):
    def draw():
        raise MemoryError

    smallHeart(monkeypatch, draw)
    action = chooseInLoadMenu(panel, "Sample data: synthetic heart")
    standin.processUntil(lambda: action.enabled)
    assert status(panel) == "The synthetic heart could not be drawn: MemoryError"


def test_every_widget_has_a_tooltip(panel):
    named = [w for name, w in vars(panel.ui).items() if not name.startswith("qt_") and not name.endswith("Label")]
    wanted = (
        "QComboBox",
        "QPushButton",
        "QTableWidget",
        "qMRMLNodeComboBox",
        "QTextBrowser",
        "QProgressBar",
        "QPlainTextEdit",
    )
    widgets = [w for w in named if w.className() in wanted]
    assert len(widgets) >= 9
    assert [w.name for w in widgets if not w.toolTip] == []
