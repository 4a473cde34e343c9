"""CTK's input widgets, declared as in CTK's headers (Libs/Widgets/ctk*.h)."""

from __future__ import annotations

import enum

from PySide6.QtCore import Property, QEvent, Qt, Signal, Slot
from PySide6.QtGui import QIcon, QStandardItemModel
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QLineEdit, QSlider, QTextBrowser, QWidget

from .declare import enumValues, forwarded, stored


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
    SIGNATURES = {
        "setCheckState(PyObject,PyObject)": "setCheckState(QModelIndex,Qt::CheckState)",
        "checkState(PyObject)": "checkState(QModelIndex)",
        "setCheckableModel(PyObject)": "setCheckableModel(QAbstractItemModel*)",
    }

    def __init__(self, parent=None):
        super().__init__(parent)
        self._checkedRows: list[int] = []
        self.setModel(QStandardItemModel(self))
        self.model().rowsInserted.connect(self._makeCheckable)
        self.model().dataChanged.connect(self._announce)

    def _makeCheckable(self, _parent, first: int, last: int) -> None:
        for row in range(first, last + 1):
            item = self.model().item(row)
            if item is not None:
                item.setCheckable(True)

    def _announce(self, *_) -> None:
        checked = [index.row() for index in self.checkedIndexes()]
        if checked != self._checkedRows:
            self._checkedRows = checked
            self.checkedIndexesChanged.emit()

    def _states(self) -> list:
        return [self.model().item(row).checkState() for row in range(self.count())]

    @Slot(result=object)
    def checkableModel(self):
        return self.model()

    @Slot(result=object)
    def checkedIndexes(self):
        checked = Qt.CheckState.Checked
        return [self.model().index(row, 0) for row, state in enumerate(self._states()) if state == checked]

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
