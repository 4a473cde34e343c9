"""A scripted module lives in the stand-in as in Slicer: loading, its panel, reloading, quitting, its self test."""

from __future__ import annotations

from pathlib import Path

import pytest

import standin

PATH = Path(__file__).parent / "example" / "StandinExample.py"


@pytest.fixture
def widget(slicerScene):
    import slicer

    standin.loadModule(PATH)
    yield slicer.util.getModuleWidget("StandinExample")
    if hasattr(slicer.modules, "standinexample"):
        standin.unloadModule("StandinExample")


def test_the_module_is_known_to_slicer(widget):
    import slicer

    module = slicer.modules.standinexample
    assert module.title == "Example" and module.categories == ("Segmentation",) and module.path == str(PATH)
    assert slicer.util.getModule("StandinExample") is module
    assert slicer.util.modulePath("StandinExample") == str(PATH)
    assert slicer.modules.StandinExampleWidget is widget
    assert slicer.util.getModuleLogic("StandinExample") is widget.logic
    assert "StandinExample" in slicer.util.moduleNames()


def test_the_panel_works_on_the_scene(widget, slicerScene):
    volume = slicerScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    widget.ui.inputSelector.setCurrentNode(volume)
    assert widget.parameterNode.inputVolume is volume
    widget.parameterNode.threshold = 60.0
    assert widget.ui.thresholdSlider.value == 60.0
    widget.ui.applyButton.click()
    assert widget.events == ["apply"]


def test_enter_exit_and_closing_the_scene(widget):
    import slicer

    representation = slicer.modules.standinexample.widgetRepresentation()
    representation.enter()
    representation.exit()
    standin.closeScene()
    assert widget.events == ["enter", "exit", "close"]


def test_reloading_cleans_up_and_makes_a_new_widget(widget):
    import slicer

    widget.onReload()
    new = slicer.util.getModuleWidget("StandinExample")
    assert new is not widget and type(new) is not type(widget)
    assert widget.events == ["cleanup"]
    standin.closeScene()
    assert widget.events == ["cleanup"] and new.events == ["close"]


def test_unloading_calls_cleanup_once(widget):
    import slicer

    standin.unloadModule("StandinExample")
    assert widget.events == ["cleanup"] and not hasattr(slicer.modules, "standinexample")


def test_quitting_announces_and_cleans_up(widget, slicerApp):
    order = []
    slicerApp.connect("aboutToQuit()", lambda: order.append(list(widget.events)))
    standin.quitApplication()
    slicerApp.disconnect("aboutToQuit()")
    assert order == [[]] and widget.events == ["cleanup"]


def test_the_self_test_runs(widget):
    import sys

    import slicer

    test = sys.modules["StandinExample"].StandinExampleTest
    before = test.ran
    slicer.selfTests["StandinExample"]()
    assert test.ran == before + 1


def test_a_failing_self_test_raises(widget, monkeypatch):
    import sys

    import slicer

    test = sys.modules["StandinExample"].StandinExampleTest
    monkeypatch.setattr(test, "test_Example", lambda self: self.assertEqual(1, 2))
    with pytest.raises(AssertionError):
        slicer.selfTests["StandinExample"]()


def test_the_parent_takes_declared_properties_only(widget):
    import slicer

    module = slicer.modules.standinexample
    with pytest.raises(AttributeError, match="no attribute"):
        module.category = "Segmentation"
    with pytest.raises(AttributeError, match="does not accept"):
        module.categories = "Segmentation"


def test_an_error_in_setup_is_raised(tmp_path, slicerScene):
    import slicer

    path = tmp_path / "BrokenExample.py"
    path.write_text(
        "from slicer.ScriptedLoadableModule import *\n"
        "class BrokenExample(ScriptedLoadableModule): pass\n"
        "class BrokenExampleWidget(ScriptedLoadableModuleWidget):\n"
        "    def setup(self): raise KeyError('setup')\n",
        encoding="utf8",
    )
    standin.loadModule(path)
    with pytest.raises(KeyError, match="setup"):
        slicer.util.getModuleWidget("BrokenExample")
    standin.unloadModule("BrokenExample")


def test_a_picture_of_the_panel(widget, tmp_path):
    from PySide6.QtGui import QImage

    image = QImage(standin.grab(widget.parent, tmp_path / "panel.png"))
    assert image.width() == 420 and image.height() > 300
    colors = {image.pixel(x, y) for x in range(0, 420, 3) for y in range(0, image.height(), 3)}
    assert len(colors) > 10


def test_waiting_for_what_never_comes_ends(slicerApp):
    with pytest.raises(TimeoutError):
        standin.processUntil(lambda: False, 0.05)


def test_samples_are_registered_as_in_slicer(slicerApp):
    import SampleData
    import slicer

    register = SampleData.SampleDataLogic.registerCustomSampleDataSource
    for _twice in range(2):
        register("Stand-in", "one", uris="https://example.org/a.nrrd", fileNames="a.nrrd", nodeNames="a")
    assert [source.sampleName for source in slicer.modules.sampleDataSources.pop("Stand-in")] == ["one"]
    with pytest.raises(ValueError, match="the same length"):
        register("Stand-in", "two", uris=["https://example.org/a.nrrd"], fileNames=[])


def test_translations(slicerApp):
    from slicer.i18n import tr, translate

    assert tr("Apply") == "Apply" and translate("Context", "Apply") == "Apply"
    with pytest.raises(TypeError, match="literal"):
        tr(None)


def test_the_application_object(slicerApp):
    import slicer

    assert slicer.app.mrmlScene() is slicer.mrmlScene
    assert slicer.app.applicationLogic().GetMRMLScene() is slicer.mrmlScene
    assert Path(slicer.app.temporaryPath).is_dir() and Path(slicer.app.slicerHome).is_dir()
    assert slicer.app.testingEnabled() is True and slicer.app.layoutManager() is None
    assert slicer.util.mainWindow() is None
    with pytest.raises(AttributeError):
        slicer.app.temporaryPaht  # noqa: B018
    with pytest.raises(AttributeError, match="not writable"):
        slicer.app.slicerHome = "/elsewhere"
    assert slicer.modules.segmentations.logic().IsA("vtkSlicerSegmentationsModuleLogic")
    with pytest.raises(AttributeError):
        slicer.modules.nothing  # noqa: B018


def test_names_of_slicer_util_are_not_in_slicer(slicerApp):
    import slicer

    assert slicer.util.loadVolume and slicer.util.VTKObservationMixin
    for name in ("loadVolume", "VTKObservationMixin", "getNode"):
        assert not hasattr(slicer, name)
