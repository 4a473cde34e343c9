"""The panel in Slicer's light and dark style, with larger fonts, with twice the pixels, and by the keyboard."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import standin

repository = Path(__file__).resolve().parents[2]
groups = ("segmentCollapsibleButton", "trainCollapsibleButton", "modelsCollapsibleButton", "advancedGroupBox")


@pytest.fixture
def panel(module, scene, models):
    """The module's widget with all sections open."""
    import slicer

    widget = slicer.util.getModuleWidget("CMAformerSegmentation")
    before = {name: getattr(widget.ui, name).collapsed for name in groups}
    for name in groups:
        getattr(widget.ui, name).collapsed = False
    widget.parent.enter()
    yield widget
    widget.parent.exit()
    for name, collapsed in before.items():
        getattr(widget.ui, name).collapsed = collapsed


def test_marks_stand_out_and_text_keeps_the_color_of_the_style(app):
    import qt
    from PySide6 import QtGui

    from CMAformerSegmentationLib.batches import table as batchTable
    from CMAformerSegmentationLib.batches.batch import BatchItem
    from CMAformerSegmentationLib.cases import case as trainingCases
    from CMAformerSegmentationLib.cases import table as caseTable
    from CMAformerSegmentationLib.cases.list import IGNORED
    from CMAformerSegmentationLib.jobs.job import FAILED
    from standin.looks import TABLES, contrast

    cases, items = qt.QTableWidget(0, 4), qt.QTableWidget(0, 3)
    roles = (trainingCases.LABELED, trainingCases.UNLABELED, trainingCases.HELD_OUT, IGNORED)
    named = [trainingCases.TrainingCase("image.nrrd", None, role) for role in roles]
    caseTable.CaseTable(cases).show(named, [""] * len(named))
    batchTable.BatchTable(items).show([BatchItem("scan", state=FAILED)])
    marked = [cases.item(row, 2) for row in range(4)] + [items.item(0, 1)]
    colors = [item.data(qt.Qt.DecorationRole) for item in marked]
    assert len({color.name() for color in colors}) == 5
    for table in TABLES:
        for item, color in zip(marked, colors):
            assert contrast(QtGui.QColor(color.name()), QtGui.QColor(table)) >= 3, (table, color.name())
            assert item.data(qt.Qt.ForegroundRole) is None


def test_tab_goes_down_the_panel(panel, tmp_path):
    from standin.looks import tabOrder

    standin.grab(panel.parent, tmp_path / "panel.png", 440)
    order = tabOrder(panel.parent)
    names = [name for name, _y, _x in order]
    assert {"loadButton", "modelSelector", "addCasesButton", "modelNameEdit", "modelSearchEdit"} <= set(names)
    for (name, y, x), (following, nextY, nextX) in zip(order, order[1:]):
        assert nextY > y or (abs(nextY - y) <= 4 and nextX > x), f"{name} is followed by {following}"


def test_looking_at_the_tab_order_harms_no_widget(app, tmp_path):
    """What the stand-in asks Qt for must not tie the life of one widget's wrapper to another widget."""
    import qt
    import slicer

    from standin.looks import tabOrder

    (tmp_path / "form.ui").write_text(
        '<ui version="4.0"><class>Form</class><widget class="QWidget" name="Form"><layout class="QVBoxLayout">'
        '<item><widget class="QTableWidget" name="table"/></item><item><widget class="QComboBox" name="box"/></item>'
        "</layout></widget></ui>"
    )
    form = slicer.util.loadUI(str(tmp_path / "form.ui"))
    table, box = (form.findChild(kind, name) for kind, name in ((qt.QTableWidget, "table"), (qt.QComboBox, "box")))
    table.setColumnCount(1)
    table.setRowCount(1)
    table.setCellWidget(0, 0, qt.QComboBox())
    standin.grab(form, tmp_path / "form.png")
    assert {"table", "box"} <= {name for name, _y, _x in tabOrder(form)}
    table.setRowCount(0)
    standin.processFor(0.01)  # Qt deletes the box in the table
    assert box.count == 0 and form.name == "Form"


def test_what_is_cut_off_is_found(app, tmp_path):
    import qt

    from standin.looks import cutOff

    widget = qt.QWidget()
    layout = qt.QVBoxLayout(widget)
    button, wide = qt.QPushButton("Start the training of the model"), qt.QPushButton("Stop")
    for child in (button, wide):
        layout.addWidget(child)
    standin.grab(widget, tmp_path / "whole.png", 440)
    assert cutOff(widget) == []
    button.setMaximumWidth(60)
    wide.setMinimumWidth(500)
    layout.setSizeConstraint(qt.QLayout.SetNoConstraint)
    standin.grab(widget, tmp_path / "cut.png", 440)
    assert cutOff(widget) == ["Start the training of the model", "Stop"]


def test_a_text_that_changes_while_the_picture_is_drawn_is_not_cut_off(app, tmp_path):
    """As the line about the computer, which gets longer once the computer is known."""
    import qt

    from standin.looks import cutOff

    widget = qt.QWidget()
    layout = qt.QVBoxLayout(widget)
    label = qt.QLabel("Looking at this computer...")
    label.setWordWrap(True)
    for child in (label, qt.QPushButton("Install PyTorch...")):
        layout.addWidget(child)
    timer = qt.QTimer()
    timer.connect("timeout()", lambda: label.setText(label.text + " and at what it can do" * 40))
    timer.start(0)
    standin.grab(widget, tmp_path / "grown.png", 440)
    timer.stop()
    assert "what it can do" in label.text and cutOff(widget) == []


def test_nothing_is_cut_off_on_a_screen_with_twice_the_pixels(app, tmp_path):
    """In a process of its own: Qt reads the factor when it starts. Light and dark style, and large letters."""
    from PySide6.QtGui import QImage

    script = repository / "Testing" / "walkthrough" / "looks.py"
    done = subprocess.run(
        [sys.executable, str(script), "--out", str(tmp_path)],
        env={**os.environ, "QT_SCALE_FACTOR": "2"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pictures = {path.stem: QImage(str(path)) for path in tmp_path.glob("*.png")}
    assert set(pictures) == {"looks-light", "looks-dark", "looks-large-letters"}
    assert pictures["looks-dark"].width() == 880
    corner = [pictures[f"looks-{style}"].pixelColor(2, 2).lightness() for style in ("light", "dark")]
    assert corner[0] > 200 and corner[1] < 80
