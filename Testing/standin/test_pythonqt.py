"""Properties, methods, enumerations and values behave as PythonQt shows them."""

from __future__ import annotations

import threading

import pytest

pytestmark = pytest.mark.usefixtures("slicerApp")


@pytest.fixture
def qt(slicerApp):
    import qt

    return qt


def test_a_property_is_an_attribute_and_cannot_be_called(qt):
    combo = qt.QComboBox()
    combo.addItem("first", {"key": 1})
    assert combo.count == 1 and combo.currentText == "first" and combo.currentData == {"key": 1}
    with pytest.raises(TypeError, match="not callable"):
        combo.count()


def test_a_method_that_is_no_property_needs_the_call(qt):
    table = qt.QTableWidget(2, 3)
    assert table.rowCount == 2
    table.setItem(0, 1, qt.QTableWidgetItem("cell"))
    assert table.item(0, 1).text() == "cell"
    assert callable(table.item)


def test_setting_a_property(qt):
    bar = qt.QProgressBar()
    bar.maximum = 10
    bar.value = 3
    assert bar.value == 3


@pytest.mark.parametrize(
    "name, value",
    [
        ("text", 3),
        ("text", None),
        ("enabled", "yes"),
        ("toolTip", b"bytes"),
        ("minimumWidth", 1.5),
        ("minimumWidth", "9"),
        ("sizePolicy", 3),
    ],
)
def test_a_property_of_the_wrong_type_raises(qt, name, value):
    button = qt.QPushButton()
    before = getattr(button, name)
    with pytest.raises(AttributeError, match="does not accept"):
        setattr(button, name, value)
    assert getattr(button, name) == before


def test_a_read_only_property_raises(qt):
    with pytest.raises(AttributeError, match="not writable"):
        qt.QComboBox().count = 3


def test_no_attribute_can_be_added_to_a_plain_object(qt):
    for thing in (qt.QPushButton(), qt.QUrl("file:///x"), qt.QTimer()):
        with pytest.raises(AttributeError, match="no attribute"):
            thing.state = 1


def test_a_slot_or_signal_cannot_be_overwritten(qt):
    button = qt.QPushButton()
    for name in ("click", "clicked", "setText", "isEnabled"):
        with pytest.raises(AttributeError, match="can not be overwritten"):
            setattr(button, name, lambda: None)


@pytest.mark.parametrize(
    "name", ["nothing", "emit", "sender", "tr", "staticMetaObject", "checkStateChanged", "_standinWrapper"]
)
def test_what_pythonqt_does_not_have_raises(qt, name):
    with pytest.raises(AttributeError):
        getattr(qt.QCheckBox(), name)


@pytest.mark.parametrize(
    "name",
    [
        "QNothing",
        "QRegExp",
        "QTextCodec",
        "QDesktopWidget",
        "Signal",
        "Slot",
        "Property",
        "QStringDecoder",
        "qVersion",
        "QtCore",
    ],
)
def test_unknown_classes_raise(qt, name):
    with pytest.raises(AttributeError):
        getattr(qt, name)


def test_unknown_ctk_and_mrml_widgets_raise(slicerApp):
    import ctk
    import slicer

    with pytest.raises(AttributeError):
        ctk.ctkNothing  # noqa: B018
    with pytest.raises(AttributeError):
        slicer.qMRMLNothing  # noqa: B018


def test_name_is_the_object_name(qt):
    button = qt.QPushButton()
    button.name = "apply"
    assert button.objectName == "apply" == button.name


def test_enumerations_are_integers_of_the_class(qt):
    assert qt.Qt.Checked == 2 and isinstance(qt.Qt.Checked, int)
    assert qt.QMessageBox.No and qt.QMessageBox.Yes  # both are true: compare, do not test
    label = qt.QLabel()
    label.setAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    assert label.alignment == qt.Qt.AlignRight | qt.Qt.AlignVCenter == 0x82
    label.setAlignment(4)
    assert label.alignment == qt.Qt.AlignHCenter
    assert qt.QProcess().state() == qt.QProcess.NotRunning == 0
    with pytest.raises(AttributeError):
        qt.Qt.CheckState.Checked  # noqa: B018 - the Qt 6 spelling, unknown to PythonQt


def test_sequences_come_back_as_tuples(qt):
    parent = qt.QWidget()
    qt.QPushButton("a", parent)
    assert parent.findChildren(qt.QPushButton)[0].text == "a"
    assert isinstance(parent.children(), tuple)


def test_the_same_object_has_one_wrapper_of_the_exact_class(qt):
    parent = qt.QWidget()
    button = qt.QPushButton("a", parent)
    assert parent.findChild(qt.QPushButton) is button
    assert type(button) is qt.QPushButton and isinstance(button, qt.QWidget) and button.className() == "QPushButton"
    assert button.parent() is parent and button.inherits("QAbstractButton")


def test_trailing_underscore_and_keywords(qt):
    button = qt.QPushButton()
    assert button.raise_ and button.setText_
    with pytest.raises(TypeError, match="keyword"):
        button.setText(text="x")
    with pytest.raises(TypeError, match="keyword"):
        qt.QPushButton(text="x")


def test_wrong_arguments_raise(qt):
    with pytest.raises(ValueError, match="wrong arguments"):
        qt.QLabel().setText(1, 2)


def test_dynamic_properties(qt):
    button = qt.QPushButton()
    assert button.property("Own") is None
    button.setProperty("Own", "value")
    assert button.Own == "value"
    button.Own = "other"
    assert button.property("Own") == "other"


def test_a_python_subclass_keeps_attributes_and_is_called_by_qt(qt):
    class Dialog(qt.QDialog):
        def __init__(self):
            qt.QDialog.__init__(self)
            self.closed = False

        def closeEvent(self, event):
            self.closed = True
            event.ignore()

    dialog = Dialog()
    dialog.show()
    assert dialog.close() is False
    assert dialog.closed and dialog.isVisible()


def test_an_event_filter_gets_wrapped_objects(qt):
    class Filter(qt.QObject):
        def eventFilter(self, watched, event):
            self.seen = watched
            return False

    button, watcher = qt.QPushButton(), Filter()
    button.installEventFilter(watcher)
    button.text = "changed"
    button.show()
    assert watcher.seen is button


def test_a_destroyed_object_raises(qt):
    import standin

    button = qt.QPushButton()
    button.deleteLater()
    standin.processFor(0.02)
    with pytest.raises(ValueError, match="destroyed"):
        button.text  # noqa: B018
    with pytest.raises(AttributeError, match="destroyed"):
        button.text = "x"


def test_only_the_main_thread_may_touch_qt(qt):
    button, caught = qt.QPushButton(), []

    def use():
        for action in (lambda: button.text, lambda: setattr(button, "text", "x"), lambda: qt.QTimer()):
            try:
                action()
            except RuntimeError as error:
                caught.append(str(error))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert len(caught) == 3 and all("main thread" in text for text in caught)


def test_settings_are_private_to_the_run(qt, slicerApp):
    qt.QSettings().setValue("CMAformer/Test", "x")
    assert slicerApp.settings().value("CMAformer/Test") == "x"
    assert qt.QSettings().fileName().startswith(slicerApp.slicerUserSettingsFilePath.rsplit("/", 2)[0])
    qt.QSettings().remove("CMAformer/Test")
    assert not qt.QSettings().contains("CMAformer/Test")
