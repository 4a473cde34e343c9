"""Exceptions that Slicer would only print: in slots, observers, threads and overridden Qt methods.

PythonQt and VTK print an exception raised by a Python callback and go on, so in Slicer a broken slot never fails a
test. The stand-in keeps every such exception here; ``raiseCollected`` re-raises the first one.
"""

from __future__ import annotations

import sys
import threading
import traceback

_collected: list[BaseException] = []
_installed = False
# What the offscreen platform says about itself.
_PLATFORM_NOISE = (
    "propagateSizeHints",
    "XDG_RUNTIME_DIR",
    "QFontDatabase",
    "QStandardPaths",
    "This plugin does not support",
)


class SlotError(AssertionError):
    """An exception was raised in code that Qt or VTK called. ``__cause__`` is the first such exception."""


def record(error: BaseException) -> None:
    """Keep ``error`` and print it as Slicer does."""
    _collected.append(error)
    traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)


def collected() -> list[BaseException]:
    """Return the exceptions collected since the last ``take``, without removing them."""
    return list(_collected)


def take() -> list[BaseException]:
    """Return the collected exceptions and forget them (for a test that expects one)."""
    errors = list(_collected)
    _collected.clear()
    return errors


def raiseCollected() -> None:
    """Raise ``SlotError`` when any exception was collected; the collection is emptied."""
    errors = take()
    if errors:
        names = ", ".join(f"{type(error).__name__}: {error}" for error in errors)
        raise SlotError(f"{len(errors)} exception(s) in slots, observers or threads: {names}") from errors[0]


class QtWarning(RuntimeError):
    """A warning that Qt printed: a misuse that Qt survives, and that is an error in a test."""


def collectQtMessage(kind, _context, message: str) -> None:
    """Qt's message handler: warnings are collected, the rest is dropped."""
    from PySide6.QtCore import QtMsgType

    harmless = kind in (QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg) or any(part in message for part in _PLATFORM_NOISE)
    if not harmless:
        _collected.append(QtWarning(message))


def install() -> None:
    """Collect Qt's warnings and what reaches ``sys.excepthook`` (VTK observers, overridden Qt methods) and threads."""
    global _installed
    if _installed:
        return
    _installed = True
    previousHook, previousThreadHook = sys.excepthook, threading.excepthook

    def hook(kind, error, trace):
        if error is not None:
            _collected.append(error)
        previousHook(kind, error, trace)

    def threadHook(arguments):
        if arguments.exc_value is not None:
            _collected.append(arguments.exc_value)
        previousThreadHook(arguments)

    from PySide6.QtCore import qInstallMessageHandler

    qInstallMessageHandler(collectQtMessage)
    sys.excepthook, threading.excepthook = hook, threadHook
