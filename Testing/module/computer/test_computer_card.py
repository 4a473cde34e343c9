"""The card at the top of the panel: the first run on each kind of computer. Pictures as in test_panel.py."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

import standin


@pytest.fixture
def panel(module, scene, models, fakeEngine, monkeypatch):
    """A widget of its own, not entered yet."""
    import slicer

    from CMAformerSegmentationLib.jobs import environment
    from CMAformerSegmentationLib.segmenting.taskRunner import TaskRunner

    monkeypatch.setattr(environment, "hasNvidiaCard", lambda: False)
    usual = slicer.util.getModuleWidget("CMAformerSegmentation")
    widget = slicer.util.getNewModuleWidget("CMAformerSegmentation")
    widget.logic.runner = TaskRunner(lambda folder: fakeEngine)
    widget.parent.show()
    yield widget
    widget.cleanup()
    slicer.modules.CMAformerSegmentationWidget = usual  # the one that Reload finds
    standin.setExtensions()


@pytest.fixture
def torch(monkeypatch):
    """Whether Slicer's Python has PyTorch: call it to change that."""
    spec, real = importlib.util.find_spec("torch"), importlib.util.find_spec
    monkeypatch.delitem(sys.modules, "torch", raising=False)

    def there(isThere: bool) -> None:
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, *more: (spec if isThere else None) if name == "torch" else real(name),
        )

    return there


@pytest.fixture
def installs(module, tmp_path, monkeypatch):
    """Make a shell script do what pip does: its text is the answer."""
    from CMAformerSegmentationLib.computer import torchInstaller

    program = tmp_path / "python"
    monkeypatch.setattr(torchInstaller, "pythonExecutable", lambda: str(program))

    def write(script: str) -> None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return write


@pytest.fixture
def install(say):
    """Press the button, and agree."""

    def press(panel) -> None:
        import qt

        say(qt.QMessageBox.Yes)
        panel.ui.installButton.click()

    return press


@pytest.fixture
def picture(pictures):
    return lambda widget, name: standin.grab(widget.parent, pictures / f"first-run-{name}.png", 420)


def volume():
    from CMAformerSegmentationLib.segmenting.selftest import makeTestVolume

    return makeTestVolume()


def text(panel) -> str:
    return panel.ui.computerLabel.text


def enter(panel):
    volume()
    panel.computerCard.torch.restart()
    panel.enter()
    standin.processUntil(lambda: not panel.computerCard._timer.active)


def buttons(panel):
    ui = panel.ui
    return [ui.installButton.visible, ui.installFolderButton.visible, ui.cancelInstallButton.visible]


def test_a_computer_that_is_ready(panel, torch, computer, picture):
    torch(True)
    enter(panel)
    assert text(panel) == "CPU with 4 cores, 16 GB · PyTorch 2.13.0."
    assert buttons(panel) == [False] * 3 and panel.ui.applyButton.enabled
    picture(panel, "cpu")


def test_time_for_the_volume(panel, torch, computer):
    torch(True)
    computer.update(device="cuda", name="NVIDIA GeForce RTX 3060", memory_mb=12288, megapixel_s=200.0)
    enter(panel)
    assert text(panel).startswith("NVIDIA GeForce RTX 3060, 12 GB · PyTorch 2.13.0 · about ")
    assert text(panel).endswith(" for this volume.")


def test_a_volume_that_was_segmented_tells_better_how_long_it_takes(panel, torch, computer, fakeEngine):
    torch(True)
    computer.update(megapixel_s=200.0)
    enter(panel)
    before = text(panel)
    assert "about" in before and "1 min 15 s" not in before
    panel.ui.applyButton.click()
    standin.processUntil(lambda: fakeEngine.jobs)
    fakeEngine.begin(6, 6)
    fakeEngine.finish(seconds=75.0)  # on the CPU, of which the card tells
    standin.processUntil(lambda: panel.segmentPanel.task.ended)
    assert text(panel).endswith("about 1 min 15 s for this volume.")


