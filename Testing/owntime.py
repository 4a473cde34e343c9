"""A clock for tests that say how long something may keep its thread, on machines that do other work meanwhile."""

from __future__ import annotations

import time
from pathlib import Path


def ownTime() -> float:
    """Seconds that pass for this thread: while it runs or is blocked, but not while it waits for a processor.

    The engine, other tests and whatever else runs on this machine may keep every processor busy; that is not measured
    here. Linux counts that waiting (second number of schedstat). Elsewhere it is not known, and counts.
    """
    now = time.perf_counter()
    try:
        waited = int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        waited = 0.0
    return now - waited
