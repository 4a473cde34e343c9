"""Loads the module's real .ui file with Qt's own loader, after checking everything that Qt would silently accept.

An unknown widget class, an unknown property that is not marked ``stdset="0"``, an enumeration value that Qt cannot
read, a connection between signals and slots that do not exist or do not fit: each raises UiError with its place.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import failures, signals
from .classinfo import classInfoOf
from .pythonqt import isNative, wrap

_customClasses: dict[str, type] = {}

# Properties that the form format has although the classes do not: Qt's loader turns them into calls.
_FORM_ONLY = {
    "QLabel": {"buddy"},
    "Line": {"orientation"},
    "layout": {"leftMargin", "topMargin", "rightMargin", "bottomMargin"},
}


class UiError(RuntimeError):
    """The .ui file asks for something that Slicer does not have."""


def register(classes: dict[str, type]) -> None:
    """Make widget classes known by name, as Slicer's designer plugins do."""
    _customClasses.update(classes)


class _Loader(QtUiTools.QUiLoader):
    def __init__(self) -> None:
        super().__init__()
        self.made: list = []  # until the widgets have parents, nothing else holds them

    def createWidget(self, className, parent=None, name=""):
        if className not in _customClasses:
            return super().createWidget(className, parent, name)
        widget = _customClasses[className](parent)
        widget.setObjectName(name)
        self.made.append(widget)
        return widget


def _classOf(element: ElementTree.Element) -> type:
    name = element.get("class")
    if name in _customClasses:
        return _customClasses[name]
    if name == "Line":
        return QtWidgets.QFrame
    found = getattr(QtWidgets, name, None)
    if found is None:
        raise UiError(f"widget '{element.get('name')}': unknown class '{name}'")
    return found


def _nativeBase(qtClass: type) -> type:
    return next(base for base in qtClass.__mro__ if isNative(base))


def _enumKeys(value: ElementTree.Element, where: str) -> list[str]:
    keys = [key.strip() for key in (value.text or "").split("|") if key.strip()]
    for key in keys:
        if key.count("::") > 1:
            raise UiError(f"{where}: '{key}' is the Qt 6 spelling, which Qt 5 cannot read; write Class::Value")
    return keys


def _checkProperties(element: ElementTree.Element, qtClass: type, kind: str) -> Iterator[ElementTree.Element]:
    """Check an element's properties; yield those of the stand-in's own classes, which Qt's loader must not get."""
    properties = classInfoOf(qtClass).properties
    own = {name for base in qtClass.__mro__ if not isNative(base) for name in vars(base)}
    for item in element.findall("property"):
        name, where = item.get("name"), f"{element.get('class')} '{element.get('name')}', property '{item.get('name')}'"
        found = properties.get(name)
        if found is None:
            if item.get("stdset") == "0" or name in _FORM_ONLY.get(kind, ()):
                continue
            raise UiError(f'{where}: there is no such property (a dynamic property needs stdset="0")')
        if not found.isWritable():
            raise UiError(f"{where}: it cannot be written")
        value = item[0]
        if name in own:
            yield item
        elif value.tag in ("enum", "set"):
            enumerator = found.enumerator()
            for key in _enumKeys(value, where):
                if enumerator.isValid() and enumerator.keyToValue(key.split("::")[-1])[0] < 0:
                    raise UiError(f"{where}: unknown value '{key}'")


def _value(item: ElementTree.Element, qtClass: type):
    """Return the Python value of a property element."""
    value = item[0]
    text = value.text or ""
    if value.tag == "bool":
        return text.strip() == "true"
    if value.tag in ("number", "double"):
        return float(text) if value.tag == "double" else int(text)
    if value.tag == "stringlist":
        return [entry.text or "" for entry in value.findall("string")]
    if value.tag == "size":
        return QtCore.QSize(int(value.findtext("width")), int(value.findtext("height")))
    if value.tag in ("enum", "set"):
        total = 0
        for key in _enumKeys(value, item.get("name")):
            scope, _, name = key.rpartition("::")
            owner = QtCore.Qt if scope == "Qt" else getattr(QtWidgets, scope, _customClasses.get(scope, qtClass))
            if not hasattr(owner, name):
                raise UiError(f"property '{item.get('name')}': unknown value '{key}'")
            total |= int(getattr(getattr(owner, name), "value", getattr(owner, name)))
        return total
    if value.tag in ("string", "cstring"):
        return text
    raise UiError(f"property '{item.get('name')}': the stand-in does not read <{value.tag}> values")


def _connect(root, connection: ElementTree.Element) -> None:
    text = {part: (connection.findtext(part) or "").strip() for part in ("sender", "signal", "receiver", "slot")}
    where = "connection {sender}.{signal} -> {receiver}.{slot}".format(**text)
    ends = []
    for part in ("sender", "receiver"):
        name = text[part]
        found = root if root.objectName() == name else root.findChild(QtCore.QObject, name)
        if found is None:
            raise UiError(f"{where}: there is no object '{name}'")
        ends.append(found)
    try:
        signals.connect(wrap(ends[0]), text["signal"], wrap(ends[1]), text["slot"])
    except ValueError as error:
        raise UiError(f"{where}: {error}") from error


def load(device, parent=None):
    """Return the widget tree of a .ui file.

    :param device: an open QIODevice of PySide6, e.g. a QFile.
    :raises UiError: for anything that Slicer would not understand.
    """
    tree = ElementTree.fromstring(bytes(device.readAll()))
    deferred = []
    for element in tree.iter("widget"):
        qtClass = _classOf(element)
        kind = element.get("class") if element.get("class") in _FORM_ONLY else _nativeBase(qtClass).__name__
        for item in list(_checkProperties(element, qtClass, kind)):
            deferred.append((element.get("name"), item, qtClass))
            element.remove(item)
    for element in tree.iter("layout"):
        layoutClass = getattr(QtWidgets, element.get("class"), None)
        if layoutClass is None:
            raise UiError(f"layout '{element.get('name')}': unknown class '{element.get('class')}'")
        list(_checkProperties(element, layoutClass, "layout"))
    names = [element.get("name") for kind in ("widget", "layout") for element in tree.iter(kind) if element.get("name")]
    for name in {name for name in names if names.count(name) > 1}:
        raise UiError(f"the name '{name}' is used more than once")
    connections = tree.find("connections")
    if connections is not None:
        tree.remove(connections)

    buffer = QtCore.QBuffer()
    buffer.setData(ElementTree.tostring(tree))
    buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
    loader, messages = _Loader(), []
    QtCore.qInstallMessageHandler(lambda _kind, _context, message: messages.append(message))
    try:
        root = loader.load(buffer, parent)
    finally:
        QtCore.qInstallMessageHandler(failures.collectQtMessage)
    if root is None or messages:
        raise UiError(f"Qt could not load the file: {'; '.join(messages) or loader.errorString()}")
    root._standinMade = loader.made
    for name, item, qtClass in deferred:
        widget = root if root.objectName() == name else root.findChild(QtWidgets.QWidget, name)
        setattr(wrap(widget), item.get("name"), _value(item, qtClass))
    for connection in connections if connections is not None else ():
        _connect(root, connection)
    return root
