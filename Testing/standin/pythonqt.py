"""PySide6 objects behaving as PythonQt shows them in Slicer.

Every Qt class gets one wrapper class, made on first use. What an object has is read from Qt's own meta-object: a
``Q_PROPERTY`` is an attribute (looked up before methods), signals and slots are those that Qt declares, and everything
else raises. There are no hand-written lists of widgets, properties or signals.
"""

from __future__ import annotations

import enum
from numbers import Integral

import shiboken6
from PySide6 import QtCore

from . import conversion, interception, signals, subclassing
from .classinfo import NEWER_THAN_QT5, classInfo
from .enums import EnumInt, enumType

# PySide6 additions that PythonQt does not have.
_PYSIDE_ONLY = {"connect", "disconnect", "emit", "tr", "sender", "receivers", "senderSignalIndex", "staticMetaObject"}

_wrapperClasses: dict[type, type] = {}


def toQt(value):
    """Return what PySide6 understands for a Python value from module code."""
    if isinstance(value, Wrapped):
        return value._qt
    if isinstance(value, EnumInt):
        return value.member
    if isinstance(value, (list, tuple)):
        return [toQt(item) for item in value]
    if isinstance(value, dict):
        return {key: toQt(item) for key, item in value.items()}
    if callable(value) and not isinstance(value, type):
        return signals.guarded(value, toPython)
    return value


def toPython(value):
    """Return what PythonQt would hand to module code for a PySide6 value: sequences become tuples, enums integers."""
    if isinstance(value, enum.Enum):
        return EnumInt(value) if isinstance(value.value, int) else value
    if isinstance(value, shiboken6.Object):
        return wrap(value)
    if isinstance(value, (list, tuple)):
        return tuple(toPython(item) for item in value)
    return value


def wrap(qtObject):
    """Return the wrapper of a PySide6 object; the same wrapper as long as the object lives."""
    wrapper = getattr(qtObject, "_standinWrapper", None)
    if wrapper is None:
        wrapper = wrapperClass(type(qtObject)).__new__(wrapperClass(type(qtObject)))
        wrapper._attach(qtObject)
    return wrapper


def wrapperClass(qtClass: type) -> type:
    """Return the wrapper class of a PySide6 class (or of a stand-in widget derived from one)."""
    if qtClass not in _wrapperClasses:
        bases = tuple(
            wrapperClass(base)
            for base in qtClass.__bases__
            if issubclass(base, shiboken6.Object) and base is not shiboken6.Object
        )
        if not bases:
            bases = (WrappedObject,) if issubclass(qtClass, QtCore.QObject) else (Wrapped,)
        _wrapperClasses[qtClass] = WrapperType(
            qtClass.__name__, bases, {"_qtClass": qtClass, "__module__": "PythonQt", "_direct": True}
        )
    return _wrapperClasses[qtClass]


def isNative(qtClass: type) -> bool:
    """Whether the class comes from Qt itself rather than from the stand-in."""
    return qtClass.__module__.startswith(("PySide6", "Shiboken"))


def _owner(qtClass: type, name: str) -> type | None:
    """Return the class in the inheritance chain that defines ``name``, if PythonQt would show it as a method."""
    if name.startswith("_") or name in _PYSIDE_ONLY or name in NEWER_THAN_QT5:
        return None
    for base in qtClass.__mro__:
        if name in vars(base):
            return base if isNative(base) else None
    return None


def _classAttribute(qtClass: type, name: str):
    """Return an enumeration value, an enumeration type, a nested class or a function of a Qt class."""
    if name.startswith("_") or name in _PYSIDE_ONLY or name in NEWER_THAN_QT5:
        raise AttributeError(name)
    value = getattr(qtClass, name, None)
    if isinstance(value, enum.Enum):
        return EnumInt(value)
    if isinstance(value, type) and issubclass(value, enum.Enum):
        return enumType(value)
    if isinstance(value, type) and issubclass(value, shiboken6.Object):
        return wrapperClass(value)
    if callable(value) and _owner(qtClass, name) is not None:
        return Method(None, name, value, qtClass)
    raise AttributeError(f"type object '{qtClass.__name__}' has no attribute '{name}'")


