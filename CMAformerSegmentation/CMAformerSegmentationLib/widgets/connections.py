"""Connections of Qt signals that are undone together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Connections:
    """Remembers what was connected: a panel may be destroyed, or made again by Reload."""

    def __init__(self) -> None:
        self._made: list[tuple[Any, str, Callable[..., Any]]] = []

    def add(self, sender: Any, signal: str, slot: Callable[..., Any]) -> None:
        """Connect a signal of a widget, an action or a timer, such as "clicked(bool)"."""
        sender.connect(signal, slot)
        self._made.append((sender, signal, slot))

    def clear(self) -> None:
        """Disconnect everything."""
        for sender, signal, slot in self._made:
            sender.disconnect(signal, slot)
        self._made = []
