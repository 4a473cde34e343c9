"""CTK's input widgets, declared as in CTK's headers (Libs/Widgets/ctk*.h)."""

from __future__ import annotations

import enum
from pathlib import Path

from PySide6.QtCore import Property, QEvent, Qt, Signal, Slot
from PySide6.QtGui import QIcon, QStandardItemModel
from PySide6.QtWidgets import (QComboBox, QDoubleSpinBox, QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QSlider,
                               QTextBrowser, QToolButton, QWidget)

from .declare import enumValues, forwarded, stored
from .interception import _answered


class _ScrollEffect(enum.IntEnum):
    NeverScroll = 0
    AlwaysScroll = 1
    ScrollWithFocus = 2
    ScrollWithNoVScrollBar = 3


@enumValues(_ScrollEffect)
class ctkComboBox(QComboBox):
    """A combo box with a text for "nothing chosen"."""

    returnRelease = Signal()

    defaultText = stored("defaultText", str, "", "_showDefault")
    defaultIcon = stored("defaultIcon", QIcon, QIcon())
    forceDefault = stored("forceDefault", bool, False)
    elideMode = stored("elideMode", int, Qt.TextElideMode.ElideNone.value)
    scrollWheelEffect = stored("scrollWheelEffect", int, 1)

    def _showDefault(self) -> None:
        self.setPlaceholderText(self.property("defaultText"))

    @Slot(str)
    def setCurrentUserDataAsString(self, text: str) -> None:
        self.setCurrentIndex(self.findData(text))

    currentUserDataAsString = Property(str, lambda self: str(self.currentData() or ""), setCurrentUserDataAsString)


class ctkCheckableComboBox(QComboBox):
    """A combo box whose items can be checked."""

    checkedIndexesChanged = Signal()
    returnRelease = Signal()
    SIGNATURES = {"setCheckState(PyObject,PyObject)": "setCheckState(QModelIndex,Qt::CheckState)",
                  "checkState(PyObject)": "checkState(QModelIndex)",
                  "setCheckableModel(PyObject)": "setCheckableModel(QAbstractItemModel*)"}

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setModel(QStandardItemModel(self))
        self.model().rowsInserted.connect(self._makeCheckable)
        self.model().dataChanged.connect(self._announce)

    def _makeCheckable(self, _parent, first: int, last: int) -> None:
        for row in range(first, last + 1):
            item = self.model().item(row)
            if item is not None:
                item.setCheckable(True)

    def _announce(self, _first, _last, roles=()) -> None:
        if Qt.ItemDataRole.CheckStateRole in roles:
            self.checkedIndexesChanged.emit()

    def _states(self) -> list:
        return [self.model().item(row).checkState() for row in range(self.count())]

    @Slot(result=object)
    def checkableModel(self):
        return self.model()

    @Slot(result=object)
    def checkedIndexes(self):
        return [self.model().index(row, 0) for row, state in enumerate(self._states()) if state == Qt.CheckState.Checked]

    @Slot(result=bool)
    def allChecked(self) -> bool:
        return all(state == Qt.CheckState.Checked for state in self._states())

    @Slot(result=bool)
    def noneChecked(self) -> bool:
        return all(state == Qt.CheckState.Unchecked for state in self._states())

    @Slot(object, object)
    def setCheckState(self, index, state) -> None:
        self.model().itemFromIndex(index).setCheckState(Qt.CheckState(state))

    @Slot(object, result=object)
    def checkState(self, index):
        return self.model().itemFromIndex(index).checkState()


class _Filter(enum.IntFlag):
    Dirs = 0x001
    Files = 0x002
    Drives = 0x004
    NoSymLinks = 0x008
    AllEntries = 0x007
    Readable = 0x010
    Writable = 0x020
    Executable = 0x040
    Modified = 0x080
    Hidden = 0x100
    System = 0x200
    NoDotAndDotDot = 0x1000
    NoDot = 0x2000
    NoDotDot = 0x4000


@enumValues(_Filter)
class ctkPathLineEdit(QWidget):
    """A path with a history and a browse button."""

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    label = stored("label", str, "")
    filters = stored("filters", int, int(_Filter.AllEntries))
    nameFilters = stored("nameFilters", "QStringList", [])
    options = stored("options", int, 0)
    settingKey = stored("settingKey", str, "")
    showHistoryButton = stored("showHistoryButton", bool, True)
    sizeAdjustPolicy = stored("sizeAdjustPolicy", int, 0)
    minimumContentsLength = stored("minimumContentsLength", int, 17)

    def __init__(self, *arguments):
        super().__init__(next((item for item in arguments if isinstance(item, QWidget)), None))
        self._combo = QComboBox(self)
        self._combo.setEditable(True)
        self._button = QToolButton(self)
        self._button.setText("...")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo, 1)
        layout.addWidget(self._button)
        self._valid = False
        self._combo.lineEdit().textChanged.connect(self._pathChanged)
        self._button.clicked.connect(lambda *_: self.browse())

    def _pathChanged(self, path: str) -> None:
        self.currentPathChanged.emit(path)
        valid = bool(path) and Path(path).exists()
        if valid != self._valid:
            self._valid = valid
            self.validInputChanged.emit(valid)

    @Slot(str)
    def setCurrentPath(self, path: str) -> None:
        self._combo.lineEdit().setText(path)

    currentPath = Property(str, lambda self: self._combo.currentText(), setCurrentPath)
    showBrowseButton = Property(bool, lambda self: not self._button.isHidden(),
                                lambda self, value: self._button.setVisible(value))

    @Slot()
    def browse(self) -> None:
        directories = self.property("filters") & _Filter.Files == 0
        path = _answered("getExistingDirectory" if directories else "getOpenFileName", (self,))
        if path:
            self.setCurrentPath(path)

    @Slot()
    def addCurrentPathToHistory(self) -> None:
        path = self._combo.currentText()
        if self._combo.findText(path) < 0:
            self._combo.insertItem(0, path)

    @Slot()
    def retrieveHistory(self) -> None:
        """The stand-in keeps no history between runs."""

    @Slot(result=object)
    def comboBox(self):
        return self._combo


