"""Nothing that identifies a person or a computer may be in what leaves it."""

from __future__ import annotations

import contextlib
import getpass
import platform
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# A folder at the start of a word: /a/b, C:\a, \\server, ~/a, file:///a; not a unit (ml/s) and not a web address.
_PATH = re.compile(r"""(?:^|[\s"'(\[=,;:])(?:/[\w.~-]+/|~/|\\\\\w)|\b[A-Za-z]:[\\/](?!/)|\bfile:/""")
# Account and host names that are also ordinary words, or everybody's.
_COMMON = {
    "root",
    "user",
    "admin",
    "administrator",
    "localhost",
    "ubuntu",
    "default",
    "guest",
    "public",
    "test",
    "runner",
}


def identifying(value: Any) -> str | None:
    """The first text inside nested JSON values that holds an absolute path, or this user's or computer's name.

    An honest but simple check: it knows the account that runs it, not patients' names.
    """
    words = {Path.home().name, platform.node(), platform.node().split(".")[0]}
    with contextlib.suppress(OSError, KeyError, ImportError):  # no account entry, as in some containers
        words.add(getpass.getuser())
    names = [re.escape(word) for word in words if len(word) >= 3 and word.lower() not in _COMMON]
    named = re.compile(rf"(?<!\w)(?:{'|'.join(names)})(?!\w)", re.IGNORECASE) if names else None
    home = str(Path.home())
    for text in _texts(value):
        if _PATH.search(text) or (len(home) > 1 and home in text) or (named and named.search(text)):
            return text
    return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _texts(key)
            yield from _texts(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _texts(entry)
