"""A stand-in for Slicer's desktop application, for tests. It is not Slicer: see README.md beside this file.

``start()`` makes ``slicer``, ``qt`` and ``ctk`` importable as in Slicer's Python console; ``loadModule(path)`` loads a
scripted module; ``processUntil(condition)`` runs the event loop and fails on exceptions in slots.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
import types

from . import failures

_app = None


def start():
    """Start the stand-in (once per process) and return ``slicer.app``."""
    global _app
    if _app is not None:
        return _app
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    _keepConstantsAlive()
    from . import packages, qtmodule

    sys.modules["qt"], sys.modules["ctk"] = qtmodule.make()
    import slicer
    import slicer.util

    for name in ("modules", "moduleNames"):
        namespace = types.ModuleType(f"slicer.{name}")
        sys.modules[f"slicer.{name}"] = namespace
        setattr(slicer, name, namespace)
    _removeLeaks(slicer)
    from . import application
    from .pythonqt import wrap

    app = application.makeApplication()
    failures.install()
    _app = slicer.app = wrap(app)
    from vtkmodules.vtkCommonCore import vtkObject

    # slicer-core does not ship Slicer's color and terminology files; the logics complain about them once, here.
    vtkObject.GlobalWarningDisplayOff()
    application.makeScene(app)
    vtkObject.GlobalWarningDisplayOn()
    packages.install()
    return _app


def _keepConstantsAlive() -> None:
    """PySide6 6.12 gives back references that it does not own to None, True and False, one a call.

    They are immortal from Python 3.12 on; before, the interpreter ends when none is left: after ten thousand calls.
    So they get plenty: the first field of an object counts its references.
    """
    if sys.version_info < (3, 12):
        for constant in (None, True, False):
            ctypes.c_ssize_t.from_address(id(constant)).value += 1 << 40


def _removeLeaks(slicer) -> None:
    """Remove what slicer-core copies from slicer.util into slicer: in Slicer, slicer.loadVolume does not exist."""
    for name, value in list(vars(slicer).items()):
        if getattr(value, "__module__", None) == "slicer.util":
            delattr(slicer, name)


def loadModule(path):
    """Load a scripted module file; return its Python module.

    Its ``slicer.modules.<name>``, logic and widget are then available as in Slicer. Loading it again unloads it first.
    """
    start()
    path = os.path.abspath(str(path))
    name = os.path.splitext(os.path.basename(path))[0]
    manager = _app.moduleManager()._qt
    if name in manager._modules:
        manager.unload(name)
        failures.raiseCollected()
    return manager.addScripted(path)


def completeStartup() -> None:
    """Announce that Slicer has started, as it does once, after the modules were loaded."""
    _app._qt.startupCompleted.emit()
    failures.raiseCollected()


def unloadModule(name: str) -> None:
    """Unload a module: its widget's ``cleanup`` runs, as when Slicer quits."""
    _app.moduleManager()._qt.unload(name)
    failures.raiseCollected()


def quitApplication() -> None:
    """Do what Slicer does when it quits, without ending the process: announce it, then unload the scripted modules."""
    _app._qt.aboutToQuit.emit()
    manager = _app.moduleManager()._qt
    for name, module in list(manager._modules.items()):
        if type(module).__name__ == "qSlicerScriptedLoadableModule":
            manager.unload(name)
    failures.raiseCollected()


def processUntil(condition, timeout: float = 10.0) -> None:
    """Run the Qt event loop until ``condition()`` is true.

    :param timeout: in seconds; TimeoutError when it passes.
    :raises failures.SlotError: when a slot, observer or thread raised meanwhile.
    """
    from PySide6 import QtCore

    end = time.monotonic() + timeout
    while True:
        QtCore.QCoreApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 20)
        QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete.value)
        failures.raiseCollected()
        if condition():
            return
        if time.monotonic() > end:
            raise TimeoutError(f"not true after {timeout} s: {condition}")
        time.sleep(0.002)


def processFor(seconds: float) -> None:
    """Run the Qt event loop for a while."""
    end = time.monotonic() + seconds
    processUntil(lambda: time.monotonic() >= end, seconds + 10)


def closeScene() -> None:
    """Close the scene as the user does with File / Close Scene."""
    import slicer

    slicer.mrmlScene.Clear(0)
    failures.raiseCollected()


def grab(widget, path, width: int = 420) -> str:
    """Save a picture of a widget, laid out at a width in pixels; return the path."""
    from PySide6 import QtCore

    target = widget._qt if hasattr(widget, "_qt") else widget
    target.resize(width, max(target.sizeHint().height(), target.heightForWidth(width)))
    target.show()
    QtCore.QCoreApplication.processEvents()
    # As high as the scroll area of Slicer's module panel makes it: lines that break need what this width asks for, and
    # where the letters are large, it may be wider than was asked. No timer changes a text from here on.
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.LayoutRequest.value)
    target.resize(width, max(target.sizeHint().height(), target.heightForWidth(target.width())))
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.LayoutRequest.value)
    if not target.grab().save(str(path)):
        raise OSError(f"could not write {path}")
    failures.raiseCollected()
    return str(path)


def setTesting(enabled: bool) -> None:
    """Set ``slicer.app.testingEnabled()``: with False, message boxes are asked for (prepare ``answer``)."""
    _app._qt._testing = enabled


def setExtensions(*names: str) -> None:
    """Name the extensions that the extensions manager says are installed."""
    _app._qt._extensions.installed = set(names)


def answer(name: str, value) -> None:
    """Prepare the answer to the next modal call of this name; see ``interception.answer``."""
    from . import interception

    interception.answer(name, value)


def displayed() -> list[tuple[str, str]]:
    """Return what slicer.util's info, warning, error and confirm functions showed: (level, text)."""
    from . import packages

    return list(packages.displayed)


def asked() -> list[tuple[str, tuple]]:
    """Return the modal calls so far, and the addresses opened: (name, arguments)."""
    from . import interception

    return list(interception.asked)


def forgetRecords() -> None:
    """Forget collected exceptions, displayed texts and prepared answers, as before each test."""
    from . import interception, packages

    failures.take()
    interception.clear()
    packages.displayed.clear()
    packages.requested.clear()
    setTesting(True)


def checkRecords() -> None:
    """Raise for collected exceptions and unused answers, as after each test; then forget everything."""
    from . import interception

    unused = interception.unused()
    errors = failures.take()
    forgetRecords()
    for error in errors:
        raise failures.SlotError(f"{len(errors)} exception(s) in slots, observers or threads: {errors}") from error
    if unused:
        raise AssertionError(f"answers were prepared but nothing asked: {unused}")
