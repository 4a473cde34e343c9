"""What a Qt class declares, read once from its meta-object: properties, signals, slots and invokable methods."""

from __future__ import annotations

import dataclasses
import gc

from PySide6 import QtCore

# Members newer than Qt 5.15, which Slicer's installers may use.
NEWER_THAN_QT5 = {"checkStateChanged", "accessibleIdentifier", "labelDrawingMode", "isQmlExposed", "isQuickItemType"}

_known: dict[type, ClassInfo] = {}


@dataclasses.dataclass(frozen=True)
class ClassInfo:
    """Members of a class. Signals and slots are {true C++ signature: signature as PySide6 has it}."""

    properties: dict[str, QtCore.QMetaProperty]
    signals: dict[str, str]
    slots: dict[str, str]
    methodNames: frozenset[str]


def _declared(qtClass: type) -> dict[str, str]:
    """Return the true C++ signature of what the stand-in's widgets declare with Python types, by PySide6 signature."""
    merged: dict[str, str] = {}
    for base in reversed(qtClass.__mro__):
        merged.update(vars(base).get("SIGNATURES", {}))
    return merged


def _read(qtObject) -> ClassInfo:
    metaObject, declared = qtObject.metaObject(), _declared(type(qtObject))
    properties = {}
    for index in range(metaObject.propertyCount()):
        found = metaObject.property(index)
        if found.name() not in NEWER_THAN_QT5:
            properties[found.name()] = found
    signals, slots = {}, {}
    for index in range(metaObject.methodCount()):
        method = metaObject.method(index)
        signature = bytes(method.methodSignature().data()).decode()
        if method.access() == QtCore.QMetaMethod.Access.Public and signature.split("(", 1)[0] not in NEWER_THAN_QT5:
            isSignal = method.methodType() == QtCore.QMetaMethod.MethodType.Signal
            (signals if isSignal else slots)[declared.get(signature, signature)] = signature
    return ClassInfo(properties, signals, slots, frozenset(signature.split("(", 1)[0] for signature in slots))


def classInfo(qtObject) -> ClassInfo:
    """Return the members of an object's class."""
    qtClass = type(qtObject)
    if qtClass not in _known:
        # PySide6 shares one wrapper per meta-object and ends it with any object that was asked for it: nothing may be
        # collected while it is read.
        wasEnabled = gc.isenabled()
        gc.disable()
        try:
            _known[qtClass] = _read(qtObject)
        finally:
            if wasEnabled:
                gc.enable()
    return _known[qtClass]


def classInfoOf(qtClass: type) -> ClassInfo:
    """Return the members of a widget or layout class."""
    if qtClass not in _known:
        classInfo(qtClass())
    return _known[qtClass]
