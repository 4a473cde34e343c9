"""The panel as a user drives it, in all its states. Pictures go to $CMAFORMER_SCREENSHOTS, or to a temporary folder."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from panels import apply, finishJob, status, volume

import standin


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


def test_a_series_of_another_modality_is_told(panel, fakeEngine):
    """What Slicer keeps of the DICOM series that a volume was loaded from; the tiny model is for MR."""
    import slicer

    node = volume()
    panel.enter()
    assert status(panel) == "Ready. Press Apply to segment the volume."
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    other = " The volume is CT, and the model is for MR: do not rely on the result."
    for modality, text in (("MR", ""), ("CT", other)):
        hierarchy.SetItemAttribute(item, "DICOM.Modality", modality)
        panel.segmentPanel.update()
        assert status(panel) == "Ready. Press Apply to segment the volume." + text
    apply(panel, fakeEngine)
    finishJob(panel, fakeEngine)
    assert "The volume is CT" in status(panel)


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
    assert lines[0] == ["Structure", "Volume (ml)", "Voxels", "Mean intensity"] and len(lines) == 4
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
        assert case.image is node and case.role == "labeled"
        assert case.labels is not output and "to learn from" in case.labels.GetName()  # as it is now
    copies = [n for n in slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if "to learn" in n.GetName()]
    assert copies == [case.labels] and case.problem() == ""
    count = case.labels.GetSegmentation().GetNumberOfSegments()
    assert count == output.GetSegmentation().GetNumberOfSegments() > 0
    output.GetSegmentation().RemoveAllSegments()  # whatever becomes of the result
    assert case.labels.GetSegmentation().GetNumberOfSegments() == count and case.problem() == ""
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
    selector.nodeAddedByUserAction.emit(roiNode)  # as the entry "Create new" of its list does
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


def test_no_models(panel, monkeypatch, tmp_path):
    from CMAformerSegmentationLib import logic

    (tmp_path / "broken").mkdir()
    monkeypatch.setattr(logic, "bundledModelFolders", lambda: [tmp_path])
    panel.enter()
    assert "no models" in status(panel) and not panel.ui.applyButton.enabled
    assert "broken: The file model.json is missing." in panel.ui.detailsView.plainText


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


def test_the_engine_starts_when_a_volume_is_chosen_and_not_before(panel, fakeEngine):
    """It loads PyTorch while the user looks at the image; nothing runs for somebody who only opens the module."""
    panel.segmentPanel.update()
    assert panel.segmentPanel.hub.engineIsReady and fakeEngine.warmed == 0 and fakeEngine.starts == 0
    panel._parameterNode.inputVolume = volume()
    panel._parameterNode.inputVolume = volume()
    assert fakeEngine.warmed == 1 and fakeEngine.jobs == []
    apply(panel, fakeEngine)
    finishJob(panel, fakeEngine)
    assert panel.segmentPanel.task.state == "finished"
