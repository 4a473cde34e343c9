"""Signals by signature: which ones an object has, connecting to them, and what a slot receives."""

from __future__ import annotations

import inspect

import shiboken6
from PySide6 import QtCore

from . import failures
from .classinfo import classInfo
from .conversion import requireMainThread

# Connections by C++ address: (signature as Qt has it, the caller's callable, what Qt calls).
_connections: dict[int, list[tuple[str, object, object]]] = {}


def _normalized(signature: str) -> str:
    return bytes(QtCore.QMetaObject.normalizedSignature(signature)).decode()


def overloads(qtObject, name: str) -> list[str]:
    """Return the true signatures of the signals called ``name``."""
    return [signature for signature in classInfo(qtObject).signals if signature.split("(", 1)[0] == name]


def _find(qtObject, signature: str) -> str:
    """Return the PySide6 signature for one that module code wrote; unknown ones raise ValueError."""
    if not isinstance(signature, str) or "(" not in signature:
        raise ValueError(f"{signature!r} is not a signal signature such as 'clicked(bool)'")
    known = classInfo(qtObject).signals
    own = known.get(_normalized(signature))
    if own is None:
        name = signature.split("(", 1)[0]
        close = [item for item in known if item.startswith(name + "(")] or sorted(known)
        raise ValueError(f"{type(qtObject).__name__} has no signal '{signature}'; it has {', '.join(close)}")
    return own


def argumentLimit(function) -> int | None:
    """Return how many arguments PythonQt passes at most: it trims only for plain functions and bound methods."""
    code, offset = None, 0
    if inspect.isfunction(function):
        code = function.__code__
    elif inspect.ismethod(function) and inspect.isfunction(function.__func__):
        code, offset = function.__func__.__code__, 1
    if code is None or code.co_flags & inspect.CO_VARARGS:
        return None
    return code.co_argcount - offset


def guarded(function, toPython):
    """Return what Qt calls for a slot: converts and trims the arguments, and keeps exceptions for the test."""
    limit = argumentLimit(function)

    def deliver(*arguments):
        try:
            function(*[toPython(argument) for argument in (arguments if limit is None else arguments[:limit])])
        except Exception as error:
            failures.record(error)

    return deliver


def argumentTypes(signature: str) -> list[str]:
    """Return the argument types of a normalized signature."""
    inner = signature[signature.index("(") + 1 : -1]
    return inner.split(",") if inner else []


def _target(signal: str, target: tuple):
    """Return the callable for a connect call's second part."""
    if len(target) == 1 and callable(target[0]):
        return target[0]
    if len(target) == 2 and isinstance(target[1], str):
        receiver, signature = target[0], _normalized(target[1])
        if signature not in classInfo(receiver._qt).slots:
            raise ValueError(f"{receiver.className()} has no slot '{signature}'")
        count = len(argumentTypes(signature))
        if argumentTypes(_normalized(signal))[:count] != argumentTypes(signature):
            raise ValueError(f"the arguments of the slot {signature} are not those of the signal {signal}")
        slot = getattr(receiver, signature.split("(", 1)[0])
        return _Forward(slot, count)
    raise TypeError(f"connect needs a callable, or a receiver and a slot signature, not {target}")


class _Forward:
    """A connection to a slot of another Qt object, equal to another one to the same slot."""

    def __init__(self, slot, count: int) -> None:
        self.slot, self.count = slot, count

    def __call__(self, *arguments):
        self.slot(*arguments[: self.count])

    def __eq__(self, other):
        return isinstance(other, _Forward) and (self.slot, self.count) == (other.slot, other.count)

    def __hash__(self):
        return hash((self.slot, self.count))


def connect(wrapper, signature: str, *target) -> bool:
    """Connect; a signal or slot that does not exist raises, where Slicer only prints and returns False."""
    requireMainThread(f"{wrapper.className()}.connect")
    qtObject = wrapper._qt
    own = _find(qtObject, signature)
    function = _target(signature, target)
    deliver = guarded(function, wrapper._converters[0])
    key = shiboken6.getCppPointer(qtObject)[0]
    if key not in _connections:
        _connections[key] = []
        qtObject.destroyed.connect(lambda *_: _connections.pop(key, None))
    _connections[key].append((own, function, deliver))
    return bool(QtCore.QObject.connect(qtObject, QtCore.SIGNAL(own), deliver))


def disconnect(wrapper, signature: str, *target) -> bool:
    """Disconnect one callable, or all of them when none is given. An unknown signal raises."""
    qtObject = wrapper._qt
    own = _find(qtObject, signature)
    function = _target(signature, target) if target else None
    entries = _connections.get(shiboken6.getCppPointer(qtObject)[0], [])
    matching = [entry for entry in entries if entry[0] == own and (function is None or entry[1] == function)]
    for entry in matching if function is None else matching[:1]:
        entries.remove(entry)
        QtCore.QObject.disconnect(qtObject, QtCore.SIGNAL(own), entry[2])
    return bool(matching)


class Signal:
    """``object.signal``: connect, disconnect and emit, where the signal has one signature only."""

    def __init__(self, wrapper, name: str) -> None:
        self._wrapper, self._name = wrapper, name

    def _signature(self) -> str:
        found = overloads(self._wrapper._qt, self._name)
        # Default arguments of a signal appear as shorter copies of it: clicked(bool) and clicked() are one signal.
        longest = max(found, key=len)
        start = longest.rstrip(")")
        different = [item for item in found if item != longest and not start.startswith(item.rstrip(")"))]
        if different:
            raise ValueError(
                f"signal {self._name} of {self._wrapper.className()} is overloaded ({', '.join(found)}): "
                f'use connect("{longest}", ...)'
            )
        return longest

    def connect(self, function) -> bool:
        """Connect a callable; raises for an overloaded signal, because PythonQt picks one of them."""
        return connect(self._wrapper, self._signature(), function)

    def disconnect(self, function) -> bool:
        """Disconnect a callable."""
        return disconnect(self._wrapper, self._signature(), function)

    def emit(self, *arguments) -> None:
        """Emit the signal."""
        emit(self._wrapper, self._signature(), *arguments)

    __call__ = emit


def emit(wrapper, signature: str, *arguments) -> None:
    """Emit a signal named by its true signature."""
    qtObject, toQt = wrapper._qt, wrapper._converters[1]
    own = _find(qtObject, signature)
    name, types = own.rstrip(")").split("(", 1)
    bound = getattr(qtObject, name)
    if len(overloads(qtObject, name)) > 1:
        bound = bound[types] if types else bound
    bound.emit(*[toQt(argument) for argument in arguments])
