"""Python classes derived from Qt classes: Qt calls their eventFilter, closeEvent and the like."""

from __future__ import annotations

from . import failures

_classes: dict[type, type] = {}


def implementation(cls: type) -> type:
    """Return the PySide6 class to instantiate; for a Python subclass, one that calls the overridden Qt methods."""
    if vars(cls).get("_direct"):
        return cls._qtClass
    qtClass = next(vars(base)["_qtClass"] for base in cls.__mro__ if vars(base).get("_direct"))
    if cls not in _classes:
        userClasses = [base for base in cls.__mro__ if isinstance(base, type(cls)) and not vars(base).get("_direct")]
        names = {name for base in userClasses for name in vars(base) if not name.startswith("_")}
        overrides = {
            name: _override(name, getattr(qtClass, name), *cls._converters)
            for name in names
            if callable(getattr(cls, name, None)) and callable(getattr(qtClass, name, None))
        }
        _classes[cls] = type(cls.__name__, (qtClass,), overrides)
    return _classes[cls]


def _override(name: str, original, toPython, toQt):
    def method(qtObject, *arguments):
        wrapper = getattr(qtObject, "_standinWrapper", None)
        if wrapper is None:  # Qt calls virtual methods while the object is still being made
            return original(qtObject, *arguments)
        try:
            return toQt(getattr(wrapper, name)(*[toPython(argument) for argument in arguments]))
        except Exception as error:
            failures.record(error)
            return original(qtObject, *arguments)

    return method
