"""What would wait for a person or nest the event loop raises, unless a test prepared the answer."""

from __future__ import annotations

import pytest

import standin
from standin.interception import WouldBlock


@pytest.fixture
def qt(slicerApp):
    import qt

    return qt


def test_a_file_dialog_without_an_answer_raises(qt):
    for name in ("getOpenFileName", "getSaveFileName", "getExistingDirectory", "getOpenFileNames"):
        with pytest.raises(WouldBlock, match=name):
            getattr(qt.QFileDialog, name)(None, "Title", "")


def test_a_prepared_answer_is_returned_once(qt):
    standin.answer("getOpenFileName", "/data/ct.nrrd")
    assert qt.QFileDialog.getOpenFileName(None, "Load", "") == "/data/ct.nrrd"
    assert standin.asked() == [("getOpenFileName", (None, "Load", ""))]
    with pytest.raises(WouldBlock):
        qt.QFileDialog.getOpenFileName(None, "Load", "")


def test_an_answer_that_nothing_asks_for_fails_the_test(slicerApp):
    standin.answer("getOpenFileName", "never used")
    with pytest.raises(AssertionError, match="nothing asked"):
        standin.checkRecords()


def test_message_boxes_and_dialogs(qt):
    with pytest.raises(WouldBlock):
        qt.QMessageBox.question(None, "Title", "Really?")
    box = qt.QMessageBox()
    box.text = "Really?"
    with pytest.raises(WouldBlock):
        box.exec_()
    with pytest.raises(WouldBlock):
        qt.QDialog().exec()
    standin.answer("QMessageBox", lambda shown: qt.QMessageBox.Yes if shown.text == "Really?" else qt.QMessageBox.No)
    assert box.exec_() == qt.QMessageBox.Yes


def test_the_event_loop_cannot_be_pumped_or_nested(qt, slicerApp):
    with pytest.raises(RuntimeError, match="re-entrant"):
        slicerApp.processEvents()
    with pytest.raises(RuntimeError, match="re-entrant"):
        qt.QApplication.processEvents()
    with pytest.raises(RuntimeError, match="nested"):
        qt.QEventLoop().exec_()
    with pytest.raises(RuntimeError, match="nested"):
        slicerApp.exec_()


def test_slicers_own_functions_may_process_events(slicerApp):
    import slicer

    slicer.util.delayDisplay("short", 50)


def test_waiting_for_a_process_needs_a_limit(qt):
    process = qt.QProcess()
    for arguments in ((), (-1,), (60000,)):
        with pytest.raises(RuntimeError, match="blocks"):
            process.waitForFinished(*arguments)
    assert process.waitForFinished(10) is False


def test_addresses_are_recorded_and_not_opened(qt):
    assert qt.QDesktopServices.openUrl(qt.QUrl("https://www.slicer.org")) is True
    assert [name for name, _ in standin.asked()] == ["openUrl"]


def test_installing_an_extension_needs_an_answer(slicerApp):
    manager = slicerApp.extensionsManagerModel()
    assert not manager.isExtensionInstalled("PyTorch")
    with pytest.raises(WouldBlock):
        manager.installExtensionFromServer("PyTorch")
    standin.answer("installExtensionFromServer", True)
    assert manager.installExtensionFromServer("PyTorch") is True
    standin.setExtensions("PyTorch")
    assert manager.isExtensionInstalled("PyTorch") and manager.interactive is True
    standin.setExtensions()


def test_messages_are_recorded_in_testing_mode(slicerApp):
    import slicer

    slicer.util.errorDisplay("broken")
    slicer.util.infoDisplay("done")
    slicer.util.confirmYesNoDisplay("go on?")
    assert standin.displayed() == [("error", "broken"), ("info", "done"), ("info", "go on?")]


def test_confirmations_are_asked_outside_testing_mode(qt):
    import slicer

    standin.setTesting(False)
    with pytest.raises(WouldBlock):
        slicer.util.confirmYesNoDisplay("go on?")
    standin.answer("ctkMessageBox", qt.QMessageBox.No)
    assert slicer.util.confirmYesNoDisplay("go on?") is False
    standin.answer("ctkMessageBox", qt.QMessageBox.Yes)
    assert slicer.util.confirmYesNoDisplay("go on?") is True


def test_try_with_error_display(slicerApp):
    import slicer

    with pytest.raises(ZeroDivisionError), slicer.util.tryWithErrorDisplay("Failed.", waitCursor=True):
        1 / 0  # noqa: B018
    standin.setTesting(False)
    with pytest.raises(ZeroDivisionError), slicer.util.tryWithErrorDisplay("Failed."):
        1 / 0  # noqa: B018
    assert standin.displayed() == [("error", "Failed.\n\ndivision by zero")]


def test_nothing_is_ever_installed(slicerApp):
    import slicer

    slicer.packaging.pip_ensure(["numpy"])
    with pytest.raises(RuntimeError, match="installs nothing"):
        slicer.packaging.pip_ensure(["numpy"], skip_in_testing=False)
    with pytest.raises(RuntimeError, match="installs nothing"):
        slicer.packaging.pip_install("numpy")
