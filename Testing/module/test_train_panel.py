"""The section Fine-tune as a user drives it. Pictures go to $CMAFORMER_SCREENSHOTS, or to a temporary folder."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from trainingnodes import makeCase, makeVolume

import standin
from owntime import ownTime


@pytest.fixture
def panel(module, scene, models, trainings, processes, monkeypatch):
    """The module's widget, entered, with processes that do what the test says."""
    import slicer
    from fakes import FakeProcess

    from CMAformerSegmentationLib.trainingQueue import TrainingQueue

    widget = slicer.util.getModuleWidget("CMAformerSegmentation")
    queue = TrainingQueue(lambda folder: processes.setdefault(folder.name, FakeProcess(folder)))
    monkeypatch.setattr(widget.logic, "queue", queue)
    widget.ui.trainCollapsibleButton.collapsed = False
    widget.ui.segmentCollapsibleButton.collapsed = True
    widget.parent.enter()
    widget.ui.baseSelector.setCurrentIndex(0)
    widget.ui.modelNameEdit.setText("")
    widget.ui.structuresEdit.setText("")
    widget.ui.effortSelector.setCurrentIndex(1)
    yield widget
    queue.shutdown()
    widget.parent.exit()
    widget.ui.trainCollapsibleButton.collapsed = True
    widget.ui.segmentCollapsibleButton.collapsed = False


