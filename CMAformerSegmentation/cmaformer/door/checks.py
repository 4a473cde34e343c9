"""Small questions about JSON values, and the answers in words that name the field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .bounds import fault


def field(data: Mapping[str, Any], key: str, good: Callable[[Any], bool], wanted: str, where: str = "") -> Any:
    """A field that must be there and be good. Raises ModelError that names it and says what is wanted."""
    if key not in data:
        raise fault(f'has no field "{where}{key}"')
    if not good(data[key]):
        shown = repr(data[key])
        raise fault(f'"{where}{key}" must be {wanted}, not {shown if len(shown) < 60 else kind(data[key])}')
    return data[key]


def is_text(value: Any) -> bool:
    """Whether it is a text that says something."""
    return isinstance(value, str) and bool(value.strip())


def is_list(value: Any) -> bool:
    """Whether it is a list."""
    return isinstance(value, (list, tuple))


def is_object(value: Any) -> bool:
    """Whether it is a JSON object."""
    return isinstance(value, Mapping)


def is_whole(value: Any) -> bool:
    """Whether it is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether it is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def kind(value: Any) -> str:
    """What a value is, for a message."""
    names = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(value), type(value).__name__)
