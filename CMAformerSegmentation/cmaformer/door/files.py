"""The one way to write a file whole or not at all."""

from __future__ import annotations

import errno
import glob
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from .process import alive


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
            file.flush()
            if flush:
                os.fsync(file.fileno())
            written = file.tell()
        if temporary.stat().st_size != written:  # some disks that are full say so nowhere else
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def private_folder(path: Path) -> Path:
    """Make a folder that nobody but its owner can look into (mode 0700): it will hold images. Raises OSError."""
    path.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):  # some disks know no modes
        path.chmod(0o700)
    return path


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A name to write a file under, which becomes ``path`` when the block ends well; nothing is left otherwise.

    The name ends as ``path`` does, because writers choose the format by it, and two processes do not share one.

    Raises:
        OSError: it cannot be put in its place; what was there before is then unchanged.
    """
    for left in path.parent.glob(f".*-*-{glob.escape(path.name)}"):  # of a process that was killed meanwhile
        number = left.name[1:].partition("-")[0]
        if number.isdecimal() and not alive(int(number)):
            left.unlink(missing_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all; lines end alike on every system. Raises OSError."""
    write_whole(path, lambda file: file.write(text.encode("utf-8")))


def write_json(path: Path, content: Any, indent: int | None = None) -> None:
    """Write JSON (no NaN, no infinity), whole or not at all. Raises OSError, or ValueError for what JSON cannot say."""
    write_text(path, json.dumps(content, indent=indent, allow_nan=False) + "\n")


def read_text(path: Path) -> str:
    """A text file as people save it: UTF-8, or what a byte order mark says (as Windows programs write).

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is none of these.
    """
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    return data.decode("utf-8-sig")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if there is no such file, or something else in it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
