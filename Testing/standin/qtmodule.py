"""The ``qt`` and ``ctk`` modules, made from PySide6 and the stand-in's CTK widgets by one rule: wrap the class."""

from __future__ import annotations

import importlib
import inspect
import types

import shiboken6

from . import ctkbuttons, ctkinputs, ctkpaths
from .pythonqt import wrapperClass

_QT_MODULES = ("QtCore", "QtGui", "QtWidgets", "QtUiTools", "QtNetwork", "QtSvg", "QtPrintSupport")
# Classes that Qt 5 does not have: Slicer's installers may be built with either.
_NOT_IN_QT5 = {
    "QStringConverter",
    "QStringDecoder",
    "QStringEncoder",
    "QStringConverterBase",
    "QPermission",
    "QUntypedPropertyData",
    "QMessageLogger",
}


class _QtModule(types.ModuleType):
    """The module ``qt``: every Qt class that PythonQt wraps, and nothing that PySide6 adds."""

    def __getattr__(self, name: str):
        if name.startswith("Q") and name not in _NOT_IN_QT5:
            for moduleName in _QT_MODULES:
                try:
                    value = getattr(importlib.import_module(f"PySide6.{moduleName}"), name, None)
                except ImportError:
                    continue
                if isinstance(value, type) and issubclass(value, shiboken6.Object):
                    wrapped = wrapperClass(value)
                    setattr(self, name, wrapped)
                    return wrapped
        raise AttributeError(f"module 'qt' has no attribute '{name}'")


class _CtkModule(types.ModuleType):
    """The module ``ctk``: the CTK widgets that the stand-in has."""

    def __getattr__(self, name: str):
        raise AttributeError(f"module 'ctk' has no attribute '{name}' (if CTK has it, add it to Testing/standin)")


def ctkClasses() -> dict[str, type]:
    """Return the stand-in's CTK widgets by name."""
    return {
        name: value
        for module in (ctkbuttons, ctkinputs, ctkpaths)
        for name, value in vars(module).items()
        if name.startswith("ctk") and inspect.isclass(value) and value.__module__ == module.__name__
    }


def make() -> tuple[types.ModuleType, types.ModuleType]:
    """Return the modules ``qt`` and ``ctk``."""
    qt = _QtModule("qt", "Qt as PythonQt shows it (stand-in).")
    ctk = _CtkModule("ctk", "CTK as PythonQt shows it (stand-in).")
    for name, value in ctkClasses().items():
        setattr(ctk, name, wrapperClass(value))
    return qt, ctk
