"""Who watches a piece of work: is told how far it is and what should be known, and may stop it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .errors import CancelledError


@dataclass(frozen=True)
class Watcher:
    """Passed to whatever takes long.

    Attributes:
        progress: called with what is done, what there is in all, and the seconds left or None.
        warning: called with code, message and hint of what the user should know.
        cancelled: asked whether to stop.
    """

    progress: Callable[[int, int, float | None], None] = lambda done, total, eta_s: None
    warning: Callable[[str, str, str], None] = lambda code, message, hint: None
    cancelled: Callable[[], bool] = lambda: False

    def check(self) -> None:
        """Raise CancelledError if a stop was asked for."""
        if self.cancelled():
            raise CancelledError()
