"""A time as people say it."""

from __future__ import annotations

import math

from slicer.i18n import tr as _


def duration(seconds: float) -> str:
    """A time as people say it: "12 s", "3 min 20 s", "1 h 5 min"."""
    whole = max(0, math.ceil(seconds))
    if whole < 60:
        return _("{seconds} s").format(seconds=whole)
    if whole < 3600:
        return _("{minutes} min {seconds} s").format(minutes=whole // 60, seconds=whole % 60)
    return _("{hours} h {minutes} min").format(hours=whole // 3600, minutes=whole % 3600 // 60)
