"""Files that both floors know: their names in a job folder, and the one way to write them whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

# What is in the folder of a job, beside what `job.py` and `lock.py` name.
SLICES, CASES, PREFLIGHT, SCHEDULE = "slices", "cases.json", "preflight.json", "schedule.json"
CHECKPOINT, SUPERVISED, INITIAL, BASE = "checkpoint.pt", "supervised.pt", "initial.pt", "base.pt"
# What is in the result of a segmentation, and of a training.
LABELS, SUMMARY, REPORT = "segmentation.mha", "summary.json", "report.json"


def write_whole(path: Path, write: Callable[[BinaryIO], object], flush: bool = False) -> None:
    """Write a file whole or not at all; whatever was at the path before stays until the new file is complete.

    What a killed process left beside it, half written, is replaced. Of two processes that write the same file at once,
    which the lock of a job keeps apart, one gets an OSError.

    Args:
        path: the file.
        write: is given the open temporary file.
        flush: wait until the bytes are on the disk before the name changes, so that not even a power failure leaves
            half a file.

    Raises:
        OSError: it cannot be written.
    """
    temporary = path.with_suffix(".tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
            if flush:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all; lines end alike on every system. Raises OSError."""
    write_whole(path, lambda file: file.write(text.encode("utf-8")))


def write_json(path: Path, content: Any, indent: int | None = None) -> None:
    """Write JSON (no NaN, no infinity), whole or not at all. Raises OSError, or ValueError for what JSON cannot say."""
    write_text(path, json.dumps(content, indent=indent, allow_nan=False) + "\n")
