"""The group Several volumes as a user drives it. Pictures go to $CMAFORMER_SCREENSHOTS, or to a temporary folder."""

from __future__ import annotations

import pytest
from cines import begun, makeCine
from fakes import segmentations

import standin


@pytest.fixture
def made():
    """Processes of the work on folders."""
    return []


@pytest.fixture
def panel(module, scene, models, fakeEngine, made, monkeypatch):
    """The module's widget, entered, with engine and processes that do what the test says; the group is open."""
    import slicer
    from fakes import FakeProcess

    from CMAformerSegmentationLib.batches.folder import FolderBatch
    from CMAformerSegmentationLib.segmenting.taskRunner import TaskRunner

    def makeProcess(folder):
        made.append(FakeProcess(folder))
        return made[-1]

    widget = slicer.util.getModuleWidget("CMAformerSegmentation")
    runner = TaskRunner(lambda folder: fakeEngine)
    monkeypatch.setattr(widget.logic, "runner", runner)
    monkeypatch.setattr(widget.segmentPanel, "task", None)
    monkeypatch.setattr(widget.computerCard.torch, "state", "present")
    batchPanel = widget.batchPanel
    makeBatch = lambda *arguments: FolderBatch(*arguments, makeProcess=makeProcess)  # noqa: E731
    monkeypatch.setattr(batchPanel, "_makeFolderBatch", makeBatch)
    widget.parent.enter()
    widget.ui.batchGroupBox.collapsed = False
    yield widget
    for process in made:
        process.running = False
    if batchPanel.batch is not None:
        batchPanel.batch.abandon("")
    runner.shutdown()
    widget.segmentPanel.task = None
    batchPanel._change("scene")
    widget.ui.batchGroupBox.collapsed = True
    widget.parent.exit()


@pytest.fixture
def picture(pictures):
    return lambda widget, name: standin.grab(widget.parent, pictures / f"batch-{name}.png", 440)


def volumes(panel, *names):
    from CMAformerSegmentationLib.segmenting.selftest import makeTestVolume

    nodes = [makeTestVolume() for _name in names]
    for node, name in zip(nodes, names):
        node.SetName(name)
    panel.enter()
    return nodes


def rows(panel):
    table = panel.ui.batchTable
    return [tuple(table.item(row, column).text() for column in range(3)) for row in range(table.rowCount)]


def checks(panel):
    import qt

    table = panel.ui.batchTable
    return [table.item(row, 0).checkState() == qt.Qt.Checked for row in range(table.rowCount)]


def check(panel, row, checked):
    import qt

    panel.ui.batchTable.item(row, 0).setCheckState(qt.Qt.Checked if checked else qt.Qt.Unchecked)


def status(panel):
    return panel.ui.batchStatusLabel.text


def ended(panel):
    standin.processUntil(lambda: panel.batchPanel.batch.ended)


def test_empty(panel):
    assert status(panel) == panel.ui.batchButton.toolTip == "There are no volumes in the scene."
    assert not panel.ui.batchButton.enabled and panel.ui.batchTable.isHidden()
    assert panel.ui.batchProgressBar.isHidden() and panel.ui.batchKeepCheckBox.isHidden()