def test_a_time_on_another_device_is_not_told(panel, torch, computer, fakeEngine):
    torch(True)
    computer.update(device="cuda", name="NVIDIA GeForce RTX 3060", megapixel_s=1.0)
    enter(panel)
    before = text(panel)
    panel.ui.applyButton.click()
    standin.processUntil(lambda: fakeEngine.jobs)
    fakeEngine.begin(6, 6)
    fakeEngine.finish(seconds=75.0)  # on the CPU
    standin.processUntil(lambda: panel.segmentPanel.task.ended)
    assert text(panel) == before and "about" in before


def test_nothing_is_timed_beside_a_segmentation(panel, torch, computer, fakeEngine):
    torch(True)
    volume()
    panel.computerCard.torch.restart()
    panel.enter()
    panel.ui.applyButton.click()
    standin.processUntil(lambda: fakeEngine.jobs)
    standin.processFor(1.0)
    assert panel.computerCard.probe.state == "unknown" and text(panel) == "Looking at this computer..."
    fakeEngine.begin(6, 6)
    fakeEngine.finish()
    standin.processUntil(lambda: "CPU with 4 cores" in text(panel))


@pytest.mark.parametrize(
    "slicing, expected",
    [
        ("acquired", 20 * (40 * 1.0) * (30 * 0.5)),
        ("axial", 30 * (40 * 1.0) * (20 * 2.0)),
        ("orthogonal", 20 * (40 * 1.0) * (30 * 0.5) + 30 * (40 * 1.0) * (20 * 2.0) + 40 * (30 * 0.5) * (20 * 2.0)),
    ],
)
def test_pixels_that_a_model_sees(module, scene, slicing, expected):
    import slicer
    import vtk

    from CMAformerSegmentationLib.computer.probe import megapixels
    from CMAformerSegmentationLib.models.catalog import ModelEntry

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    image = vtk.vtkImageData()
    image.SetDimensions(40, 30, 20)
    image.AllocateScalars(vtk.VTK_SHORT, 1)
    node.SetAndObserveImageData(image)
    node.SetSpacing(1.0, 0.5, 2.0)  # k is the thick axis
    node.SetIJKToRASDirections([[0, 0, 1], [1, 0, 0], [0, 1, 0]])  # and j points to the head
    entry = ModelEntry("a", "", "", "", "", "", "", (), Path(), True, slicing, (1.0, 2.0))
    assert megapixels(node, entry) * 1e6 == pytest.approx(expected / (1.0 * 2.0))
    entry = ModelEntry("b", "", "", "", "", "", "", (), Path(), True, slicing, None)
    assert megapixels(node, entry) * 1e6 == pytest.approx(40 * 30 * 20 * (3 if slicing == "orthogonal" else 1))


def test_nothing_installed(panel, torch, installs, install, picture):
    torch(False)
    enter(panel)
    assert "is not installed yet" in text(panel) and "PyTorch is needed" in panel.ui.statusLabel.text
    assert buttons(panel) == [True, False, False] and not panel.ui.applyButton.enabled
    assert not panel.ui.startButton.enabled and not panel.ui.checkButton.enabled
    picture(panel, "nothing")
    standin.answer("installExtensionFromServer", True)
    installs("echo Downloading torch-2.12.1-cp312.whl; sleep 0.5")
    install(panel)
    assert text(panel) == "Installing the PyTorch extension..."
    standin.processUntil(lambda: "Downloading torch" in text(panel))
    assert standin.asked()[-1] == ("installExtensionFromServer", ("PyTorch", False, False))
    assert buttons(panel) == [False, False, True] and panel.ui.installProgressBar.visible
    assert panel.ui.statusLabel.text == "PyTorch is being installed." and not panel.ui.applyButton.enabled
    panel.ui.installLogGroupBox.collapsed = False
    picture(panel, "installing")
    torch(True)
    standin.processUntil(lambda: panel.ui.applyButton.enabled)
    standin.processUntil(lambda: text(panel).startswith("CPU with 4 cores"))
    assert buttons(panel) == [False] * 3 and not panel.ui.installLogGroupBox.visible