@pytest.fixture
def picture(tmp_path):
    folder = Path(os.environ.get("CMAFORMER_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return lambda widget, name: standin.grab(widget.parent, folder / f"train-{name}.png", 440)


def trigger(panel, text):
    """Choose an entry of one of the two menus."""
    trainPanel = panel.trainPanel
    for menu in (trainPanel.adding.menu, trainPanel._menu):
        for action in menu.actions():
            if action.text == text:
                action.trigger()
                standin.processUntil(lambda: not trainPanel.adding.isBusy)
                return
    raise AssertionError(f"no action {text}")


def select(panel, *rows):
    import qt

    table = panel.ui.casesTable
    table.clearSelection()
    flags = qt.QItemSelectionModel.Select | qt.QItemSelectionModel.Rows
    for row in rows:
        table.selectionModel().select(table.model().index(row, 0), flags)


def column(table, number) -> list[str]:
    return [table.item(row, number).text() for row in range(table.rowCount)]


def fill(panel, labeled=3, unlabeled=2):
    for n in range(labeled):
        makeCase(f"case {n}", n)
    for n in range(unlabeled):
        makeVolume(f"scan {n}", seed=20 + n)
    trigger(panel, "Volumes of the scene")


def saveScene(folder):
    import slicer

    assert slicer.mrmlScene.WriteToMRB(str(folder / "scene.mrb"))


def openScene(folder):
    import slicer

    shutil.unpack_archive(folder / "scene.mrb", folder / "scene", "zip")  # what Slicer does before it reads the scene
    slicer.mrmlScene.SetURL(str(next((folder / "scene").rglob("*.mrml"))))
    assert slicer.mrmlScene.Import()
    standin.processFor(0.05)


def started(panel, processes, name="Our hearts"):
    panel.ui.modelNameEdit.setText(name)
    panel.ui.startButton.click()
    training = panel.logic.jobs()[-1]
    standin.processUntil(lambda: processes[training.id].running)
    processes[training.id].begin()
    return training, processes[training.id]


def test_empty(panel, picture):
    assert "Add cases" in panel.ui.trainStatusLabel.text and not panel.ui.startButton.enabled
    assert panel.ui.startButton.toolTip == panel.ui.trainStatusLabel.text
    picture(panel, "empty")
    shown = [name for name in ("trainingsTable", "comparisonTable", "segmentsTable") if getattr(panel.ui, name).visible]
    assert shown == [] and panel.ui.casesTable.visible and not panel.ui.removeCasesButton.enabled


def test_from_the_scene_roles_and_start(panel, processes, picture):
    fill(panel)
    table = panel.ui.casesTable
    assert column(table, 0) == ["case 0", "case 1", "case 2", "scan 0", "scan 1"]
    assert column(table, 1)[0] == "case 0 segmentation" and column(table, 1)[3] == ""
    assert column(table, 2) == ["labeled"] * 3 + ["unlabeled"] * 2
    assert panel.ui.structuresEdit.placeholderText == "ring, disc"
    select(panel, 1, 2)
    trigger(panel, "held out")
    select(panel, 4)
    trigger(panel, "ignored")
    assert column(table, 2) == ["labeled", "held out", "held out", "unlabeled", "ignored"]
    assert "name" in panel.ui.trainStatusLabel.text and not panel.ui.startButton.enabled
    panel.ui.modelNameEdit.setText("Our hearts")
    assert panel.ui.startButton.enabled and "1 labeled, 1 unlabeled, 2 held out" in panel.ui.trainStatusLabel.text
    picture(panel, "ready")
    training, _process = started(panel, processes)
    assert training.request["counts"] == {"labeled": 1, "unlabeled": 1, "held-out": 2}
    assert training.request["minutes"] == 60 and training.request["base"] == "tiny-1.0.0"
    assert column(panel.ui.trainingsTable, 0) == ["Our hearts"]


def choose(panel, row, text):
    selector = panel.ui.segmentsTable.cellWidget(row, 2)
    index = selector.findText(text)
    assert index >= 0, text
    selector.setCurrentIndex(index)


def test_segments_are_matched_and_corrected(panel, processes, picture, tmp_path):

    makeCase("case 0", 0, names=("RV cavity", "Left Ventricle"))
    makeCase("case 1", 1, names=("RV cavity", "scar"))
    trigger(panel, "Volumes of the scene")
    table = panel.ui.segmentsTable
    rows = [(table.item(n, 0).text(), table.item(n, 1).text(), table.cellWidget(n, 2).currentText) for n in range(3)]
    assert rows == [
        ("RV cavity", "2", "RV cavity"),
        ("Left Ventricle", "1", "left ventricle"),
        ("scar", "1", "scar"),
    ]
    assert not panel.ui.structuresEdit.visible
    first = table.cellWidget(0, 2)
    choose(panel, 0, "right ventricle")
    assert table.cellWidget(0, 2) is not None and first.currentText == "right ventricle"
    choose(panel, 2, "(leave out)")
    picture(panel, "segments")
    saveScene(tmp_path)
    standin.closeScene()
    assert not table.visible
    openScene(tmp_path)
    assert [table.cellWidget(n, 2).currentText for n in (0, 2)] == ["right ventricle", "(leave out)"]
    training, _process = started(panel, processes)
    assert training.request["structures"] == ["right ventricle", "left ventricle"]
    choose(panel, 0, "(leave out)")
    choose(panel, 1, "(leave out)")
    assert "no structure" in panel.ui.trainStatusLabel.text and not panel.ui.startButton.enabled


def test_advanced_settings_reach_the_engine(panel, processes, picture):
    fill(panel)
    ui = panel.ui
    assert ui.advancedGroupBox.collapsed
    ui.advancedGroupBox.collapsed = False
    for widget in ui.advancedGroupBox.findChildren():
        if widget.className() in ("QComboBox", "QSpinBox", "QDoubleSpinBox"):
            assert widget.toolTip, widget.objectName
    picture(panel, "advanced")
    ui.trainDeviceSelector.setCurrentIndex(2)
    ui.learningRateSpinBox.setValue(0.001)
    ui.patchSizeSpinBox.setValue(96)
    ui.constraintSelector.setCurrentIndex(1)
    training, _process = started(panel, processes)
    ui.advancedGroupBox.collapsed = True
    for selector in (ui.trainDeviceSelector, ui.constraintSelector):
        selector.setCurrentIndex(0)
    for box in (ui.learningRateSpinBox, ui.patchSizeSpinBox):
        box.setValue(0)
    assert training.request["device"] == "cpu"
    settings = {"learning_rate": 0.001, "patch": 96, "constraint": "penalty"}
    assert training.request["settings"] == {**settings, "iterations": 3000, "semi_iterations": 3000}


def test_a_role_that_does_not_fit_is_told_in_its_row(panel):
    fill(panel, labeled=1, unlabeled=1)
    select(panel, 1)
    trigger(panel, "labeled")
    assert "needs a segmentation" in column(panel.ui.casesTable, 3)[1]
    assert "scan 0" in panel.ui.trainStatusLabel.text and not panel.ui.startButton.enabled
    trigger(panel, "ignored")
    assert column(panel.ui.casesTable, 3)[1] == ""


def test_files_and_folders(panel, tmp_path, picture):
    folder = tmp_path / "data"
    for name in ("images/patient1_frame01.nrrd", "images/patient1_frame12.nrrd", "images/b.nii.gz", "labels/b.nii.gz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    standin.answer("getExistingDirectory", str(folder))
    trigger(panel, "Folder...")
    assert column(panel.ui.casesTable, 0) == ["b", "patient1_frame01", "patient1_frame12"]
    assert column(panel.ui.casesTable, 2) == ["labeled", "unlabeled", "unlabeled"]
    assert [case.patient for case in panel.trainPanel.cases] == ["b", "patient1", "patient1"]
    assert panel.ui.structuresEdit.placeholderText == "right ventricle, myocardium, left ventricle"

    (tmp_path / "c.nrrd").touch()
    (tmp_path / "c-label.nrrd").touch()
    standin.answer("getOpenFileNames", [str(tmp_path / "c-label.nrrd"), str(tmp_path / "c.nrrd")])
    trigger(panel, "Files...")
    assert column(panel.ui.casesTable, 1)[-1] == "c-label.nrrd"
    standin.answer("getExistingDirectory", str(folder / "labels"))
    trigger(panel, "Folder...")  # nothing twice
    select(panel, *range(panel.ui.casesTable.rowCount))
    panel.ui.removeCasesButton.click()
    assert panel.ui.casesTable.rowCount == 0

    (tmp_path / "none").mkdir()
    standin.answer("getExistingDirectory", str(tmp_path / "none"))
    trigger(panel, "Folder...")
    assert "no images" in panel.ui.trainStatusLabel.text


def test_the_list_comes_back_with_the_scene(panel, tmp_path):

    fill(panel, labeled=2, unlabeled=1)
    (tmp_path / "file.nrrd").touch()
    standin.answer("getOpenFileNames", [str(tmp_path / "file.nrrd")])
    trigger(panel, "Files...")
    select(panel, 1)
    trigger(panel, "held out")
    before = [column(panel.ui.casesTable, n) for n in range(4)]
    saveScene(tmp_path)
    standin.closeScene()
    assert panel.ui.casesTable.rowCount == 0
    openScene(tmp_path)
    assert [column(panel.ui.casesTable, n) for n in range(4)] == before
    assert all(case.isFile or case.image.GetImageData() for case in panel.trainPanel.cases)


def writeSeries(folder, uid, count=6):
    """A DICOM series, one file a slice."""
    import SimpleITK as sitk

    folder.mkdir(parents=True)
    rng = np.random.default_rng(int(uid))
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for number in range(count):
        image = sitk.GetImageFromArray(rng.integers(0, 900, (1, 36, 40)).astype(np.int16))
        image.SetSpacing((1.5, 1.5, 6.0))
        root = f"1.2.826.0.1.3680043.2.1125.{uid}"
        tags = {
            "0008|0060": "MR",
            "0020|000d": f"{root}.1",
            "0020|000e": f"{root}.2",
            "0008|0018": f"{root}.{number + 9}",
        }
        tags |= {"0020|0013": str(number), "0020|0032": f"0\\0\\{6 * number}", "0020|0037": "1\\0\\0\\0\\1\\0"}
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{number:03d}.dcm"))
        writer.Execute(image)


def test_folders_of_dicom_series_are_cases_that_the_engine_reads(panel, tmp_path):
    """As a scanner exports them: a folder of series in one of a study in that of a patient."""
    writeSeries(tmp_path / "export" / "Roe" / "study" / "cine", "11")
    writeSeries(tmp_path / "export" / "Doe" / "study" / "cine", "12")
    writeSeries(tmp_path / "export" / "Doe" / "study" / "late", "13")
    fill(panel, labeled=1, unlabeled=0)
    standin.answer("getExistingDirectory", str(tmp_path / "export"))
    trigger(panel, "Folder...")
    assert column(panel.ui.casesTable, 0)[1:] == ["Doe/study/cine", "Doe/study/late", "Roe"]
    assert [case.patient for case in panel.trainPanel.cases[1:]] == ["Doe", "Doe", "Roe"]
    panel.ui.modelNameEdit.setText("x")
    panel.ui.checkButton.click()
    standin.processUntil(lambda: not panel.trainPanel.checker.isRunning, timeout=60)
    assert "nothing that stops a training" in panel.ui.trainStatusLabel.text
    assert panel.trainPanel.checker._check.problem is None and panel.ui.startButton.enabled


def test_a_volume_that_leaves_the_scene_leaves_the_list(panel, scene):
    fill(panel, labeled=2, unlabeled=0)
    scene.RemoveNode(panel.trainPanel.cases[0].image)
    panel.trainPanel.update()
    assert column(panel.ui.casesTable, 0) == ["case 1"]
    scene.RemoveNode(panel.trainPanel.cases[0].labels)
    panel.trainPanel.update()
    assert column(panel.ui.casesTable, 1) == [""] and "needs a segmentation" in column(panel.ui.casesTable, 3)[0]


def test_watch_pause_resume_and_stop(panel, processes, picture, say):
    import qt

    fill(panel)
    training, process = started(panel, processes)
    process.event("progress", done=250, total=1000, unit="iterations", eta_s=605.0)
    for iteration in range(20, 260, 20):
        process.event(
            "metric", iteration=iteration, phase="supervised", values={"loss": 1 / iteration, "learning_rate": 0.001}
        )
    process.event("metric", iteration=250, phase="supervised", values={"dice": {"1": 0.7, "2": 0.8}, "dice_mean": 0.75})
    standin.processUntil(lambda: training.history.looks)
    status = panel.ui.trainingStatusLabel.text
    assert "iteration 250 of 1000" in status and "10 min" in status and "0.750" in status
    assert column(panel.ui.trainingsTable, 2) == ["25 %"] and panel.ui.trainingProgressBar.value == 250
    picture(panel, "running")

    panel.ui.pauseButton.click()
    assert not panel.ui.pauseButton.enabled and "checkpoint" in panel.ui.trainingStatusLabel.text
    process.event("cancelled")
    process.exit(3)
    standin.processUntil(lambda: training.state == "paused")
    assert panel.ui.pauseButton.text == "Resume" and panel.ui.pauseButton.enabled
    picture(panel, "paused")
    panel.ui.pauseButton.click()
    standin.processUntil(lambda: process.running)
    assert panel.ui.pauseButton.text == "Pause"

    process.event("started", device="cpu", resumed_at=250)
    say(qt.QMessageBox.No)
    panel.ui.stopButton.click()
    assert not training.stopping
    say(qt.QMessageBox.Yes)
    panel.ui.stopButton.click()
    assert training.stopping
    process.event("cancelled")
    process.exit(3)
    standin.processUntil(lambda: training.state == "cancelled")
    say(qt.QMessageBox.Yes)
    panel.ui.deleteTrainingButton.click()
    assert not training.folder.exists() and not panel.ui.trainingsTable.visible


def test_the_curves_grow_in_place(panel, processes):
    import slicer

    fill(panel)
    training, process = started(panel, processes)
    process.event("metric", iteration=20, phase="supervised", values={"loss": 0.5})
    standin.processUntil(lambda: training.history.losses)
    panel.ui.chartButton.click()
    tables = slicer.util.getNodesByClass("vtkMRMLTableNode")
    loss = next(node for node in tables if node.GetNumberOfColumns() == 2)
    dice = next(node for node in tables if node.GetNumberOfColumns() == 3)
    assert slicer.util.arrayFromTableColumn(loss, "loss").tolist() == [0.5]
    process.event("metric", iteration=40, phase="supervised", values={"loss": 0.25})
    process.event("metric", iteration=40, phase="supervised", values={"dice": {"1": 0.5, "2": None}, "dice_mean": 0.5})
    standin.processUntil(lambda: training.history.looks)
    standin.processFor(0.05)
    assert slicer.util.arrayFromTableColumn(loss, "loss").tolist() == [0.5, 0.25]
    assert slicer.util.arrayFromTableColumn(dice, "ring").tolist() == [0.5]
    assert np.isnan(slicer.util.arrayFromTableColumn(dice, "disc")).all()
    assert slicer.util.getNodesByClass("vtkMRMLTableNode") == tables  # extended, not made again
    charts = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    assert sorted(chart.GetNumberOfPlotSeriesNodes() for chart in charts) == [1, 2]
    standin.closeScene()
    process.event("metric", iteration=60, phase="supervised", values={"loss": 0.2})
    standin.processUntil(lambda: len(training.history.losses) == 3)
    assert slicer.util.getNodesByClass("vtkMRMLTableNode") == []


def test_before_and_after_then_keep(panel, processes, tiny, picture):
    fill(panel)
    training, process = started(panel, processes)
    report = {
        "kept": "semi-supervised",
        "reason": "The model trained on both is kept.",
        "seconds": 61.0,
        "held_out_dice": {"supervised": [[0.5, 0.6]], "semi-supervised": [[0.7, 0.6], [0.8, None]]},
        "before": {"classes": ["ring"], "dice": [[0.6], [0.7]]},
        "after": {"classes": ["ring"], "dice": [[0.7], [0.8]]},
    }
    process.finish(tiny, report)
    standin.processUntil(lambda: training.state == "finished")
    table = panel.ui.comparisonTable
    assert column(table, 0) == ["ring", "disc"]
    assert column(table, 1) == ["0.650", ""] and column(table, 2) == ["0.750", "0.600"]
    assert column(table, 3) == ["+0.100", ""]
    assert "better than its base" in panel.ui.trainingStatusLabel.text
    picture(panel, "finished")
    panel.ui.keepButton.click()
    standin.processUntil(lambda: "Kept" in panel.ui.trainingStatusLabel.text)
    assert panel.ui.modelSelector.findText("Our hearts") >= 0 and panel.ui.baseSelector.findText("Our hearts") >= 0


def test_a_failure_is_told(panel, processes):
    fill(panel)
    training, process = started(panel, processes)
    process.event("error", code="preflight", message="The cases have 1 error: Case 2: it is empty.", hint="Remove it.")
    process.exit(1)
    standin.processUntil(lambda: training.state == "failed")
    assert "Case 2: it is empty. Remove it." in panel.ui.trainingStatusLabel.text
    assert column(panel.ui.trainingsTable, 1) == ["failed"]


def test_several_hundred_rows_stay_fluid(panel, tmp_path):
    for n in range(400):
        (tmp_path / f"image{n:03d}.nrrd").touch()
    standin.answer("getExistingDirectory", str(tmp_path))
    trigger(panel, "Folder...")
    assert panel.ui.casesTable.rowCount == 400
    select(panel, *range(0, 400, 2))
    begin = ownTime()
    trigger(panel, "ignored")
    assert ownTime() - begin < 0.5  # PySide6 behind the stand-in's checks is several times slower than Slicer
    assert column(panel.ui.casesTable, 2)[:3] == ["ignored", "unlabeled", "ignored"]


def test_check_tells_in_rows_and_words_what_is_wrong_with_the_real_engine(panel, tmp_path, picture):
    """An image twice, a volume that is constant, and a file that is no image."""
    import slicer

    fill(panel, labeled=3, unlabeled=1)
    cases = panel.trainPanel.cases
    slicer.util.updateVolumeFromArray(cases[1].image, slicer.util.arrayFromVolume(cases[0].image).copy())
    slicer.util.updateVolumeFromArray(cases[3].image, np.zeros((4, 40, 36), np.int16))
    panel.ui.modelNameEdit.setText("x")
    assert panel.ui.checkButton.enabled and panel.ui.startButton.enabled
    panel.ui.checkButton.click()
    assert panel.ui.checkButton.text == "Stop checking" and not panel.ui.startButton.enabled
    standin.processUntil(lambda: not panel.trainPanel.checker.isRunning, timeout=60)
    findings = column(panel.ui.casesTable, 3)
    assert "same image as case 1" in findings[1] and "same value" in findings[3] and findings[2] == ""
    assert "nothing that stops a training" in panel.ui.trainStatusLabel.text and panel.ui.startButton.enabled
    assert re.search(r"About \d+ training steps fit into the time", panel.ui.trainStatusLabel.text)
    picture(panel, "checked")
    standin.processUntil(lambda: not list((tmp_path / "trainings").glob(".check*")))  # copies of images are gone

    (tmp_path / "broken.nrrd").write_text("no image")
    standin.answer("getOpenFileNames", [str(tmp_path / "broken.nrrd")])
    trigger(panel, "Files...")
    assert column(panel.ui.casesTable, 3) == [""] * 5 and panel.ui.startButton.enabled
    panel.ui.checkButton.click()
    standin.processUntil(lambda: not panel.trainPanel.checker.isRunning, timeout=60)
    assert "cannot be read" in column(panel.ui.casesTable, 3)[4]
    assert "must be solved first: 1;" in panel.ui.trainStatusLabel.text
    assert not panel.ui.startButton.enabled and "must be solved" in panel.ui.startButton.toolTip

    select(panel, 3)
    trigger(panel, "ignored")  # another list: what was found does not fit any more
    assert column(panel.ui.casesTable, 3) == [""] * 5 and "check" not in panel.ui.trainStatusLabel.text


def test_a_check_can_be_stopped(panel):
    fill(panel, labeled=1, unlabeled=0)
    panel.ui.modelNameEdit.setText("x")
    panel.ui.checkButton.click()
    panel.ui.checkButton.click()
    assert panel.ui.checkButton.text == "Check cases" and panel.ui.startButton.enabled
    assert "check" not in panel.ui.trainStatusLabel.text