def test_volumes_of_the_scene(panel, fakeEngine, picture):
    import qt
    import slicer

    volumes(panel, "Heart, end diastole", "Heart, end systole", "Liver", "Another heart")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "a label map")
    assert checks(panel) == [True] * 4 and status(panel) == "4 of 4 volumes are checked."
    check(panel, 2, False)
    assert status(panel) == "3 of 4 volumes are checked." and panel.ui.batchButton.enabled
    picture(panel, "scene")
    panel.ui.batchButton.click()
    begun(fakeEngine, 1)
    standin.processUntil(lambda: rows(panel)[0][1] == "50%")
    assert [row[0] for row in rows(panel)] == ["Heart, end diastole", "Heart, end systole", "Another heart"]
    assert panel.ui.batchButton.text == "Cancel" and not panel.ui.batchSourceButton.enabled
    assert panel.ui.batchProgressBar.value == 166 and panel.ui.batchProgressBar.text == "0 / 3"
    assert not panel.ui.applyButton.enabled and "Several volumes are being segmented" in panel.ui.applyButton.toolTip
    fakeEngine.finish()
    begun(fakeEngine, 2)
    picture(panel, "running")
    fakeEngine.event("error", code="out-of-memory", message="The GPU has too little memory.", hint="Use the CPU.")
    begun(fakeEngine, 3)
    fakeEngine.finish()
    ended(panel)
    assert status(panel) == "2 done, 1 failed." and panel.ui.applyButton.enabled
    assert rows(panel) == [
        ("Heart, end diastole", "done", "Heart, end diastole segmentation"),
        ("Heart, end systole", "failed", "The GPU has too little memory. Use the CPU."),
        ("Liver", "", ""),
        ("Another heart", "done", "Another heart segmentation"),
    ]
    assert checks(panel) == [False, True, True, False]  # what has no result may be done now
    picture(panel, "done")
    panel.ui.batchCopyButton.click()
    lines = [line.split("\t") for line in qt.QApplication.clipboard().text().splitlines()]
    assert [line[1] for line in lines] == ["State", "done", "failed", "done"] and float(lines[1][2]) > 0
    check(panel, 2, False)
    panel.ui.batchButton.click()
    begun(fakeEngine, 4)
    fakeEngine.finish()
    ended(panel)
    assert status(panel) == "1 done, 0 failed." and len(segmentations()) == 3
    check(panel, 2, False)
    assert not panel.ui.batchButton.enabled and panel.ui.batchButton.toolTip == "Check the volumes to segment."


def test_results_that_are_there_and_that_are_deleted(panel, fakeEngine):
    import slicer

    first, _second = volumes(panel, "a", "b")
    panel.ui.inputSelector.setCurrentNode(first)
    panel.ui.applyButton.click()
    standin.processUntil(lambda: fakeEngine.jobs)
    assert not panel.ui.batchButton.enabled and "A volume is being segmented" in panel.ui.batchButton.toolTip
    fakeEngine.begin(done=1, total=6)
    fakeEngine.finish()
    standin.processUntil(lambda: panel.segmentPanel.task.ended)
    panel.batchPanel.onScene()
    assert checks(panel) == [False, True] and rows(panel)[0] == ("a", "kept", "a segmentation")
    assert panel.ui.batchButton.enabled
    slicer.mrmlScene.RemoveNode(segmentations()[0])
    panel.batchPanel.onScene()
    assert checks(panel) == [True, True]
    slicer.mrmlScene.RemoveNode(first)
    panel.segmentPanel.update()
    assert [row[0] for row in rows(panel)] == ["b"]


def test_cancel_and_leaving_the_module(panel, fakeEngine):
    volumes(panel, "a", "b")
    panel.ui.batchButton.click()
    begun(fakeEngine, 1)
    panel.exit()
    fakeEngine.finish()
    begun(fakeEngine, 2)
    panel.enter()
    assert panel.ui.batchButton.text == "Cancel" and rows(panel)[0][1] == "done"
    panel.ui.batchButton.click()
    assert status(panel) == "Stopping..." and not panel.ui.batchButton.enabled
    fakeEngine.event("cancelled")
    ended(panel)
    assert status(panel) == "Stopped. 1 done, 0 failed, 1 not done." and checks(panel) == [False, True]


def test_closing_the_scene(panel, fakeEngine):
    volumes(panel, "a", "b")
    panel.ui.batchButton.click()
    begun(fakeEngine, 1)
    standin.closeScene()
    fakeEngine.event("cancelled")
    standin.processUntil(lambda: panel.batchPanel.batch is None)
    assert "The scene was closed" in status(panel) and rows(panel) == []
    volumes(panel, "c")
    assert [row[0] for row in rows(panel)] == ["c"] and panel.ui.batchButton.enabled


def chooseFolder(panel, tmp_path):
    for name in ("images", "results"):
        (tmp_path / name).mkdir()
        standin.answer("getExistingDirectory", str(tmp_path / name))
    panel.batchPanel.actions["folder"].trigger()


