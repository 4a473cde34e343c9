"""Slicer is closed while a training goes on: the user is asked, and nothing is lost."""

from __future__ import annotations

import pytest
from trainingnodes import makeCase

import standin


@pytest.fixture
def window(app, monkeypatch):
    """The main window, which the stand-in has not."""
    import qt
    import slicer

    window = qt.QMainWindow()
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: window)
    standin.setTesting(False)
    window.show()
    yield window
    standin.setTesting(True)


@pytest.fixture
def running(window, trainingLogic, processes):
    training = trainingLogic.startTraining([makeCase("Doe^Jane", 1)], name="Our hearts")
    process = processes[training.id]
    standin.processUntil(lambda: process.running)
    process.begin()
    standin.processUntil(lambda: training.state == "running")
    return training, process


def answer(button):
    """Answer the question with a button of it; returns where its text will be."""
    import qt

    texts = []

    def click(box):
        texts.append(box.text)
        texts.extend(box.button(getattr(qt.QMessageBox, name)).text for name in ("Yes", "No", "Cancel"))
        return getattr(qt.QMessageBox, button)

    standin.answer("QMessageBox", click)
    return texts


def test_it_goes_on_without_slicer(window, running):
    training, process = running
    texts = answer("Yes")
    assert window.close()
    assert "Our hearts" in texts[0] and texts[1:] == ["Go on without Slicer", "Pause the training", "Keep Slicer open"]
    assert process.running and not (training.job.folder / "CANCEL").exists()


def test_it_is_paused(window, running):
    training, _process = running
    answer("No")
    assert window.close()
    assert (training.job.folder / "CANCEL").exists()


def test_slicer_stays_open(window, running):
    training, process = running
    answer("Cancel")
    assert not window.close() and window.visible
    assert process.running and training.state == "running"


def test_nothing_is_asked_when_nothing_runs(window, running):
    training, process = running
    training.cancel()
    process.event("cancelled")
    process.exit(3)
    standin.processUntil(lambda: training.ended)
    standin.processFor(0.6)
    assert window.close()
