"""Connecting by signature, what slots receive, and what happens to their exceptions."""

from __future__ import annotations

import functools
import sys

import pytest

import standin
from standin import failures


@pytest.fixture
def qt(slicerApp):
    import qt

    return qt


@pytest.fixture
def button(qt):
    button = qt.QPushButton()
    button.checkable = True
    return button


def test_connect_by_signature_forgives_spaces_and_references(qt):
    edit, seen = qt.QLineEdit(), []
    assert edit.connect("textChanged( const QString & )", seen.append)
    edit.text = "a"
    assert seen == ["a"]


@pytest.mark.parametrize("signature", ["textChangd(QString)", "textChanged()", "textChanged(int)", "clicked()"])
def test_an_unknown_signature_raises(qt, signature):
    with pytest.raises(ValueError, match="has no signal"):
        qt.QLineEdit().connect(signature, print)
    with pytest.raises(ValueError, match="has no signal"):
        qt.QLineEdit().disconnect(signature, print)


@pytest.mark.parametrize("target", [(), ("clicked()",), (3,)])
def test_connect_needs_a_signature_and_a_callable(qt, button, target):
    with pytest.raises((TypeError, ValueError)):
        button.connect("clicked()", *target)
    with pytest.raises(ValueError, match="not a signal signature"):
        button.connect("clicked", print)


def test_a_signal_attribute_connects_where_there_is_one_signature(button):
    seen = []
    button.clicked.connect(lambda checked: seen.append(checked))
    button.toggled.connect(seen.append)
    button.click()
    assert seen == [True, True]


def test_a_signal_attribute_of_an_overloaded_signal_raises(slicerApp, slicerScene):
    import slicer

    selector = slicer.qMRMLNodeComboBox()
    with pytest.raises(ValueError, match="overloaded"):
        selector.currentNodeChanged.connect(print)
    assert selector.connect("currentNodeChanged(bool)", print)


def test_arguments_are_trimmed_for_functions_and_bound_methods_only(button):
    seen = []

    class Receiver:
        def none(self):
            seen.append("none")

        def default(self, force="not given"):
            seen.append(force)

        def everything(self, *arguments):
            seen.append(arguments)

        def __call__(self):
            seen.append("called")

    receiver = Receiver()
    for slot in (receiver.none, receiver.default, receiver.everything):
        button.connect("clicked(bool)", slot)
    button.click()
    assert seen == ["none", True, (True,)]
    assert not failures.collected()

    for untrimmed in (functools.partial(receiver.none), receiver):
        button.connect("toggled(bool)", untrimmed)
    button.click()
    assert [type(error) for error in failures.take()] == [TypeError, TypeError]


def test_clicked_without_arguments_passes_none(button):
    seen = []
    button.connect("clicked()", lambda *arguments: seen.append(arguments))
    button.click()
    assert seen == [()]


def test_disconnect(button):
    seen = []

    def slot():
        seen.append(1)

    button.connect("clicked(bool)", slot)
    assert button.disconnect("clicked(bool)", slot)
    assert not button.disconnect("clicked(bool)", slot)
    button.click()
    assert seen == []
    button.connect("clicked(bool)", slot)
    button.connect("clicked(bool)", slot)
    assert button.disconnect("clicked(bool)")
    button.click()
    assert seen == []


def test_a_connection_holds_its_receiver(button):
    class Receiver:
        def __init__(self):
            self.seen = []

        def slot(self):
            alive.append(self)

    alive = []
    button.connect("clicked()", Receiver().slot)
    button.click()
    assert len(alive) == 1


def test_connecting_to_a_slot_of_another_object(qt):
    box, button = qt.QCheckBox(), qt.QPushButton()
    assert box.connect("toggled(bool)", button, "setEnabled(bool)")
    box.checked = True
    box.checked = False
    assert not button.enabled
    with pytest.raises(ValueError, match="has no slot"):
        box.connect("toggled(bool)", button, "setNothing(bool)")
    with pytest.raises(ValueError, match="not those of the signal"):
        box.connect("toggled(bool)", qt.QLabel(), "setText(QString)")
    assert box.disconnect("toggled(bool)", button, "setEnabled(bool)")


def test_connecting_to_a_bound_qt_method(qt):
    box, button = qt.QCheckBox(), qt.QPushButton()
    box.connect("toggled(bool)", button.setDisabled)
    box.checked = True
    assert not button.enabled
    assert box.disconnect("toggled(bool)", button.setDisabled)


def test_an_exception_in_a_slot_fails_the_test(button):
    def slot():
        raise KeyError("broken slot")

    button.connect("clicked()", slot)
    button.click()
    with pytest.raises(failures.SlotError, match="broken slot") as caught:
        standin.processUntil(lambda: True)
    assert isinstance(caught.value.__cause__, KeyError)
    button.click()
    with pytest.raises(failures.SlotError, match="broken slot"):
        standin.checkRecords()
    standin.checkRecords()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_exceptions_in_timers_observers_threads_and_events_are_collected(qt, slicerScene):
    import threading

    def fail(*_):
        raise LookupError("broken callback")

    class Widget(qt.QWidget):
        def resizeEvent(self, event):
            fail()

    qt.QTimer.singleShot(0, fail)
    with pytest.raises(failures.SlotError):
        standin.processFor(0.05)
    tag = slicerScene.AddObserver(slicerScene.NodeAddedEvent, fail)
    slicerScene.AddNewNodeByClass("vtkMRMLTextNode")
    slicerScene.RemoveObserver(tag)
    assert len(failures.take()) == 1
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert len(failures.take()) == 1
    widget = Widget()
    widget.show()
    assert failures.take()


def test_a_warning_of_qt_fails_the_test(qt):
    widget = qt.QWidget()
    layout = qt.QVBoxLayout(widget)
    layout.addWidget(widget)
    assert any(isinstance(error, failures.QtWarning) for error in failures.take())


def test_emitting(qt, button):
    seen = []
    button.connect("clicked(bool)", seen.append)
    button.clicked.emit(True)
    button.clicked(False)
    assert seen == [True, False]


def test_process_signals(qt):
    process, seen = qt.QProcess(), []
    process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: seen.append((code, status)))
    process.start(sys.executable, ["-c", "print('out'); raise SystemExit(3)"])
    standin.processUntil(lambda: process.state() == qt.QProcess.NotRunning)
    assert seen == [(3, qt.QProcess.NormalExit)]
    assert process.readAllStandardOutput().data().split() == [b"out"]
