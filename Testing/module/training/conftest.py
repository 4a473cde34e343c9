"""What the tests of fine-tuning share: the panel's section, and a training, with processes that the tests control."""

from __future__ import annotations

import pytest
from trainingnodes import makeCase, makeVolume

import standin


@pytest.fixture
def panel(module, scene, models, trainings, processes, monkeypatch):
    """The module's widget, entered, with processes that do what the test says."""
    import slicer
    from fakes import FakeProcess

    from CMAformerSegmentationLib.training.queue import TrainingQueue

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
def picture(pictures):
    return lambda widget, name: standin.grab(widget.parent, pictures / f"train-{name}.png", 440)


@pytest.fixture
def start(trainingLogic, processes):
    """Start a training of two labeled cases and an unlabeled one; returns it and its process."""

    def start(name="Our hearts", **settings):
        labeled = [makeCase(f"Doe^Jane {n}", n) for n in range(2)]
        training = trainingLogic.startTraining(labeled, [makeVolume("Roe^Richard")[0]], name=name, **settings)
        return training, processes[training.id]

    return start


@pytest.fixture
def running(start):
    """A training whose process has begun."""
    training, process = start()
    standin.processUntil(lambda: process.running)
    process.begin()
    process.event("progress", done=10, total=100, unit="iterations", eta_s=90.0)
    standin.processUntil(lambda: training.job.progress.done == 10)
    return training, process
