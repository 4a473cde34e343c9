"""Enumerations as PythonQt shows them: integers, reached through the class (``qt.QProcess.Running``)."""

from __future__ import annotations

import enum


class EnumInt(int):
    """An enumeration value: an ``int`` that remembers its Qt enumeration, so that it can be handed back to Qt."""

    member: enum.Enum

    def __new__(cls, member: enum.Enum) -> EnumInt:
        value = member.value
        self = super().__new__(cls, value)
        self.member = member
        return self

    def _combine(self, other, operation):
        if isinstance(other, EnumInt):
            try:
                return EnumInt(operation(self.member, other.member))
            except (TypeError, ValueError):
                pass
        return operation(int(self), int(other)) if isinstance(other, int) else NotImplemented

    def __or__(self, other):
        return self._combine(other, lambda a, b: a | b)

    def __and__(self, other):
        return self._combine(other, lambda a, b: a & b)

    def __xor__(self, other):
        return self._combine(other, lambda a, b: a ^ b)

    __ror__, __rand__, __rxor__ = __or__, __and__, __xor__

    def __invert__(self):
        return EnumInt(~self.member) if isinstance(self.member, enum.Flag) else ~int(self)


def enumType(kind: type[enum.Enum]) -> type:
    """Return the class that stands for an enumeration type, as in ``qt.QProcess.ProcessState(2)``.

    Its values are attributes of the owning class only, as in PythonQt: ``qt.Qt.CheckState.Checked`` raises.
    """

    class EnumType(int):
        def __new__(cls, value):
            return EnumInt(kind(int(value)))

    EnumType.__name__ = EnumType.__qualname__ = kind.__name__
    return EnumType
