"""The section Fine-tune as a user drives it. Pictures go to $CMAFORMER_SCREENSHOTS, or to a temporary folder."""

from __future__ import annotations

import re

import numpy as np
import pytest
from trainingnodes import makeCase
from trainpanels import choose, column, fill, openScene, saveScene, select, started, trigger

import standin


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


def compared(change, cases=3):
    """A report in which each case changes by about so much."""
    after = [[0.6 + 0.1 * n + change + 0.001 * n, 0.5] for n in range(cases)]
    return {
        "kept": "semi-supervised",
        "reason": "The model trained on both is kept.",
        "seconds": 61.0,
        "held_out_dice": {"supervised": [[0.5, 0.6]] * cases, "semi-supervised": after},
        "before": {"classes": ["ring"], "dice": [[0.6 + 0.1 * n] for n in range(cases)]},
        "after": {"classes": ["ring"], "dice": [row[:1] for row in after]},
    }


@pytest.mark.parametrize(
    ("change", "cases", "words", "isDefault"),
    [
        (0.02, 5, r"Better than its base: Dice \+0\.022 \(\+0\.02\d to \+0\.02\d, 95 %\) on 5 held-out cases", True),
        (-0.001, 5, r"About the same as its base: Dice \+0\.001", False),
        (-0.05, 5, r"Worse than its base: Dice -0\.048", False),
        (0.02, 2, r"Dice \+0\.02\d on 2 held-out cases: too few", False),
    ],
)
def test_a_change_within_chance_is_about_the_same(panel, processes, tiny, change, cases, words, isDefault):
    fill(panel)
    training, process = started(panel, processes)
    process.finish(tiny, compared(change, cases))
    standin.processUntil(lambda: training.state == "finished")
    assert re.search(words, panel.ui.trainingStatusLabel.text), panel.ui.trainingStatusLabel.text
    assert panel.ui.keepButton.default is isDefault


def test_before_and_after_then_keep(panel, processes, tiny, picture):
    fill(panel)
    training, process = started(panel, processes)
    report = compared(0.099)
    cases = len(report["before"]["dice"])
    report["before"]["hd95_mm"], report["before"]["volume_error_ml"] = [[8.0]] * cases, [[-3.0]] * cases
    report["held_out_hd95_mm"] = {"semi-supervised": [[5.0, None]] * cases}
    report["held_out_volume_error_ml"] = {"semi-supervised": [[0.5, 2.25]] * cases}
    process.finish(tiny, report)
    standin.processUntil(lambda: training.state == "finished")
    table = panel.ui.comparisonTable
    assert column(table, 0) == ["ring", "disc"]
    assert column(table, 1) == ["0.700 → 0.800", "0.500"]
    assert column(table, 2) == ["8.0 → 5.0", ""] and column(table, 3) == ["-3.0 → +0.5", "+2.2"]
    assert "Better than its base" in panel.ui.trainingStatusLabel.text
    picture(panel, "finished")
    panel.ui.keepButton.click()
    standin.processUntil(lambda: "Kept" in panel.ui.trainingStatusLabel.text)
    assert panel.ui.modelSelector.findText("Our hearts") >= 0 and panel.ui.baseSelector.findText("Our hearts") >= 0


def test_before_and_after_are_means_over_the_same_cases(module):
    from CMAformerSegmentationLib.training.words import _arrow, _beforeAndAfter

    report = {
        "kept": "supervised",
        "held_out_hd95_mm": {"supervised": [[4.0], [6.0], [20.0], [None]]},
        "before": {"classes": ["ring"], "hd95_mm": [[5.0], [7.0], [None], [9.0]]},
    }
    assert _beforeAndAfter(report, "hd95_mm", "ring", 0) == (6.0, 5.0)
    assert _beforeAndAfter({**report, "before": None}, "hd95_mm", "ring", 0) == (None, 10.0)
    report["held_out_hd95_mm"] = {"supervised": [[None]] * 4}
    assert _arrow(_beforeAndAfter(report, "hd95_mm", "ring", 0), ".1f") == "7.0 → –"
    assert _arrow((None, 2.0), ".1f") == "2.0" and _arrow((None, None), ".1f") == ""


def test_a_failure_is_told(panel, processes):
    fill(panel)
    training, process = started(panel, processes)
    process.event("error", code="preflight", message="The cases have 1 error: Case 2: it is empty.", hint="Remove it.")
    process.exit(1)
    standin.processUntil(lambda: training.state == "failed")
    assert "Case 2: it is empty. Remove it." in panel.ui.trainingStatusLabel.text
    assert column(panel.ui.trainingsTable, 1) == ["failed"]


def test_the_list_goes_back_a_step_and_comes_again_from_a_training(panel, processes):
    fill(panel)
    started(panel, processes)
    before = list(panel.trainPanel.cases)
    select(panel, 0, 1)
    panel.ui.removeCasesButton.click()
    select(panel, 0)
    trigger(panel, "held out")
    assert len(panel.trainPanel.cases) == len(before) - 2
    for _step in range(2):
        panel.ui.undoCasesButton.click()
    assert panel.trainPanel.cases == before

    panel.ui.removeCasesButton.setEnabled(True)
    select(panel, *range(len(before)))
    panel.ui.removeCasesButton.click()
    panel.ui.useCasesButton.click()
    cases = panel.trainPanel.cases
    assert [(case.name, case.role) for case in cases] == [(case.title, case.role) for case in before]
    assert all(case.isFile and case.image.is_file() and not case.problem() for case in cases)
    assert panel.ui.structuresEdit.text == "ring, disc"
    panel.ui.useCasesButton.click()
    assert panel.trainPanel.cases == cases and "in the list already" in panel.ui.trainStatusLabel.text


def test_a_report_of_a_training_with_the_real_engine(panel, processes, tiny, tmp_path):
    fill(panel)
    training, process = started(panel, processes)
    process.event("metric", iteration=1, phase="supervised", values={"loss": 0.5})
    process.event("metric", iteration=2, phase="supervised", values={"loss": 0.4})
    assert not panel.ui.reportButton.enabled
    process.finish(tiny, compared(0.02, 5) | {"held_out_dice": {"semi-supervised": [[0.9, 0.8, 0.7]] * 5}})
    standin.processUntil(lambda: training.state == "finished")
    standin.answer("getSaveFileName", str(tmp_path / "training"))
    panel.ui.reportButton.click()
    standin.processUntil(lambda: "Exported to training.html" in panel.ui.trainingStatusLabel.text, timeout=60)
    text = (tmp_path / "training.html").read_text(encoding="utf-8")
    assert "<polyline" in text and "0.900" in text and "case 0" not in text


def test_the_plan_says_what_to_expect(panel, processes):
    fill(panel, labeled=2, unlabeled=1)
    panel.ui.modelNameEdit.setText("x")
    status = panel.ui.trainStatusLabel
    assert "2 labeled, 1 unlabeled, 0 held out. About 1 h 0 min" in status.text and "a fifth is held out" in status.text
    assert "draft" not in status.text  # it starts from a model
    panel.ui.baseSelector.setCurrentIndex(panel.ui.baseSelector.count - 1)
    assert "a draft to correct" in status.text and "1: 0.69, 3: 0.88, 7: 0.90" in status.text
    select(panel, 0)
    trigger(panel, "held out")
    assert "So few held-out cases" in status.text and "1 labeled" in status.text