def test_folder_of_files(panel, made, tmp_path, picture):
    standin.answer("getExistingDirectory", "")
    panel.batchPanel.actions["folder"].trigger()
    assert panel.batchPanel.source == "scene"
    chooseFolder(panel, tmp_path)
    assert status(panel) == "The images of the folder images; the results go into the folder results."
    assert not panel.ui.batchKeepCheckBox.isHidden() and panel.ui.batchKeepCheckBox.checked and not rows(panel)
    panel.ui.batchButton.click()
    assert panel.ui.batchProgressBar.maximum == 0 and not panel.ui.applyButton.enabled
    made[0].say("started", total=3)
    made[0].say("progress", done=1, total=3, unit="images", eta_s=30)
    made[0].say("progress", done=2, total=4, unit="slices", eta_s=None)
    standin.processUntil(lambda: panel.ui.batchProgressBar.value == 500)
    assert rows(panel) == [("Image 1", "done", ""), ("Image 2", "50%", ""), ("Image 3", "waiting", "")]
    picture(panel, "folder")
    made[0].say("warning", code="bad", message="Image 2: b.nii.gz cannot be read.", hint="", image=2)
    made[0].say("progress", done=2, total=3, unit="images", eta_s=15)
    made[0].say("progress", done=3, total=3, unit="images", eta_s=0)
    made[0].say("finished", done=2, failed=1, kept=0)
    (tmp_path / "results" / "volumes.csv").write_text("h,,,,\na,1,2,3,\nb.nii.gz,,,,cannot be read.\nc,,,,was there\n")
    made[0].exit(1)
    ended(panel)
    assert rows(panel) == [
        ("a", "done", ""),
        ("b.nii.gz", "failed", "cannot be read."),
        ("c", "kept", ""),
    ]
    assert status(panel).startswith("1 done, 1 failed, 1 there before. The volumes are in volumes.csv")
    assert panel.ui.batchButton.text == "Segment all" and panel.ui.applyButton.toolTip == "Choose a volume to segment."
    picture(panel, "folder-done")


def test_a_folder_that_cannot_be_started(panel, made, tmp_path, monkeypatch):
    chooseFolder(panel, tmp_path)

    def refuse(*_arguments):
        raise OSError(2, "No such file or directory", "/home/doe/python")

    monkeypatch.setattr("fakes.FakeProcess.start", refuse)
    panel.ui.batchButton.click()
    assert status(panel).startswith("The segmentation engine cannot be started.") and "doe" not in status(panel)
    assert panel.batchPanel.batch is None and panel.ui.batchButton.enabled


def test_frames_of_a_sequence(panel, fakeEngine, picture):
    action = panel.batchPanel.actions["sequence"]
    (alone,) = volumes(panel, "alone")
    panel.ui.inputSelector.setCurrentNode(alone)
    assert not action.visible
    sequence, browser = makeCine()
    panel.ui.inputSelector.setCurrentNode(browser.GetProxyNode(sequence))
    assert action.visible
    action.trigger()
    assert panel.ui.batchSourceButton.text == "All frames of the sequence" and status(panel) == "3 frames of cine."
    panel.ui.inputSelector.setCurrentNode(alone)
    assert status(panel) == "Choose a volume that is a frame of a sequence." and not panel.ui.batchButton.enabled
    panel.ui.inputSelector.setCurrentNode(browser.GetProxyNode(sequence))
    panel.ui.batchButton.click()
    begun(fakeEngine, 1)
    fakeEngine.finish()
    begun(fakeEngine, 2)
    standin.processUntil(lambda: rows(panel)[1][1] == "50%")
    assert rows(panel)[0] == ("trigger 0 ms", "done", "cine segmentation")
    picture(panel, "sequence")
    for n in (2, 3):
        begun(fakeEngine, n)
        fakeEngine.finish()
    ended(panel)
    assert status(panel) == "3 done, 0 failed." and browser.GetSelectedItemNumber() == 1
    assert browser.GetProxyNode(panel.batchPanel.batch.sequenceNode) is not None
    picture(panel, "sequence-done")
    standin.closeScene()
    assert panel.batchPanel.batch is None
