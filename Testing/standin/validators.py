"""Annotations of ``slicer.parameterNodeWrapper``: defaults, validators, and hints for widgets."""

from __future__ import annotations

import dataclasses


class Default:
    """The default value of a parameter, or a ``generator`` called for each default."""

    def __init__(self, value=None, *, generator=None):
        self._value, self._generator = value, generator

    @property
    def value(self):
        """The default value."""
        return self._generator() if self._generator else self._value

    def __repr__(self) -> str:
        return f"Default({self._value!r})"


class Validator:
    """Base class: ``validate`` raises for a value that the parameter must not take."""

    def validate(self, value) -> None:
        """Raise when the value is not allowed."""
        raise NotImplementedError


class NotNone(Validator):
    """The value must not be None."""

    def validate(self, value) -> None:
        if value is None:
            raise ValueError("Value must not be None")


class IsInstance(Validator):
    """The value must be of a type."""

    def __init__(self, classtype):
        self.classtype = classtype

    def validate(self, value) -> None:
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"Value must be of type '{self.classtype}', is type '{type(value)}' value '{value}'")


class WithinRange(Validator):
    """The value must lie in a closed range."""

    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


class Minimum(Validator):
    """The value must not be smaller."""

    def __init__(self, minimum):
        self.minimum = minimum

    def validate(self, value) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must not be less than {self.minimum}, is {value}")


class Maximum(Validator):
    """The value must not be larger."""

    def __init__(self, maximum):
        self.maximum = maximum

    def validate(self, value) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must not be greater than {self.maximum}, is {value}")


class Choice(Validator):
    """The value must be one of a list."""

    def __init__(self, choices):
        self.choices = choices

    def validate(self, value) -> None:
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be one of: {self.choices}")


class Exclude(Validator):
    """The value must not be in a list."""

    def __init__(self, excludedValues):
        self.excludedValues = excludedValues

    def validate(self, value) -> None:
        if value in self.excludedValues:
            raise ValueError(f"Value is {value}, but must not be one of: {self.excludedValues}")


@dataclasses.dataclass
class Decimals:
    """Digits after the point in a spin box or slider."""

    value: int


@dataclasses.dataclass
class SingleStep:
    """Step of a spin box or slider."""

    value: float
