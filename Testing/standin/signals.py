"""Signals by signature: which ones an object has, connecting to them, and what a slot receives."""

from __future__ import annotations

import inspect

import shiboken6
from PySide6 import QtCore

from . import failures

# Connections by C++ address: (signature as Qt has it, the caller's callable, what Qt calls).
_connections: dict[int, list[tuple[str, object, object]]] = {}


def _normalized(signature: str) -> str:
    return bytes(QtCore.QMetaObject.normalizedSignature(signature)).decode()


def _declared(qtObject) -> dict[str, str]:
    """Return the true C++ signature of what the stand-in's widgets declare with Python types, by PySide6 signature."""
    merged: dict[str, str] = {}
    for base in reversed(type(qtObject).__mro__):
        merged.update(vars(base).get("SIGNATURES", {}))
    return merged


def _methods(qtObject, kinds) -> dict[str, str]:
    """Return {true signature: PySide6 signature} of the public methods of some kinds."""
    declared = _declared(qtObject)
    metaObject = qtObject.metaObject()
    found = {}
    for index in range(metaObject.methodCount()):
        method = metaObject.method(index)
        if method.methodType() in kinds and method.access() == QtCore.QMetaMethod.Access.Public:
            signature = bytes(method.methodSignature().data()).decode()
            found[declared.get(signature, signature)] = signature
    return found


def signalsOf(qtObject) -> dict[str, str]:
    """Return {true signature: PySide6 signature} of all signals of an object."""
    found = _methods(qtObject, (QtCore.QMetaMethod.MethodType.Signal,))
    return {true: own for true, own in found.items() if not true.startswith("checkStateChanged(Qt")}


def slotsOf(qtObject) -> dict[str, str]:
    """Return {true signature: PySide6 signature} of all public slots and invokable methods of an object."""
    return _methods(qtObject, (QtCore.QMetaMethod.MethodType.Slot, QtCore.QMetaMethod.MethodType.Method))


def hasMethod(qtObject, name: str) -> bool:
    """Return whether the meta-object has a public slot or invokable of that name."""
    return any(signature.split("(", 1)[0] == name for signature in slotsOf(qtObject))


def overloads(qtObject, name: str) -> list[str]:
    """Return the true signatures of the signals called ``name``."""
    return [signature for signature in signalsOf(qtObject) if signature.split("(", 1)[0] == name]


def _find(qtObject, signature: str) -> str:
    """Return the PySide6 signature for one that module code wrote; unknown ones raise ValueError."""
    if not isinstance(signature, str) or "(" not in signature:
        raise ValueError(f"{signature!r} is not a signal signature such as 'clicked(bool)'")
    known = signalsOf(qtObject)
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


def guarded(function):
    """Return what Qt calls for a slot: converts and trims the arguments, and keeps exceptions for the test."""
    from .pythonqt import toPython

    limit = argumentLimit(function)

    def deliver(*arguments):
        try:
            function(*[toPython(argument) for argument in (arguments if limit is None else arguments[:limit])])
        except Exception as error:
            failures.record(error)

    return deliver


def _target(target: tuple):
    """Return the callable for a connect call's second part."""
    if len(target) == 1 and callable(target[0]):
        return target[0]
    if len(target) == 2 and isinstance(target[1], str):
        receiver, signature = target
        if _normalized(signature) not in slotsOf(receiver._qt):
            raise ValueError(f"{receiver.className()} has no slot '{signature}'")
        count = 0 if "()" in signature else signature.count(",") + 1
        slot = getattr(receiver, signature.split("(", 1)[0])
        return _Forward(slot, count)
    raise TypeError(f"connect needs a callable, or a receiver and a slot signature, not {target}")


class _Forward:
    """A connection to a slot of another Qt object, equal to another one to the same slot."""

    def __init__(self, slot, count: int) -> None:
        self.slot, self.count = slot, count

    def __call__(self, *arguments):
        self.slot(*arguments[:self.count])

    def __eq__(self, other):
        return isinstance(other, _Forward) and (self.slot, self.count) == (other.slot, other.count)

    def __hash__(self):
        return hash((self.slot, self.count))


def connect(wrapper, signature: str, *target) -> bool:
    """Connect; a signal or slot that does not exist raises, where Slicer only prints and returns False."""
    from .pythonqt import requireMainThread

    requireMainThread(f"{wrapper.className()}.connect")
    qtObject = wrapper._qt
    own = _find(qtObject, signature)
    function = _target(target)
    deliver = guarded(function)
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
    function = _target(target) if target else None
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
            raise ValueError(f"signal {self._name} of {self._wrapper.className()} is overloaded ({', '.join(found)}): "
                             f'use connect("{longest}", ...)')
        return longest

    def connect(self, function) -> bool:
        """Connect a callable; raises for an overloaded signal, because PythonQt picks one of them."""
        return connect(self._wrapper, self._signature(), function)

    def disconnect(self, function) -> bool:
        """Disconnect a callable."""
        return disconnect(self._wrapper, self._signature(), function)

    def emit(self, *arguments) -> None:
        """Emit the signal."""
        emit(self._wrapper._qt, self._signature(), *arguments)

    __call__ = emit


def emit(qtObject, signature: str, *arguments) -> None:
    """Emit a signal named by its true signature."""
    from .pythonqt import toQt

    own = _find(qtObject, signature)
    name, types = own.rstrip(")").split("(", 1)
    bound = getattr(qtObject, name)
    if len(overloads(qtObject, name)) > 1:
        bound = bound[types] if types else bound
    bound.emit(*[toQt(argument) for argument in arguments])
