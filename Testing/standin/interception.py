"""Calls that the stand-in must not pass on to Qt: those that would wait for a person, or that the project forbids.

Modal dialogs wait for a click that no test gives, so each of them needs an answer prepared with ``answer``. Pumping or
nesting the event loop makes code re-entrant, and the module must not do it.
"""

from __future__ import annotations

import sys
from collections import deque

from PySide6 import QtCore, QtGui, QtWidgets

_answers: dict[str, deque] = {}
asked: list[tuple[str, tuple]] = []  # every modal call and every opened address: (name, arguments)
_replacements: dict[tuple[type, str], object] = {}


def replace(qtClass: type, name: str, function) -> None:
    """Have ``function(wrapper, *arguments)`` answer the calls of a method of a Qt class."""
    _replacements[qtClass, name] = function


_STATIC_DIALOGS = {
    QtWidgets.QFileDialog: ("getOpenFileName", "getOpenFileNames", "getSaveFileName", "getExistingDirectory"),
    QtWidgets.QMessageBox: ("question", "information", "warning", "critical", "about"),
    QtWidgets.QInputDialog: ("getText", "getItem", "getInt", "getDouble", "getMultiLineText"),
    QtWidgets.QColorDialog: ("getColor",),
}


class WouldBlock(RuntimeError):
    """The call would wait for a person; prepare an answer with ``standin.answer``."""


def answer(name: str, value) -> None:
    """Prepare the value that the next modal call of this name returns, e.g. ``answer("getOpenFileName", path)``.

    Dialogs run with ``exec_`` are named by their class: ``answer("QMessageBox", qt.QMessageBox.Yes)``. ``value`` may be
    a function; it is called with the arguments of the call (with the dialog itself for ``exec_``).
    """
    _answers.setdefault(name, deque()).append(value)


def unused() -> list[str]:
    """Return the names of prepared answers that nothing asked for."""
    return [name for name, values in _answers.items() for _ in values]


def clear() -> None:
    """Forget what was asked and the prepared answers."""
    _answers.clear()
    asked.clear()


def answered(name: str, arguments: tuple):
    """Return the prepared answer of a modal call, or raise WouldBlock."""
    asked.append((name, arguments))
    if not _answers.get(name):
        raise WouldBlock(f"{name}{arguments!r} waits for a person: prepare standin.answer({name!r}, value)")
    value = _answers[name].popleft()
    return value(*arguments) if callable(value) else value


def _calledBySlicer() -> bool:
    """Whether the caller is slicer.util, whose own functions pump events (delayDisplay, logProcessOutput)."""
    frame = sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith("standin"):
        frame = frame.f_back
    return frame is not None and frame.f_globals.get("__name__") == "slicer.util"


def call(qtClass: type, name: str, wrapper, arguments: tuple) -> tuple[bool, object]:
    """Return (True, result) when the call is answered here, (False, None) when Qt should get it."""
    name = name.rstrip("_")
    if name == "processEvents":
        if not _calledBySlicer():
            raise RuntimeError("processEvents makes slots re-entrant: use a QTimer (tests: standin.processUntil)")
    elif name == "exec" and issubclass(qtClass, (QtCore.QEventLoop, QtCore.QCoreApplication)):
        raise RuntimeError("a nested event loop makes slots re-entrant: use a QTimer (tests: standin.processUntil)")
    elif name == "exec" and issubclass(qtClass, (QtWidgets.QDialog, QtWidgets.QMenu)):
        return True, answered(wrapper.className(), (wrapper,))
    elif name.startswith("waitFor") and issubclass(qtClass, QtCore.QProcess):
        if not arguments or arguments[0] < 0 or arguments[0] > 5000:
            raise RuntimeError(f"QProcess.{name} blocks the window: give it a limit of at most 5000 ms")
    elif name == "openUrl" and issubclass(qtClass, QtGui.QDesktopServices):
        asked.append((name, arguments))
        return True, True
    else:
        for (replacedClass, replacedName), function in _replacements.items():
            if name == replacedName and issubclass(qtClass, replacedClass):
                return True, function(wrapper, *arguments)
        for dialogClass, names in _STATIC_DIALOGS.items():
            if name in names and issubclass(qtClass, dialogClass):
                return True, answered(name, arguments)
    return False, None