class ctkDirectoryButton(QWidget):
    """A button that chooses a directory."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)

    caption = stored("caption", str, "")
    acceptMode = stored("acceptMode", int, QFileDialog.AcceptMode.AcceptOpen.value)
    elideMode = stored("elideMode", int, Qt.TextElideMode.ElideNone.value)
    options = stored("options", int, 1)
    text = forwarded(str, "_button", "text", "setText")
    icon = forwarded(QIcon, "_button", "icon", "setIcon")

    def __init__(self, *arguments):
        super().__init__(next((item for item in arguments if isinstance(item, QWidget)), None))
        self._button = QPushButton(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        self._path = ""
        self._button.clicked.connect(lambda *_: self.browse())

    def _setDirectory(self, path: str) -> None:
        if path != self._path:
            self._path = path
            self._button.setText(path)
            self.directoryChanged.emit(path)

    directory = Property(str, lambda self: self._path, _setDirectory)

    @Slot(result=str)
    def browse(self) -> str:
        path = _answered("getExistingDirectory", (self,))
        if path:
            self._setDirectory(path)
            self.directorySelected.emit(path)
        return path


class ctkSliderWidget(QWidget):
    """A slider with a spin box, for floating-point numbers."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    decimalsChanged = Signal(int)

    minimum = forwarded(float, "_spin", "minimum", "setMinimum")
    maximum = forwarded(float, "_spin", "maximum", "setMaximum")
    singleStep = forwarded(float, "_spin", "singleStep", "setSingleStep")
    prefix = forwarded(str, "_spin", "prefix", "setPrefix")
    suffix = forwarded(str, "_spin", "suffix", "setSuffix")
    pageStep = stored("pageStep", float, 10.0)
    tickInterval = stored("tickInterval", float, 0.0)
    tracking = stored("tracking", bool, True)
    popupSlider = stored("popupSlider", bool, False)
    invertedAppearance = stored("invertedAppearance", bool, False)
    invertedControls = stored("invertedControls", bool, False)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._slider.setRange(0, 1000)
        self._spin = QDoubleSpinBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._spin)
        self._spin.valueChanged.connect(self._changed)
        self._slider.valueChanged.connect(self._moved)

    def _span(self) -> float:
        return self._spin.maximum() - self._spin.minimum()

    def _changed(self, value: float) -> None:
        self._slider.blockSignals(True)
        self._slider.setValue(round(1000 * (value - self._spin.minimum()) / self._span()) if self._span() else 0)
        self._slider.blockSignals(False)
        self.valueChanged.emit(value)

    def _moved(self, position: int) -> None:
        self._spin.setValue(self._spin.minimum() + position / 1000 * self._span())

    @Slot(float)
    def setValue(self, value: float) -> None:
        self._spin.setValue(value)

    @Slot(int)
    def setDecimals(self, decimals: int) -> None:
        if decimals != self._spin.decimals():
            self._spin.setDecimals(decimals)
            self.decimalsChanged.emit(decimals)

    @Slot(bool)
    def setSpinBoxVisible(self, visible: bool) -> None:
        self._spin.setVisible(visible)

    @Slot()
    def reset(self) -> None:
        self.setValue(0.0)

    value = Property(float, lambda self: self._spin.value(), setValue)
    decimals = Property(int, lambda self: self._spin.decimals(), setDecimals)
    spinBoxVisible = Property(bool, lambda self: not self._spin.isHidden(), setSpinBoxVisible)


class ctkSearchBox(QLineEdit):
    """A line edit for filtering a list."""

    showSearchIcon = stored("showSearchIcon", bool, False)
    searchIcon = stored("searchIcon", QIcon, QIcon())
    clearIcon = stored("clearIcon", QIcon, QIcon())

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setPlaceholderText("Search...")


class ctkFittedTextBrowser(QTextBrowser):
    """A text browser as high as its text."""

    disableMouseScroll = stored("disableMouseScroll", bool, True)
    collapsed = stored("collapsed", bool, True)
    showDetailsText = stored("showDetailsText", str, "Show details...")
    hideDetailsText = stored("hideDetailsText", str, "Hide details.")

    def event(self, event) -> bool:
        if event.type() == QEvent.Type.Resize:
            self.setMaximumHeight(int(self.document().size().height()) + 4)
        return super().event(event)
