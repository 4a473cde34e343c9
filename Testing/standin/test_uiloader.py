"""The .ui file is loaded with Qt's loader, and everything that Slicer would not understand raises."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("slicerApp")

FORM = """<ui version="4.0"><class>Form</class>
<widget class="qMRMLWidget" name="Form"><layout class="QVBoxLayout" name="formLayout">{}</layout></widget>
<connections>{}</connections></ui>"""
CONNECTION = "<connection><sender>{}</sender><signal>{}</signal><receiver>{}</receiver><slot>{}</slot></connection>"


def widget(className, name="it", properties=""):
    return f'<item><widget class="{className}" name="{name}">{properties}</widget></item>'


def prop(name, value, stdset=""):
    return f'<property name="{name}"{stdset}>{value}</property>'


@pytest.fixture
def load(tmp_path):
    import slicer

    def load(body, connections=""):
        path = tmp_path / "form.ui"
        path.write_text(FORM.format(body, connections), encoding="utf8")
        return slicer.util.loadUI(str(path))

    return load


def test_widgets_have_their_slicer_classes(load):
    import ctk
    import qt
    import slicer

    form = load(widget("ctkCollapsibleButton", "a") + widget("qMRMLNodeComboBox", "b") + widget("QComboBox", "c"))
    ui = slicer.util.childWidgetVariables(form)
    assert type(form) is slicer.qMRMLWidget
    assert [type(item) for item in (ui.a, ui.b, ui.c)] == [
        ctk.ctkCollapsibleButton,
        slicer.qMRMLNodeComboBox,
        qt.QComboBox,
    ]


@pytest.mark.parametrize("className", ["QNothing", "ctkNothing", "qMRMLNothing"])
def test_an_unknown_class_raises(load, className):
    with pytest.raises(RuntimeError, match=f"unknown class '{className}'"):
        load(widget(className))


@pytest.mark.parametrize("className", ["QPushButton", "ctkSliderWidget", "qMRMLNodeComboBox"])
def test_an_unknown_property_raises(load, className):
    with pytest.raises(RuntimeError, match="'nothing': there is no such property"):
        load(widget(className, properties=prop("nothing", "<bool>true</bool>")))


def test_a_property_that_cannot_be_written_raises(load):
    with pytest.raises(RuntimeError, match="cannot be written"):
        load(widget("QComboBox", properties=prop("count", "<number>3</number>")))


def test_a_dynamic_property_needs_stdset(load):
    text = prop("SlicerParameterName", "<string>threshold</string>", ' stdset="0"')
    form = load(widget("QSpinBox", properties=text))
    assert form.findChildren(type(form.findChildren()[0]))
    import qt

    assert form.findChild(qt.QSpinBox).property("SlicerParameterName") == "threshold"
    with pytest.raises(RuntimeError, match="stdset"):
        load(widget("QSpinBox", properties=text.replace(' stdset="0"', "")))


def test_properties_of_slicers_widgets_are_set(load):
    import ctk
    import slicer

    section = prop("collapsed", "<bool>true</bool>") + prop("text", "<string>T</string>")
    types = prop("nodeTypes", "<stringlist><string>vtkMRMLModelNode</string></stringlist>")
    filters = prop("filters", "<set>ctkPathLineEdit::Files|ctkPathLineEdit::Readable</set>")
    form = load(
        widget("ctkCollapsibleButton", "a", section)
        + widget("qMRMLNodeComboBox", "b", types + prop("noneEnabled", "<bool>true</bool>"))
        + widget("ctkPathLineEdit", "c", filters)
    )
    ui = slicer.util.childWidgetVariables(form)
    assert ui.a.collapsed is True and ui.a.text == "T"
    assert ui.b.nodeTypes == ("vtkMRMLModelNode",) and ui.b.noneEnabled is True
    assert ui.c.filters == ctk.ctkPathLineEdit.Files | ctk.ctkPathLineEdit.Readable == 0x12


@pytest.mark.parametrize(
    "className, name, value",
    [
        ("ctkSliderWidget", "decimals", "<string>two</string>"),
        ("qMRMLNodeComboBox", "nodeTypes", "<string>vtkMRMLModelNode</string>"),
    ],
)
def test_a_value_of_the_wrong_type_raises(load, className, name, value):
    with pytest.raises(AttributeError, match="does not accept"):
        load(widget(className, properties=prop(name, value)))


@pytest.mark.parametrize(
    "className, name, value, message",
    [
        ("QLabel", "alignment", "<set>Qt::AlignRight|Qt::AlignNowhere</set>", "unknown value 'Qt::AlignNowhere'"),
        ("QLabel", "alignment", "<set>Qt::AlignmentFlag::AlignRight</set>", "Qt 5 cannot read"),
        ("QFrame", "frameShape", "<enum>QFrame::NoShape</enum>", "unknown value"),
        ("ctkPathLineEdit", "filters", "<set>ctkPathLineEdit::Nothing</set>", "unknown value"),
    ],
)
def test_an_unknown_enumeration_value_raises(load, className, name, value, message):
    with pytest.raises(RuntimeError, match=message):
        load(widget(className, properties=prop(name, value)))


def test_a_layout_is_checked_too(load):
    good = '<item><layout class="QHBoxLayout" name="row">{}</layout></item>'
    assert load(good.format(prop("spacing", "<number>3</number>") + prop("leftMargin", "<number>0</number>")))
    with pytest.raises(RuntimeError, match="no such property"):
        load(good.format(prop("padding", "<number>3</number>")))
    with pytest.raises(RuntimeError, match="unknown class"):
        load(good.replace("QHBoxLayout", "QNothingLayout").format(""))


def test_a_name_used_twice_raises(load):
    with pytest.raises(RuntimeError, match="more than once"):
        load(widget("QLabel", "same") + widget("QPushButton", "same"))


def test_a_broken_file_raises(tmp_path):
    import slicer

    with pytest.raises(RuntimeError, match="not found"):
        slicer.util.loadUI(str(tmp_path / "missing.ui"))


def test_the_scene_reaches_connected_widgets_only(load, slicerScene):
    import slicer

    link = CONNECTION.format("Form", "mrmlSceneChanged(vtkMRMLScene*)", "a", "setMRMLScene(vtkMRMLScene*)")
    form = load(widget("qMRMLNodeComboBox", "a") + widget("qMRMLNodeComboBox", "b"), link)
    ui = slicer.util.childWidgetVariables(form)
    form.setMRMLScene(slicerScene)
    assert ui.a.mrmlScene() is slicerScene and ui.a.enabled
    assert ui.b.mrmlScene() is None and not ui.b.enabled


@pytest.mark.parametrize(
    "parts, message",
    [
        (("Form", "mrmlSceneChanged(vtkMRMLNode*)", "a", "setMRMLScene(vtkMRMLScene*)"), "has no signal|not those"),
        (("Form", "sceneChanged()", "a", "setMRMLScene(vtkMRMLScene*)"), "has no signal|not those"),
        (("Form", "mrmlSceneChanged(vtkMRMLScene*)", "a", "setScene(vtkMRMLScene*)"), "has no slot"),
        (("Form", "mrmlSceneChanged(vtkMRMLScene*)", "missing", "setMRMLScene(vtkMRMLScene*)"), "no object 'missing'"),
        (("a", "currentNodeChanged(bool)", "b", "setText(QString)"), "not those of the signal"),
    ],
)
def test_a_wrong_connection_raises(load, parts, message):
    with pytest.raises(RuntimeError, match=message):
        load(widget("qMRMLNodeComboBox", "a") + widget("QLabel", "b"), CONNECTION.format(*parts))


def test_connections_between_qt_widgets_work(load):
    import slicer

    link = CONNECTION.format("a", "toggled(bool)", "b", "setEnabled(bool)")
    ui = slicer.util.childWidgetVariables(load(widget("QCheckBox", "a") + widget("QPushButton", "b"), link))
    ui.a.checked = True
    ui.a.checked = False
    assert ui.b.enabled is False
