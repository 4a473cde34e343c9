"""Which widget can show which parameter type: the connectors of Slicer's parameterNodeWrapper, and no others."""

from __future__ import annotations

import enum
import pathlib
import types
import typing

import ctk
import qt
import slicer

from .serializers import splitAnnotations
from .validators import Choice, Decimals, Maximum, Minimum, SingleStep, WithinRange


class GuiConnector:
    """Ties one widget to one parameter: ``signal`` announces the user's changes."""

    signal: str | None = None

    def __init__(self, widget, hint) -> None:
        self._widget, self._callback = widget, None
        self.kind, self.annotations = splitAnnotations(hint)
        self.prepare()

    @classmethod
    def canRepresent(cls, widget, kind) -> bool:
        """Return whether this connector is for the exact widget class and type."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Adjust the widget to the type."""

    def widget(self):
        """Return the widget."""
        return self._widget

    def changed(self) -> None:
        """Called by the widget."""
        if self._callback is not None:
            self._callback()

    def onChanged(self, callback) -> None:
        """Connect with a callback, or disconnect with None."""
        self._callback = callback
        if self.signal is not None:
            (self._widget.disconnect if callback is None else self._widget.connect)(self.signal, self.changed)

    def annotation(self, kind):
        """Return the first annotation of a kind, or None."""
        return next((item for item in self.annotations if isinstance(item, kind)), None)

    def read(self):
        """Return the widget's value."""
        raise NotImplementedError

    def write(self, value) -> None:
        """Show a value."""
        raise NotImplementedError


class _Bool(GuiConnector):
    signal = "toggled(bool)"

    @classmethod
    def canRepresent(cls, widget, kind) -> bool:
        return kind is bool and type(widget) in (
            qt.QCheckBox,
            ctk.ctkCheckBox,
            qt.QPushButton,
            ctk.ctkCheckablePushButton,
        )

    def prepare(self) -> None:
        if not self._widget.checkable:
            self._widget.checkable = True

    def read(self):
        return self._widget.checked

    def write(self, value) -> None:
        self._widget.checked = value


class _Number(GuiConnector):
    @classmethod
    def canRepresent(cls, widget, kind) -> bool:
        if type(widget) in (qt.QSlider, qt.QSpinBox):
            return kind is int
        return kind in (int, float) and type(widget) in (qt.QDoubleSpinBox, ctk.ctkSliderWidget)

    def prepare(self) -> None:
        isWhole = type(self._widget) in (qt.QSlider, qt.QSpinBox)
        self.signal = "valueChanged(int)" if isWhole else "valueChanged(double)"
        decimals, step = self.annotation(Decimals), self.annotation(SingleStep)
        if not isWhole:
            self._widget.decimals = 0 if self.kind is int else decimals.value if decimals else self._widget.decimals
        if step is not None:
            self._widget.singleStep = step.value
        limits = self.annotation(WithinRange)
        minimum, maximum = limits or self.annotation(Minimum), limits or self.annotation(Maximum)
        if type(self._widget) in (qt.QSlider, ctk.ctkSliderWidget) and (minimum is None or maximum is None):
            raise RuntimeError(f"Cannot have a connection to {self._widget.className()} where the type is unbounded.")
        lowest, highest = (-(2**31), 2**31 - 1) if isWhole else (float("-inf"), float("inf"))
        self._widget.minimum = lowest if minimum is None else minimum.minimum
        self._widget.maximum = highest if maximum is None else maximum.maximum

    def read(self):
        return self.kind(self._widget.value)

    def write(self, value) -> None:
        self._widget.value = value


class _Combo(GuiConnector):
    signal = "currentIndexChanged(int)"

    @classmethod
    def canRepresent(cls, widget, kind) -> bool:
        isKind = kind in (int, float, str, bool) or (isinstance(kind, type) and issubclass(kind, enum.Enum))
        return isKind and type(widget) in (qt.QComboBox, ctk.ctkComboBox)

    def prepare(self) -> None:
        if isinstance(self.kind, type) and issubclass(self.kind, enum.Enum):
            label = getattr(self.kind, "label", lambda item: item.name)
            self._choices, texts = list(self.kind), [label(item) for item in self.kind]
        else:
            choice = self.annotation(Choice)
            if choice is None:
                raise RuntimeError("ComboBoxToStringableConnector requires the Choice annotation to be used.")
            self._choices, texts = list(choice.choices), [str(item) for item in choice.choices]
        self._widget.clear()
        for text in texts:
            self._widget.addItem(text)

    def read(self):
        return self._choices[self._widget.currentIndex]

    def write(self, value) -> None:
        if value not in self._choices:
            raise ValueError(f"Unable to find value {value} in choices {self._choices}")
        self._widget.currentIndex = self._choices.index(value)


class _Text(GuiConnector):
    @classmethod
    def canRepresent(cls, widget, kind) -> bool:
        return kind is str and type(widget) in (qt.QLineEdit, qt.QLabel, qt.QTextEdit)

    def prepare(self) -> None:
        signals = {qt.QLineEdit: "textChanged(QString)", qt.QLabel: None, qt.QTextEdit: "textChanged()"}
        self.signal = signals[type(self._widget)]

    def read(self):
        return self._widget.toPlainText() if type(self._widget) is qt.QTextEdit else self._widget.text

    def write(self, value) -> None:
        if type(self._widget) is qt.QTextEdit:
            self._widget.setPlainText(value)
        elif value != self._widget.text:
            self._widget.text = value


class _Path(GuiConnector):
    @classmethod
    def canRepresent(cls, widget, kind) -> bool:
        isPath = isinstance(kind, type) and issubclass(kind, pathlib.PurePath)
        return isPath and type(widget) in (ctk.ctkPathLineEdit, ctk.ctkDirectoryButton)

    def prepare(self) -> None:
        isFile = type(self._widget) is ctk.ctkPathLineEdit
        self.signal = "currentPathChanged(QString)" if isFile else "directoryChanged(QString)"
        self._property = "currentPath" if isFile else "directory"

    def read(self):
        return self.kind(getattr(self._widget, self._property))

    def write(self, value) -> None:
        setattr(self._widget, self._property, str(value))


def _nodeClasses(kind) -> list[type] | None:
    """Return the node classes of a node type or a union of node types and None; None for anything else."""
    isUnion = typing.get_origin(kind) is typing.Union or isinstance(kind, types.UnionType)
    parts = [part for part in typing.get_args(kind) if part is not type(None)] if isUnion else [kind]
    if parts and all(isinstance(part, type) and issubclass(part, slicer.vtkMRMLNode) for part in parts):
        return parts
    return None


class _Node(GuiConnector):
    signal = "currentNodeChanged(vtkMRMLNode*)"

    @classmethod
    def canRepresent(cls, widget, kind) -> bool:
        return type(widget) is slicer.qMRMLNodeComboBox and _nodeClasses(kind) is not None

    def prepare(self) -> None:
        self._widget.nodeTypes = tuple(part().GetClassName() for part in _nodeClasses(self.kind))

    def read(self):
        return self._widget.currentNode()

    def write(self, value) -> None:
        self._widget.setCurrentNode(value)


def createGuiConnector(widget, hint) -> GuiConnector:
    """Return the connector of a widget for a type hint.

    :raises RuntimeError: when Slicer has no connector for the pair.
    """
    kind = splitAnnotations(hint)[0]
    for connector in (_Bool, _Number, _Combo, _Text, _Path, _Node):
        if connector.canRepresent(widget, kind):
            return connector(widget, hint)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{hint}' to widget type '{type(widget)}'.")
