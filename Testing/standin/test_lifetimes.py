"""Qt objects end with the last name for them, as in PythonQt; the collector, which runs in any thread, finds none."""

from __future__ import annotations

import gc

import pytest

pytestmark = pytest.mark.usefixtures("slicerApp")


def test_a_timer_without_a_name_is_gone_at_once():
    import qt

    rung = []
    gc.disable()
    try:
        timer = qt.QTimer()
        timer.destroyed.connect(lambda *_: rung.append("destroyed"))
        timer = None
        assert rung == ["destroyed"]
    finally:
        gc.enable()


def test_nothing_of_qt_waits_for_the_collector():
    import qt

    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        box = qt.QGroupBox()
        layout = qt.QVBoxLayout(box)
        edit = qt.QLineEdit()
        layout.addWidget(edit)
        edit.connect("textChanged(QString)", box.setTitle)
        edit.text = "title"
        qt.QSettings().value("CMAformer/Nothing")
        assert box.findChildren(qt.QLineEdit) == (edit,)
        edit.disconnect("textChanged(QString)")
        box = layout = edit = None
        gc.collect()
        from PySide6 import QtCore

        assert [found for found in gc.garbage if isinstance(found, QtCore.QObject)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
