"""Helpers for widgets that Qt does not have: properties declared in one line, as Q_PROPERTY does in C++."""

from __future__ import annotations

import enum

from PySide6.QtCore import Property


def stored(name: str, kind, default, changed: str | None = None) -> Property:
    """Return a Qt property kept in the instance.

    ``kind`` is a Python type or a C++ type name. ``changed`` names a method called after the value has changed.
    """
    attribute = f"_{name}"

    def read(self):
        return self.__dict__.get(attribute, default)

    def write(self, value):
        if read(self) != value:
            self.__dict__[attribute] = value
            if changed is not None:
                getattr(self, changed)()

    return Property(kind, read, write)


def forwarded(kind, part: str, getter: str, setter: str) -> Property:
    """Return a Qt property that reads and writes a property of a widget inside, kept in attribute ``part``."""

    def read(self):
        return getattr(getattr(self, part), getter)()

    def write(self, value):
        getattr(getattr(self, part), setter)(value)

    return Property(kind, read, write)


def enumValues(kind: type[enum.Enum]):
    """Class decorator: the values of an enumeration become attributes of the class, as C++ enumerations are."""

    def apply(cls):
        for member in kind:
            setattr(cls, member.name, member)
        setattr(cls, kind.__name__, kind)
        return cls

    return apply
