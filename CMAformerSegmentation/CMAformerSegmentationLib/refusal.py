"""An error for the user that may be raised in a thread: its words are made, and translated, where they are shown."""

from __future__ import annotations

from collections.abc import Callable


class Refusal(ValueError):
    """Something that cannot be used or done, and why.

    :param words: makes the message; called on the main thread, because a translation is Qt's.
    """

    def __init__(self, words: Callable[[], str]) -> None:
        super().__init__()
        self._words = words

    def __str__(self) -> str:
        return self._words()
