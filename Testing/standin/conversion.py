"""Rules on the values and the thread of calls into Qt."""

from __future__ import annotations

import enum
import threading
from numbers import Integral, Real


def requireMainThread(what: str) -> None:
    """Raise RuntimeError unless called from the main thread: only the GUI thread may touch Qt."""
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(f"{what}: only the main thread may touch Qt")


def integersAsEnums(function, arguments: list, bound: bool) -> list | None:
    """Return the arguments with plain integers made enumeration members where Qt wants them: PythonQt accepts both."""
    from shibokensupport.signature import get_signature

    found = get_signature(function)
    for signature in found if isinstance(found, list) else [found]:
        kinds = [parameter.annotation for parameter in signature.parameters.values() if parameter.name != "self"]
        if len(kinds) < len(arguments):
            continue
        changed = list(arguments)
        for index, (kind, argument) in enumerate(zip(kinds, arguments)):
            if type(argument) is int and isinstance(kind, type) and issubclass(kind, enum.Enum):
                changed[index] = kind(argument)
        if any(old is not new for old, new in zip(arguments, changed)):
            return changed
    return None


def accepts(typeName: str, value) -> bool:
    """Whether a property of this C++ type takes the value. Slicer converts more silently; here a wrong type raises."""
    if typeName == "QString":
        return isinstance(value, str)
    if typeName == "bool":
        return isinstance(value, (bool, Integral))
    if typeName in ("int", "uint", "qlonglong", "qulonglong"):
        return isinstance(value, Integral)
    if typeName in ("double", "float"):
        return isinstance(value, Real)
    if typeName == "QStringList":
        return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
    return True
