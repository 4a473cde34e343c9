"""Tracebacks for the log of a process, without the folders of the user."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path


def log_traceback(folder: Path | None = None) -> None:
    """Write the current exception to standard error, the user's and the job's folders left out."""
    text = traceback.format_exc()
    for path, name in ((folder, "<job>"), (Path.home(), "~")):
        if path is not None and len(str(path)) > 1:
            text = text.replace(str(path), name)
    print(text, file=sys.stderr, flush=True)
