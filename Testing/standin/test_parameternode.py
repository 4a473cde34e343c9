"""Typed parameters in a real parameter node, and the widgets that can show them."""

from __future__ import annotations

import enum
import pathlib
from typing import Annotated, Optional, Union

import pytest

pytestmark = pytest.mark.usefixtures("slicerScene")


class Device(enum.Enum):
    AUTO = "auto"
    CPU = "cpu"


@pytest.fixture
def node(slicerScene):
    return slicerScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")


def wrapper(**hints):
    """Return a wrapper class with parameters given as name=hint or name=(hint, default)."""
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    body = {"__annotations__": {}}
    for name, hint in hints.items():
        if isinstance(hint, tuple):
            hint, body[name] = hint
        body["__annotations__"][name] = hint
    return parameterNodeWrapper(type("Parameters", (), body))


def test_values_are_kept_in_the_node(node):
    cls = wrapper(
        count=int,
        scale=(float, 2.5),
        name=(str, "x"),
        on=bool,
        device=(Device, Device.CPU),
        folder=pathlib.Path,
        sizes=list[int],
    )
    parameters = cls(node)
    assert (parameters.count, parameters.scale, parameters.name, parameters.on) == (0, 2.5, "x", False)
    assert parameters.device is Device.CPU and node.GetParameter("device") == "CPU"
    parameters.count, parameters.on, parameters.folder = 3, True, pathlib.Path("/data")
    parameters.sizes = [1, 2]
    parameters.sizes.append(3)
    again = cls(node)
    assert (again.count, again.on, again.folder) == (3, True, pathlib.Path("/data")) and again.sizes == [1, 2, 3]
    assert node.GetParameter("on") == "True"


def test_nodes_are_references(node, slicerScene):
    import slicer

    parameters = wrapper(
        volume=slicer.vtkMRMLScalarVolumeNode,
        output=Optional[slicer.vtkMRMLSegmentationNode],
        either=Union[slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLModelNode, None],
    )(node)
    assert parameters.volume is None and parameters.output is None
    volume = slicerScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    parameters.volume = parameters.either = volume
    assert parameters.volume is volume and parameters.either is volume
    assert node.GetNodeReferenceID("volume") == volume.GetID()
    with pytest.raises(TypeError):
        parameters.output = volume
    slicerScene.RemoveNode(volume)
    assert parameters.volume is None


def test_values_are_validated(node):
    from slicer.parameterNodeWrapper import Choice, Maximum, Minimum, WithinRange

    parameters = wrapper(
        a=Annotated[int, WithinRange(0, 5)],
        b=Annotated[float, Minimum(-1)],
        c=Annotated[int, Maximum(3)],
        d=(Annotated[str, Choice(["x", "y"])], "x"),
    )(node)
    for name, bad in (("a", 6), ("b", -2.0), ("c", 4), ("d", "z"), ("a", 2.5), ("a", None), ("d", 3)):
        with pytest.raises((ValueError, TypeError)):
            setattr(parameters, name, bad)
    parameters.a = 5
    assert parameters.a == 5


def test_an_unknown_parameter_raises(node):
    parameters = wrapper(count=int)(node)
    with pytest.raises(AttributeError, match="no parameter 'cuont'"):
        parameters.cuont = 3
    with pytest.raises(ValueError, match="Cannot find"):
        parameters.setValue("cuont", 3)


@pytest.mark.parametrize("hint", [complex, dict[str, int], object])
def test_a_type_without_a_serializer_raises(hint):
    with pytest.raises(TypeError, match="serializer"):
        wrapper(value=hint)


def test_a_reserved_name_raises():
    with pytest.raises(ValueError, match="reserved"):
        wrapper(connectGui=int)


def test_a_pack(node):
    from slicer.parameterNodeWrapper import parameterPack

    pack = parameterPack(type("Point", (), {"__annotations__": {"x": float, "y": float}, "y": 2.0}))
    parameters = wrapper(point=pack)(node)
    assert parameters.point == pack(0.0, 2.0)
    parameters.point.x = 4.0
    assert parameters.point.x == 4.0 and parameters.getValue("point.x") == 4.0
    with pytest.raises(AttributeError):
        parameters.point.z = 1.0