class WrapperType(type):
    """Metaclass: attributes of a Qt class that are not on the wrapper itself."""

    def __getattr__(cls, name):
        qtClass = next((vars(base)["_qtClass"] for base in cls.__mro__ if "_qtClass" in vars(base)), None)
        if qtClass is None or name.startswith("__"):
            raise AttributeError(name)
        return _classAttribute(qtClass, name)


class Method:
    """A method of a Qt object (or a static function of a Qt class, where ``wrapper`` is None)."""

    def __init__(self, wrapper, name: str, function, qtClass: type) -> None:
        self._wrapper, self._name, self._function, self._qtClass = wrapper, name, function, qtClass

    def __call__(self, *arguments, **keywords):
        label = f"{self._qtClass.__name__}.{self._name}"
        conversion.requireMainThread(label)
        if keywords:
            raise TypeError(f"{label}: PythonQt slots take no keyword arguments, got {sorted(keywords)}")
        replaced, result = interception.call(self._qtClass, self._name, self._wrapper, arguments)
        if replaced:
            return result
        converted = [toQt(argument) for argument in arguments]
        try:
            return toPython(self._function(*converted))
        except TypeError as error:
            retry = conversion.integersAsEnums(self._function, converted, bound=self._wrapper is not None)
            if retry is None:
                raise ValueError(f"{label} called with wrong arguments {arguments}: {error}") from error
            return toPython(self._function(*retry))

    def __eq__(self, other):
        return isinstance(other, Method) and self._name == other._name and self._wrapper is other._wrapper

    def __hash__(self):
        return hash((id(self._wrapper), self._name))

    def __repr__(self):
        return f"{self._name} (qt slot {self._name} of {self._qtClass.__name__} instance)"


class Wrapped(metaclass=WrapperType):
    """A Qt value (QUrl, QSize, QTableWidgetItem ...) as module code sees it."""

    _qt: shiboken6.Object
    # For those who only have the wrapper: from Qt's values, and to them.
    _converters = (toPython, toQt)

    def __init__(self, *arguments, **keywords) -> None:
        conversion.requireMainThread(type(self).__name__)
        if keywords:
            raise TypeError(f"{type(self).__name__} takes no keyword arguments, got {sorted(keywords)}")
        self._attach(subclassing.implementation(type(self))(*[toQt(argument) for argument in arguments]))

    def _attach(self, qtObject) -> None:
        object.__setattr__(self, "_qt", qtObject)
        if isinstance(qtObject, QtCore.QObject):
            qtObject._standinWrapper = self

    def _method(self, name: str):
        for candidate in (name, name[:-1]) if name.endswith("_") else (name,):
            if _owner(type(self._qt), candidate) is not None:
                function = getattr(self._qt, candidate)
                if callable(function):
                    return Method(self, candidate, function, type(self._qt))
        return None

    def _lookup(self, name: str):
        return self._method(name)

    def __getattr__(self, name: str):
        qtObject = self.__dict__.get("_qt")
        if qtObject is None or name.startswith("__"):
            raise AttributeError(f"{type(self).__name__} has no attribute named '{name}' (is __init__ of Qt called?)")
        conversion.requireMainThread(f"{type(self).__name__}.{name}")
        if not shiboken6.isValid(qtObject):
            raise ValueError(f"Trying to read '{name}' from a destroyed {type(self).__name__} object")
        found = self._lookup(name)
        if found is not None:
            return found if found is not _NONE else None
        try:
            return _classAttribute(type(qtObject), name)
        except AttributeError:
            raise AttributeError(f"{type(self).__name__} has no attribute named '{name}'") from None

    def __setattr__(self, name: str, value) -> None:
        if vars(type(self)).get("_direct"):
            raise AttributeError(f"{type(self).__name__} has no attribute named '{name}', and none can be added")
        object.__setattr__(self, name, value)

    def __eq__(self, other):
        return isinstance(other, Wrapped) and (self._qt is other._qt or self._qt == other._qt)

    def __hash__(self):
        return hash(shiboken6.getCppPointer(self._qt))

    def __len__(self):
        return len(self._qt)

    def __bool__(self):
        return True

    def __repr__(self):
        return f"{type(self).__name__} ({self._qt!r})"


