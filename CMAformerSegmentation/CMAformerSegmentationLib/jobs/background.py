"""Work off the main thread, for plain files and arrays only: never Qt, never MRML."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any


class BackgroundCall:
    """Runs one function in a thread; the main thread looks now and then whether it is done.

    :ivar result: what the function returned. :ivar error: what it raised, or None.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._function = function
        self._thread = threading.Thread(target=self._run, daemon=True, name="CMAformer")
        self._thread.start()

    @property
    def done(self) -> bool:
        if self._thread.is_alive():
            # In Slicer, threads only advance while the main thread is in Python and lets go of the interpreter.
            time.sleep(0.001)
        return not self._thread.is_alive()

    def wait(self, seconds: float) -> bool:
        """Block until the function has returned; False when it takes longer."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.result = self._function()
        except Exception as error:
            self.error = error
