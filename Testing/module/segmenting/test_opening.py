"""Opening the module is quick, loads no torch, and Reload and cleanup leave nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import standin

repository = Path(__file__).resolve().parents[3]

measure = """
import json, sys
import standin
from owntime import ownTime
standin.start()
import numpy, vtk, slicer.util
before = ownTime()
standin.loadModule(sys.argv[1])
standin.completeStartup()
widget = slicer.util.getModuleWidget("CMAformerSegmentation")
widget.enter()
seconds = ownTime() - before
print(json.dumps({"seconds": seconds, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


def test_opening_takes_under_a_second_and_imports_no_torch():
    best, modules = 1e9, set()
    for _attempt in range(3):  # the machine may be busy: the best of three says what the module costs
        answer = subprocess.run(
            [sys.executable, "-c", measure, str(repository / "CMAformerSegmentation" / "CMAformerSegmentation.py")],
            capture_output=True, text=True, check=True, cwd=repository / "Testing",
        )  # fmt: skip
        found = json.loads(answer.stdout.strip().splitlines()[-1])
        best, modules = min(best, found["seconds"]), modules | set(found["modules"])
        if best < 1:
            break
    print(f"opening took {best:.2f} s")
    assert best < 1
    assert not modules & {"torch", "SimpleITK", "scipy"}
    assert "CMAformerSegmentationLib" in modules


@pytest.fixture
def engineModules(monkeypatch):
    """What is imported of the engine is there again afterwards: tests of the engine may run in this process."""
    kept = {name: found for name, found in sys.modules.items() if name.partition(".")[0] == "cmaformer"}
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "cmaformer"]:
        del sys.modules[name]
    sys.modules.update(kept)


@pytest.mark.usefixtures("engineModules")
def test_reload_uses_the_new_code(module, scene, models):
    import slicer

    widget = slicer.util.getModuleWidget("CMAformerSegmentation")
    runner, panel = widget.logic.runner, sys.modules["CMAformerSegmentationLib.segmenting.panel"]
    widget.onReload()
    again = slicer.util.getModuleWidget("CMAformerSegmentation")
    try:
        assert again is not widget and again.logic.runner is not runner
        assert sys.modules["CMAformerSegmentationLib.segmenting.panel"] is not panel
        assert widget.Observations == [] and widget.segmentPanel is None
        again.enter()
        assert again.ui.statusLabel.text
        again.exit()
    finally:
        standin.loadModule(repository / "CMAformerSegmentation" / "CMAformerSegmentation.py")


def test_cleanup_removes_every_observer(module, scene):
    import slicer

    widget = slicer.util.getNewModuleWidget("CMAformerSegmentation")
    widget.enter()
    assert len(widget.Observations) == 4  # closing the scene, twice, reading one, and the parameter node
    widget.cleanup()
    assert widget.Observations == [] and widget._parameterNode is None
    slicer.mrmlScene.Clear()  # nothing of the old widget reacts any more


@pytest.mark.slow
def test_cleanup_stops_the_work_on_a_folder_and_on_many_volumes(module, scene, models, tmp_path):
    """Reload and the end of Slicer begin with `cleanup`; the process here is a real one."""
    import slicer

    from CMAformerSegmentationLib.segmenting.selftest import makeTestVolume

    widget = slicer.util.getNewModuleWidget("CMAformerSegmentation")
    widget.enter()
    widget.ui.batchGroupBox.collapsed = False
    for name in ("images", "results"):
        (tmp_path / name).mkdir()
        standin.answer("getExistingDirectory", str(tmp_path / name))
    widget.batchPanel.actions["folder"].trigger()
    widget.ui.batchButton.click()
    batch = widget.batchPanel.batch
    assert batch._process.isRunning()
    many = widget.logic.segmentMany([makeTestVolume(), makeTestVolume()], wait=False)
    widget.cleanup()
    assert batch.ended and not batch._process.isRunning() and widget.batchPanel is None
    assert many.ended and many.count("cancelled") == 2


def test_quitting_ends_a_running_job_and_the_engine(module, scene, models, fakeEngine):
    import slicer

    from CMAformerSegmentationLib.segmenting.selftest import makeTestVolume
    from CMAformerSegmentationLib.segmenting.taskRunner import TaskRunner

    widget = slicer.util.getModuleWidget("CMAformerSegmentation")
    widget.logic.runner = TaskRunner(lambda folder: fakeEngine)
    task = widget.logic.startSegmentation(makeTestVolume())
    standin.processUntil(lambda: fakeEngine.jobs)
    try:
        standin.quitApplication()
        assert task.state == "cancelled" and fakeEngine.stops == 1 and not fakeEngine.running
        assert not task.job.folder.exists()
    finally:
        standin.loadModule(repository / "CMAformerSegmentation" / "CMAformerSegmentation.py")


def test_the_module_describes_itself(module):
    import slicer

    parent = slicer.modules.cmaformersegmentation
    assert parent.title == "CMAformer Segmentation" and list(parent.categories) == ["Segmentation"]
    assert "research" in parent.helpText and parent.contributors


@pytest.mark.parametrize("folder", ["CMAformerSegmentationLib", "CMAformerSegmentation.py"])
def test_slicer_side_imports_the_door_alone_of_the_engine_and_never_torch(folder):
    import ast

    path = repository / "CMAformerSegmentation" / folder
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            names = [name for name in names if not f"{name}.".startswith("cmaformer.door.")]
            assert not {name.partition(".")[0] for name in names} & {"torch", "cmaformer"}, file.name