def test_widgets_and_parameters_follow_each_other(node, slicerScene):
    import ctk
    import qt
    import slicer
    from slicer.parameterNodeWrapper import WithinRange

    unit = Annotated[float, WithinRange(0, 1)]
    parameters = wrapper(
        on=bool,
        size=(Annotated[int, WithinRange(1, 9)], 3),
        scale=unit,
        device=Device,
        text=str,
        folder=pathlib.Path,
        volume=slicer.vtkMRMLScalarVolumeNode,
    )(node)
    selector = slicer.qMRMLNodeComboBox()
    selector.noneEnabled = True
    selector.setMRMLScene(slicerScene)
    widgets = {
        "on": qt.QCheckBox(),
        "size": qt.QSpinBox(),
        "scale": ctk.ctkSliderWidget(),
        "device": qt.QComboBox(),
        "text": qt.QLineEdit(),
        "folder": ctk.ctkPathLineEdit(),
        "volume": selector,
    }
    tag = parameters.connectParametersToGui(widgets)
    assert selector.nodeTypes == ("vtkMRMLScalarVolumeNode",)  # from the type hint
    assert widgets["size"].maximum == 9 and widgets["device"].count == 2

    widgets["on"].checked, widgets["size"].value, widgets["device"].currentIndex = True, 7, 1
    widgets["text"].text, widgets["folder"].currentPath, widgets["scale"].value = "t", "/p", 0.5
    volume = slicerScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    selector.setCurrentNode(volume)
    assert (parameters.on, parameters.size, parameters.device, parameters.text) == (True, 7, Device.CPU, "t")
    assert (parameters.folder, parameters.scale, parameters.volume) == (pathlib.Path("/p"), 0.5, volume)

    parameters.size, parameters.volume = 2, None
    assert widgets["size"].value == 2 and selector.currentNode() is None
    parameters.disconnectGui(tag)
    widgets["size"].value = 5
    parameters.text = "other"
    assert parameters.size == 2 and widgets["text"].text == "t"
    selector.setMRMLScene(None)


def test_only_slicers_connectors_exist(node):
    import ctk
    import qt

    parameters = wrapper(on=bool, text=str, size=int)(node)
    for name, widget in (
        ("on", qt.QRadioButton()),
        ("text", qt.QPlainTextEdit()),
        ("text", ctk.ctkSearchBox()),
        ("on", qt.QLineEdit()),
        ("size", qt.QTableWidget()),
    ):
        with pytest.raises(RuntimeError, match="Unable to create GUI connector"):
            parameters.connectParametersToGui({name: widget})
    with pytest.raises(RuntimeError, match="unbounded"):
        parameters.connectParametersToGui({"size": qt.QSlider()})
    with pytest.raises(RuntimeError, match="Choice"):
        parameters.connectParametersToGui({"text": qt.QComboBox()})


def test_gui_connects_by_the_dynamic_property(node):
    import qt

    parent = qt.QWidget()
    spin = qt.QSpinBox(parent)
    spin.setProperty("SlicerParameterName", "size")
    parameters = wrapper(size=(int, 4))(node)
    tag = parameters.connectGui(parent)
    assert spin.value == 4
    parameters.disconnectGui(tag)
    spin.setProperty("SlicerParameterName", "misspelled")
    with pytest.raises(ValueError, match="Cannot find"):
        parameters.connectGui(parent)


def test_closing_the_scene_resets_a_singleton_to_its_defaults(slicerScene):
    import slicer

    logic = slicer.ScriptedLoadableModule.ScriptedLoadableModuleLogic()
    node = logic.getParameterNode()
    assert logic.getParameterNode() is node
    parameters = wrapper(size=(int, 4))(node)
    parameters.size = 9
    slicerScene.Clear(0)
    assert parameters.size == 4
