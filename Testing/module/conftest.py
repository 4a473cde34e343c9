"""What the tests of the Slicer side share: stand-in, loaded module, a tiny model, and an engine under control."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import standin

repository = Path(__file__).resolve().parents[2]
moduleFolder = repository / "CMAformerSegmentation"


@pytest.fixture(scope="session")
def app():
    return standin.start()


@pytest.fixture
def module(app):
    """The Python module as it is loaded now: some tests load it again, or unload all modules."""
    import slicer

    if not hasattr(slicer.modules, "cmaformersegmentation"):
        standin.loadModule(moduleFolder / "CMAformerSegmentation.py")
    return sys.modules["CMAformerSegmentation"]


@pytest.fixture(autouse=True)
def computer(module, monkeypatch):
    """What the engine says of the computer when the panel asks, at once and without PyTorch; tests change it."""
    from CMAformerSegmentationLib.computer import probe as computerProbe

    facts = {
        "type": "computer",
        "torch": "2.13.0+cpu",
        "device": "cpu",
        "name": None,
        "memory_mb": 16384,
        "cores": 4,
        "gpu_problem": "",
    }

    def command(arguments):
        answer = {**facts, **({"model": arguments[-1]} if "--model" in arguments else {})}
        return [sys.executable, "-S", "-c", f"print({json.dumps(answer)!r})"]

    monkeypatch.setattr(computerProbe, "engineCommand", command)
    return facts


@pytest.fixture(scope="session")
def modelsFolder(tmp_path_factory):
    """A folder with one tiny random model, made by another process: this one must stay free of torch."""
    folder = tmp_path_factory.mktemp("models")
    code = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[2:]; from tinymodel import save_tiny;"
        "save_tiny(Path(sys.argv[1]), title='Tiny heart', description='Three structures of a heart, for tests.',"
        "postprocessing={'largest_component': [1, 2, 3], 'fill_holes': []})"
    )
    paths = [str(repository / "Testing" / "engine"), str(moduleFolder)]
    subprocess.run([sys.executable, "-c", code, str(folder / "tiny-1.0.0"), *paths], check=True)
    return folder


@pytest.fixture
def scene(module):
    import slicer

    slicer.mrmlScene.Clear()
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear()


@pytest.fixture
def models(module, modelsFolder, tmp_path, monkeypatch):
    """The tiny model is the only one on this computer."""
    from CMAformerSegmentationLib import logic
    from CMAformerSegmentationLib.jobs import environment
    from CMAformerSegmentationLib.training import job as training

    own = tmp_path / "own models"
    for where in (environment, logic, training):
        monkeypatch.setattr(where, "bundledModelFolders", lambda: [modelsFolder])
        monkeypatch.setattr(where, "userModelFolder", lambda: own)
    return modelsFolder


@pytest.fixture
def logic(module, scene, models):
    """The logic with the real engine."""
    logic = module.CMAformerSegmentationLogic()
    yield logic
    logic.cleanup()


@pytest.fixture
def fakeEngine():
    from fakes import FakeEngine

    return FakeEngine()


@pytest.fixture
def fakeLogic(module, scene, models, fakeEngine):
    """The logic with an engine that does what the test says."""
    from CMAformerSegmentationLib.segmenting.taskRunner import TaskRunner

    logic = module.CMAformerSegmentationLogic()
    logic.runner = TaskRunner(lambda folder: fakeEngine)
    yield logic
    logic.cleanup()


@pytest.fixture
def tiny(modelsFolder):
    """The folder of the tiny model."""
    return modelsFolder / "tiny-1.0.0"


@pytest.fixture
def trainings(module, tmp_path, monkeypatch):
    """The folder of the trainings, empty."""
    from CMAformerSegmentationLib.segmenting import export
    from CMAformerSegmentationLib.training import checker as caseChecker
    from CMAformerSegmentationLib.training import heldOutView
    from CMAformerSegmentationLib.training import queue as trainingQueue

    folder = tmp_path / "trainings"
    for where in (trainingQueue, caseChecker, heldOutView, export):
        monkeypatch.setattr(where, "trainingsFolder", lambda: folder)
    return folder


@pytest.fixture
def processes(trainings):
    """Processes of the trainings that do what the test says, by the name of the training's folder."""
    return {}


@pytest.fixture
def trainingLogic(module, scene, models, processes):
    """The logic with such processes."""
    from fakes import FakeProcess

    from CMAformerSegmentationLib.training.queue import TrainingQueue

    logic = module.CMAformerSegmentationLogic()
    logic.queue = TrainingQueue(lambda folder: processes.setdefault(folder.name, FakeProcess(folder)))
    yield logic
    logic.cleanup()


@pytest.fixture
def say():
    """Answer the next question."""
    standin.setTesting(False)  # in testing mode nothing is asked
    yield lambda answer: standin.answer("ctkMessageBox", answer)
    standin.setTesting(True)


@pytest.fixture
def volume(scene, module):
    from CMAformerSegmentationLib.segmenting.selftest import makeTestVolume

    return makeTestVolume()


@pytest.fixture
def running(fakeLogic, fakeEngine, volume):
    """A task whose job the fake engine has begun."""
    from fakes import submitted

    task = submitted(fakeLogic.startSegmentation(volume), fakeEngine)
    fakeEngine.begin(done=3, total=6, secondsLeft=4.2)
    standin.processUntil(lambda: task.state == "running")
    return task


@pytest.fixture
def panel(module, scene, models, fakeEngine, monkeypatch):
    """The module's widget, entered, with the fake engine."""
    import slicer

    from CMAformerSegmentationLib.segmenting.taskRunner import TaskRunner

    widget = slicer.util.getModuleWidget("CMAformerSegmentation")
    runner = TaskRunner(lambda folder: fakeEngine)
    monkeypatch.setattr(widget.logic, "runner", runner)
    monkeypatch.setattr(widget.segmentPanel, "task", None)
    monkeypatch.setattr(widget.computerCard.torch, "state", "present")
    widget.parent.enter()
    yield widget
    runner.shutdown()
    widget.segmentPanel.task = None
    widget.parent.exit()


@pytest.fixture
def pictures(tmp_path):
    """The folder for pictures: $CMAFORMER_SCREENSHOTS, or a temporary one."""
    folder = Path(os.environ.get("CMAFORMER_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def picture(pictures):
    """Draw the module's widget."""
    return lambda widget, name: standin.grab(widget.parent, pictures / f"panel-{name}.png", 400)


@pytest.fixture
def result(panel, fakeEngine):
    """The panel with a result: three structures. Returns (panel, volume node, segmentation node, labels)."""
    from CMAformerSegmentationLib.segmenting.selftest import makeTestVolume

    volumeNode = makeTestVolume()
    volumeNode.SetName("Heart: 1/2")
    from panels import apply

    panel.enter()
    apply(panel, fakeEngine)
    fakeEngine.begin(6, 6)
    labels = fakeEngine.finish()
    standin.processUntil(lambda: panel.segmentPanel.task.ended)
    return panel, volumeNode, panel.ui.outputSelector.currentNode(), labels
