"""Work with files that a panel has begun and hears of when it is done, without waiting for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from ..jobs.background import BackgroundCall

_milliseconds = 20  # see BackgroundCall


class PanelWork:
    """Runs one function at a time in a thread, and tells on the main thread how it ended.

    :param waitSeconds: how long the main thread stands still at each look, for a function that computes rather than
        reads files: in Slicer it gets on only meanwhile. Well below 0.05, or the user notices.
    :ivar isBusy: whether one runs.
    """

    def __init__(self, waitSeconds: float = 0.0) -> None:
        self.isBusy = False
        self._waitSeconds = waitSeconds
        self._call: BackgroundCall | None = None
        self._onDone: Callable[[Any, BaseException | None], None] | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(_milliseconds)
        self._timer.connect("timeout()", self._look)

    def start(self, function: Callable[[], Any], onDone: Callable[[Any, BaseException | None], None]) -> None:
        """Run a function of plain files and arrays.

        :param onDone: called with what it returned and with what it raised.
        """
        if self.isBusy:
            raise RuntimeError("one at a time")
        self.isBusy, self._onDone = True, onDone
        self._call = BackgroundCall(function)
        self._timer.start()

    def cleanup(self) -> None:
        """Nobody wants to hear of it any more. What runs goes on to its end."""
        self._timer.stop()
        self._timer.disconnect("timeout()", self._look)
        self._onDone = None

    def _look(self) -> None:
        call, onDone = self._call, self._onDone
        if call is None or not (call.wait(self._waitSeconds) or call.done):
            return
        self._timer.stop()
        self.isBusy, self._call, self._onDone = False, None, None
        if onDone is not None:
            onDone(call.result, call.error)
