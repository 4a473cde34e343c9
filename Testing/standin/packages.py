"""Puts the desktop-only parts into the ``slicer`` package: widgets, module base classes, i18n, packaging, testing."""

from __future__ import annotations

import importlib
import logging
import re
import sys
import types
import unittest

import slicer

from . import interception, uiloader

# What slicer.util's infoDisplay, warningDisplay, errorDisplay and confirm... showed: (level name, text).
displayed: list[tuple[str, str]] = []
# Packages that pip_install or pip_ensure was asked for; nothing is ever installed.
requested: list[str] = []


def _translate(context: str, text: str) -> str:
    return slicer.app.translate(context, text)


def _tr(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"_() takes a literal text, not {text!r}")
    return _translate(sys._getframe(1).f_globals.get("__name__", ""), text)


def _loadRequirements(path) -> list:
    from packaging.requirements import Requirement

    with open(path, encoding="utf8") as file:
        lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in file]
    return [Requirement(line) for line in lines if line]


def _pipInstall(requirements, **_keywords) -> None:
    requested.extend([requirements] if isinstance(requirements, str) else [str(item) for item in requirements])
    raise RuntimeError("the stand-in installs nothing")


def _pipEnsure(requirements, requester=None, skip_in_testing=True, **keywords) -> None:
    """As in Slicer, nothing happens in testing mode unless ``skip_in_testing=False``."""
    if slicer.app.testingEnabled() and skip_in_testing:
        return
    _pipInstall(requirements, **keywords)


def _runUnitTest(path, testname: str) -> None:
    sys.path.extend([path] if isinstance(path, str) else path)
    result = unittest.TextTestRunner(verbosity=2).run(unittest.TestLoader().loadTestsFromName(testname))
    if not result.wasSuccessful():
        raise RuntimeError(f"{testname} failed")


def _install(name: str, **contents) -> types.ModuleType:
    module = types.ModuleType(f"slicer.{name}")
    vars(module).update(contents)
    sys.modules[module.__name__] = module
    setattr(slicer, name, module)
    return module


def _recordDisplays() -> None:
    original = slicer.util._messageDisplay

    def record(logLevel, text, *arguments, **keywords):
        displayed.append((logging.getLevelName(logLevel).lower(), text))
        return original(logLevel, text, *arguments, **keywords)

    slicer.util._messageDisplay = record


def install() -> None:
    """Make the desktop-only names importable."""
    from PySide6.QtUiTools import QUiLoader
    from PySide6.QtWidgets import QApplication, QWidget

    from . import modulemanager, mrmlwidgets, nodecombobox, qtmodule, segmentwidgets
    from .pythonqt import wrap, wrapperClass

    widgets = {
        value.__name__: value
        for module in (mrmlwidgets, nodecombobox, segmentwidgets, modulemanager)
        for value in vars(module).values()
        if isinstance(value, type) and value.__name__.startswith(("qMRML", "qSlicer"))
    }
    for name, value in widgets.items():
        setattr(slicer, name, wrapperClass(value))
    uiloader.register(
        {name: value for name, value in {**widgets, **qtmodule.ctkClasses()}.items() if issubclass(value, QWidget)}
    )
    interception.replace(
        QUiLoader, "load", lambda _loader, device, parent=None: wrap(uiloader.load(device._qt, parent and parent._qt))
    )

    # Slicer looks for its main window among these, and here is none. PySide6 makes a Python object of each widget there
    # is, and has crashed over one that a test had left.
    interception.replace(QApplication, "topLevelWidgets", lambda _app: ())

    _install("i18n", tr=_tr, translate=_translate)
    _install("packaging", pip_ensure=_pipEnsure, pip_install=_pipInstall, load_requirements=_loadRequirements)
    _install("testing", runUnitTest=_runUnitTest, exitSuccess=lambda: None)
    sys.modules["SampleData"] = importlib.import_module("standin.sampledata")
    scripted = importlib.import_module("standin.scriptedmodule")
    sys.modules["slicer.ScriptedLoadableModule"] = slicer.ScriptedLoadableModule = scripted
    parts = {}
    for name in ("validators", "serializers", "connectors", "parameternode"):
        parts.update(
            {
                key: value
                for key, value in vars(importlib.import_module(f"standin.{name}")).items()
                if getattr(value, "__module__", "").startswith("standin.") and not key.startswith("_")
            }
        )
    parts["SlicerParameterNamePropertyName"] = "SlicerParameterName"
    _install("parameterNodeWrapper", **parts)
    _recordDisplays()
