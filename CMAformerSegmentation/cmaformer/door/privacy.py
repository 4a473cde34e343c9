"""Nothing that identifies a person or a computer may be in what leaves it."""

from __future__ import annotations

import contextlib
import getpass
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

# A folder at the start of a word: /a/b, C:\a, \\server, ~/a, file:///a; not a unit (ml/s) and not a web address.
_PATH = re.compile(r"""(?:^|[\s"'(\[=,;:])(?:/[\w.~-]+/|~/|\\\\\w)|\b[A-Za-z]:[\\/](?!/)|\bfile:/""")
# The name of a file with an image, as far as it has no spaces.
_FILE = re.compile(r"[^\s/\\:;,()'\"]+\.(?:dcm|ima|nii|nrrd|nhdr|mha|mhd)(?:\.gz)?(?!\w)", re.IGNORECASE)
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


# What stands for a text that had to go.
WITHHELD = "(withheld: it named a folder, a user or this computer)"


def identifying(value: Any, allowed: Iterable[str] = ()) -> str | None:
    """The first text inside nested JSON values that holds an absolute path, or this user's or computer's name.

    An honest but simple check: it knows the account that runs it, not patients' names. A name is a whole word.

    Args:
        value: texts, lists and objects of them.
        allowed: words that are no names here, whatever the account or the computer is called: a workstation "heart" may
            train a model of the heart.
    """
    test = _test(allowed)
    return next((text for text in _texts(value) if test(text)), None)


def withheld(value: Any, allowed: Iterable[str] = ()) -> Any:
    """A copy of nested JSON values with WITHHELD in place of every text that is :func:`identifying`."""
    test = _test(allowed)

    def copy(part: Any) -> Any:
        if isinstance(part, str):
            return WITHHELD if test(part) else part
        if isinstance(part, Mapping):
            return {key: copy(entry) for key, entry in part.items()}
        return [copy(entry) for entry in part] if isinstance(part, (list, tuple)) else part

    return copy(value)


def without_files(text: str, known: Iterable[str] = ()) -> str:
    """A message without the names of image files, which often are those of patients.

    Args:
        text: the message.
        known: further names to leave out, such as those that the user has given.
    """
    for name in sorted({name for name in known if len(name) > 1}, key=len, reverse=True):
        text = text.replace(name, "the file")
    return _FILE.sub("the file", text)


def words(texts: Iterable[str]) -> set[str]:
    """The words of some texts, in lower case."""
    return {word for text in texts for word in re.findall(r"\w+", text.lower())}


def _test(allowed: Iterable[str]) -> Callable[[str], bool]:
    known = {Path.home().name, platform.node(), platform.node().split(".")[0]}
    with contextlib.suppress(OSError, KeyError, ImportError):  # no account entry, as in some containers
        known.add(getpass.getuser())
    usual = _COMMON | words(allowed)
    names = [re.escape(name) for name in known if len(name) >= 3 and name.lower() not in usual]
    named = re.compile(rf"(?<!\w)(?:{'|'.join(names)})(?!\w)", re.IGNORECASE) if names else None
    home = str(Path.home())

    def test(text: str) -> bool:
        at_home = len(home) > 1 and home in text
        return bool(_PATH.search(text) or at_home or (named and named.search(text)))

    return test


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
