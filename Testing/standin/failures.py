"""Exceptions that Slicer would only print: in slots, observers, threads and overridden Qt methods.

PythonQt and VTK print an exception raised by a Python callback and go on, so in Slicer a broken slot never fails a test.
The stand-in keeps every such exception here; ``raiseCollected`` re-raises the first one.
"""

from __future__ import annotations

import sys
import threading
import traceback

_collected: list[BaseException] = []
_installed = False


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


def install() -> None:
    """Collect what reaches ``sys.excepthook`` (VTK observers, overridden Qt methods) and ``threading.excepthook``."""
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

    sys.excepthook, threading.excepthook = hook, threadHook
