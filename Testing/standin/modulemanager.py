"""``slicer.app.moduleManager()``, ``slicer.modules`` and the life of a scripted module."""

from __future__ import annotations

import importlib.util
import os
import sys

import slicer
from PySide6.QtCore import Property, QObject, Signal, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QVBoxLayout

from .declare import stored
from .mrmlwidgets import qSlicerWidget
from .pythonqt import wrap


class qSlicerScriptedLoadableModuleWidget(qSlicerWidget):
    """The C++ side of a scripted module's widget: makes the Python one and calls its setup, enter and exit."""

    def __init__(self, source: str = "", parent=None):
        super().__init__(parent)
        QVBoxLayout(self)
        self._source = source
        self._python = None
        self._entered = False

    def _instantiate(self) -> None:
        name = os.path.splitext(os.path.basename(self._source))[0]
        widgetClass = getattr(sys.modules[name], f"{name}Widget")
        self._python = widgetClass(wrap(self))
        setattr(slicer.modules, f"{name}Widget", self._python)

    def _call(self, method: str) -> None:
        function = getattr(self._python, method, None)
        if function is not None:
            function()

    @Slot(result=object)
    def self(self):
        return self._python

    @Slot()
    def reload(self) -> None:
        self._instantiate()
        self.setup()

    @Slot()
    def setup(self) -> None:
        self._call("setup")

    @Slot()
    def enter(self) -> None:
        self._entered = True
        self._call("enter")

    @Slot()
    def exit(self) -> None:
        self._entered = False
        self._call("exit")

    isEntered = Property(bool, lambda self: self._entered)


class qSlicerCoreModule(QObject):
    """A module of Slicer itself: name and logic. Its widget belongs to the desktop application only."""

    def __init__(self, name: str, logic) -> None:
        super().__init__()
        self.setObjectName(name)
        self._logic = logic

    name = Property(str, lambda self: self.objectName())

    @Slot(result=object)
    def logic(self):
        return self._logic

    @Slot(result=object)
    def widgetRepresentation(self):
        return None


class qSlicerScriptedLoadableModule(QObject):
    """A scripted module: what ``parent`` is in ScriptedLoadableModule.__init__."""

    title = stored("title", str, "")
    categories = stored("categories", "QStringList", [])
    contributors = stored("contributors", "QStringList", [])
    associatedNodeTypes = stored("associatedNodeTypes", "QStringList", [])
    helpText = stored("helpText", str, "")
    acknowledgementText = stored("acknowledgementText", str, "")
    dependencies = stored("dependencies", "QStringList", [])
    icon = stored("icon", QIcon, QIcon())
    hidden = stored("hidden", bool, False)
    index = stored("index", int, -1)
    widgetRepresentationCreationEnabled = stored("widgetRepresentationCreationEnabled", bool, True)

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._name = os.path.splitext(os.path.basename(path))[0]
        self._widget = None
        self._logic = slicer.vtkSlicerScriptedLoadableModuleLogic()
        self._logic.SetMRMLScene(slicer.mrmlScene)

    name = Property(str, lambda self: self._name)
    path = Property(str, lambda self: self._path)

    @Slot(result=object)
    def logic(self):
        return self._logic

    @Slot(result=object)
    def createNewWidgetRepresentation(self):
        widget = qSlicerScriptedLoadableModuleWidget(self._path)
        widget._instantiate()
        widget.setup()
        widget.setMRMLScene(slicer.mrmlScene)
        return widget

    @Slot(result=object)
    def widgetRepresentation(self):
        if self._widget is None:
            self._widget = self.createNewWidgetRepresentation()
        return self._widget


class _FactoryManager(QObject):
    def __init__(self, manager) -> None:
        super().__init__(manager)
        self._manager = manager

    @Slot(result="QStringList")
    def loadedModuleNames(self):
        return list(self._manager._modules)


class qSlicerModuleManager(QObject):
    """Knows the modules by name."""

    moduleLoaded = Signal(str)
    moduleAboutToBeUnloaded = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, QObject] = {}
        self._factory = _FactoryManager(self)

    @Slot(str, result=object)
    def module(self, name: str):
        return self._modules.get(name)

    @Slot(result="QStringList")
    def modulesNames(self):
        return list(self._modules)

    @Slot(result=object)
    def factoryManager(self):
        return self._factory

    def _add(self, name: str, module: QObject) -> None:
        self._modules[name] = module
        setattr(slicer.modules, name.lower(), wrap(module))
        setattr(slicer.moduleNames, name, name)

    def addCore(self, name: str, logic) -> None:
        """Register a module of Slicer itself."""
        self._add(name, qSlicerCoreModule(name, logic))

    def addScripted(self, path: str):
        """Import a scripted module file as Slicer does at start; return the Python module object."""
        name = os.path.splitext(os.path.basename(path))[0]
        folder = os.path.dirname(path)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        specification = importlib.util.spec_from_file_location(name, path)
        source = importlib.util.module_from_spec(specification)
        sys.modules[name] = source
        specification.loader.exec_module(source)
        module = qSlicerScriptedLoadableModule(path)
        self._add(name, module)
        instance = getattr(source, name)(wrap(module))
        setattr(slicer.modules, f"{name}Instance", instance)
        self.moduleLoaded.emit(name)
        return source

    def unload(self, name: str) -> None:
        """Unload a module as Slicer does when it quits: the module's widget cleans up, then it is gone."""
        self.moduleAboutToBeUnloaded.emit(name)
        module = self._modules.pop(name)
        widget = getattr(module, "_widget", None)
        if widget is not None:
            widget.deleteLater()
        for attribute in (name.lower(), f"{name}Instance", f"{name}Widget"):
            if hasattr(slicer.modules, attribute):
                delattr(slicer.modules, attribute)