_NONE = object()


class WrappedObject(Wrapped):
    """A QObject as module code sees it: properties first, then signals, then methods."""

    def _property(self, name: str):
        properties = classInfo(self._qt).properties
        if name == "name" and name not in properties:  # Slicer code says widget.name for the object's name
            name = "objectName"
        return properties.get(name)

    def _lookup(self, name: str):
        found = self._property(name)
        if found is not None:
            value = toPython(self._qt.property(found.name()))
            return _NONE if value is None else value
        if signals.overloads(self._qt, name):
            return signals.Signal(self, name)
        for candidate in (name, name[:-1]) if name.endswith("_") else (name,):
            if candidate in classInfo(self._qt).methodNames:
                return Method(self, candidate, getattr(self._qt, candidate), type(self._qt))
        method = self._method(name)
        if method is None and bytes(name, "utf8") in [bytes(item) for item in self._qt.dynamicPropertyNames()]:
            value = toPython(self._qt.property(name))
            return _NONE if value is None else value
        return method

    def __setattr__(self, name: str, value) -> None:
        conversion.requireMainThread(f"{type(self).__name__}.{name}")
        qtObject = self.__dict__.get("_qt")
        if qtObject is None:
            return super().__setattr__(name, value)
        if not shiboken6.isValid(qtObject):
            raise AttributeError(f"Trying to set '{name}' on a destroyed {type(self).__name__} object")
        found = self._property(name)
        if found is not None:
            if not found.isWritable():
                raise AttributeError(f"Property '{name}' of {type(self).__name__} object is not writable")
            typeName = found.typeName()
            isEnum = found.isEnumType() or found.isFlagType()
            good = isinstance(value, Integral) if isEnum else conversion.accepts(typeName, value)
            if not good or not qtObject.setProperty(found.name(), toQt(value)):
                raise AttributeError(
                    f"Property '{name}' of type '{typeName}' does not accept an object of type "
                    f"{type(value).__name__} ({value!r})"
                )
            return None
        if signals.overloads(qtObject, name) or name in classInfo(qtObject).methodNames or self._method(name):
            raise AttributeError(f"Slot or signal '{name}' can not be overwritten on {type(self).__name__} object")
        if bytes(name, "utf8") in [bytes(item) for item in qtObject.dynamicPropertyNames()]:
            qtObject.setProperty(name, toQt(value))
            return None
        return super().__setattr__(name, value)

    def connect(self, signature: str, *target) -> bool:
        """Connect a signal, named by its signature, to a callable or to (receiver, "slot(types)")."""
        return signals.connect(self, signature, *target)

    def disconnect(self, signature: str, *target) -> bool:
        """Disconnect; True when there was such a connection."""
        return signals.disconnect(self, signature, *target)

    def className(self) -> str:
        """Return the C++ class name."""
        return next(base.__name__ for base in type(self).__mro__ if vars(base).get("_direct"))

    def inherits(self, name: str) -> bool:
        """Return whether the object is of the named C++ class."""
        return any(base.__name__ == name for base in type(self).__mro__)

    def findChildren(self, kind: type | None = None, name: str | None = None) -> tuple:
        """Return all children of a wrapped class, optionally with an object name."""
        qtClass = kind._qtClass if kind is not None else QtCore.QObject
        return toPython(self._qt.findChildren(qtClass, name) if name else self._qt.findChildren(qtClass))

    def findChild(self, kind: type | None = None, name: str | None = None):
        """Return the first child of a wrapped class, or None."""
        found = self.findChildren(kind, name)
        return found[0] if found else None

    def property(self, name: str):
        """Return a declared or dynamic property, None when there is none."""
        return toPython(self._qt.property(name))

    def setProperty(self, name: str, value) -> bool:
        """Set a declared property, or add a dynamic one; True when it is a declared one."""
        return self._qt.setProperty(name, toQt(value))