def test_the_extension_without_pytorch(panel, torch, installs, install):
    torch(False)
    standin.setExtensions("PyTorch")
    installs("sleep 60")
    enter(panel)
    install(panel)  # the extensions manager is not asked
    assert text(panel).startswith("Installing PyTorch, ") and panel.ui.cancelInstallButton.visible
    panel.ui.cancelInstallButton.click()
    assert text(panel) == "The installation of PyTorch was cancelled." and buttons(panel) == [True, False, False]


def test_an_installation_that_slicer_was_closed_in(panel, torch, installs, install):
    torch(False)
    standin.setExtensions("PyTorch")
    installs("sleep 60")
    enter(panel)
    install(panel)
    panel.cleanup()

    import slicer

    again = slicer.util.getNewModuleWidget("CMAformerSegmentation")
    try:
        again.parent.show()
        again.enter()
        standin.processUntil(lambda: "was not finished" in text(again))
        assert again.ui.installButton.text == "Go on installing PyTorch..."
        installs("true")
        install(again)
        torch(True)
        standin.processUntil(lambda: "cores" in text(again))
        assert again.ui.installButton.text == "Install PyTorch..."
    finally:
        again.cleanup()


def test_offline(panel, torch, installs, install, picture, tmp_path):
    torch(False)
    standin.setExtensions("PyTorch")
    installs("echo \"ProxyError('Cannot connect to proxy.')\"; exit 1")
    enter(panel)
    install(panel)
    standin.processUntil(lambda: panel.ui.installFolderButton.visible)
    assert "cannot be reached" in text(panel) and 'pip download "torch>=2.6' in text(panel)
    assert panel.ui.installButton.visible and "ProxyError" in panel.ui.installLogView.plainText
    picture(panel, "offline")
    installs("true")
    standin.answer("getExistingDirectory", str(tmp_path))
    panel.ui.installFolderButton.click()
    torch(True)
    standin.processUntil(lambda: text(panel).startswith("CPU with 4 cores"))
    assert buttons(panel) == [False] * 3


def test_a_graphics_card_that_fails_its_test(panel, torch, computer, picture):
    torch(True)
    computer.update(gpu_problem="no kernel image is available for execution on the device")
    enter(panel)
    assert "The graphics card does not work with this PyTorch (no kernel image" in text(panel)
    assert panel.ui.installButton.visible and panel.ui.installButton.text == "Install another PyTorch..."
    assert panel.ui.applyButton.enabled
    picture(panel, "gpu-fails")


def test_an_old_pytorch(panel, torch, computer):
    torch(True)
    computer.update(torch="2.2.2")
    enter(panel)
    assert "PyTorch 2.6 or newer is wanted." in text(panel) and panel.ui.installButton.visible


def test_a_card_that_the_pytorch_leaves_idle(panel, torch, monkeypatch):
    torch(True)
    monkeypatch.setattr(panel.computerCard, "_hasCard", True)
    enter(panel)
    assert "this PyTorch is for the CPU alone" in text(panel) and panel.ui.installButton.visible


def test_an_engine_that_does_not_answer(panel, torch, monkeypatch):
    from CMAformerSegmentationLib.computer import probe as computerProbe

    torch(True)
    monkeypatch.setattr(computerProbe, "engineCommand", lambda words: [sys.executable, "-c", "print('{bad')"])
    enter(panel)
    assert "could not be found out" in text(panel) and panel.ui.applyButton.enabled


def test_another_python_that_does_not_run(panel, monkeypatch):
    import qt

    from CMAformerSegmentationLib.jobs import environment

    qt.QSettings().setValue(environment.pythonKey, "/nowhere/python")
    try:
        panel.computerCard.torch.restart()
        enter(panel)
        assert "cannot be run" in text(panel) and buttons(panel) == [False] * 3
    finally:
        qt.QSettings().remove(environment.pythonKey)


def test_what_the_real_engine_says(panel, torch, monkeypatch):
    from CMAformerSegmentationLib.computer import probe as computerProbe
    from CMAformerSegmentationLib.jobs import environment

    torch(True)
    monkeypatch.setattr(computerProbe, "engineCommand", environment.engineCommand)
    volume()
    panel.enter()
    standin.processUntil(lambda: "for this volume" in text(panel), timeout=120)
    assert "PyTorch" in text(panel) and panel.computerCard.probe.facts.modelId == "tiny-1.0.0"
