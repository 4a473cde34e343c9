"""Models for colleagues: an index that a hospital keeps on a share or a web server, and what it offers.

The index is a JSON file: ``{"models": [{"id", "title", "license", "url" or "path", "sha256"}, ...]}``; a url
or path leads to the zip that *Export* writes, from the place of the index on. Nothing is asked for before the user
does, and what comes is data: its checksum is that of the index, and its weights are verified like any other's.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.request import urlopen

from slicer.i18n import tr as _

from ..refusal import Refusal
from .catalog import ModelEntry
from .library import importModel, largestFile

_seconds = 20  # without a sign of life
_largestIndex, _mostModels = 1 << 20, 500  # bytes; entries


@dataclass(frozen=True)
class Offer:
    """A model of an index.

    :ivar id: of the model.
    :ivar title: what people call it.
    :ivar license: as the index words it; empty where it says nothing.
    :ivar sha256: of the zip.
    :ivar place: of the zip: a path, or a http or https address.
    """

    id: str
    title: str
    license: str
    sha256: str
    place: str

    @property
    def host(self) -> str:
        """Where it comes from, in a word: a host, or the folder."""
        return urlsplit(self.place).hostname or str(Path(self.place).parent)

    @property
    def words(self) -> str:
        """What a list shows."""
        return f"{self.title} ({self.id})" if self.title != self.id else self.id


def readIndex(place: str) -> list[Offer]:
    """What an index offers; entries without a place or a checksum, and those that look like another, are left out.

    :param place: path of the file, or its http or https address.
    :raises ValueError: in words, when it cannot be read, or offers nothing.
    """
    text = b""
    for chunk in _chunks(place):
        text += chunk
        if len(text) > _largestIndex:
            break
    try:
        content: Any = json.loads(text.decode("utf-8-sig")) if len(text) <= _largestIndex else None
        entries = content["models"][:_mostModels]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Refusal(lambda: _("This is no index of models.")) from None
    offers: dict[str, Offer] = {}
    for entry in entries:
        offer = _offer(entry, place)
        if offer is not None:
            offers.setdefault(offer.words, offer)
    if not offers:
        raise Refusal(lambda: _("The index offers no model."))
    return list(offers.values())


def fetchModel(offer: Offer, library: Path, others: Iterable[Path] = ()) -> ModelEntry:
    """Take over a model of an index, whole or not at all; see `importModel`.

    :raises ValueError: in words, when it cannot be read, or is not what the index says.
    :raises OSError: when the folder cannot be written.
    """
    temporary = Path(library) / f".index.{secrets.token_hex(4)}"
    try:
        temporary.mkdir(parents=True)
        path = temporary / f"{secrets.token_hex(4)}.zip"
        digest = hashlib.sha256()
        with open(path, "wb") as target:
            for chunk in _chunks(offer.place):
                digest.update(chunk)
                target.write(chunk)
                if target.tell() > largestFile:
                    raise Refusal(lambda: _("{name} is too large for a model.").format(name=offer.id))
        if digest.hexdigest() != offer.sha256:
            raise Refusal(lambda: _("The file is not the one that the index describes: it has another checksum."))
        return importModel(path, library, others)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _offer(entry: Any, index: str) -> Offer | None:
    if not isinstance(entry, dict):
        return None
    words = {key: entry.get(key, "") for key in ("id", "title", "license", "sha256", "url", "path")}
    if not all(isinstance(value, str) for value in words.values()):
        return None
    there, checksum = words["url"] or words["path"], words["sha256"].lower()
    if not words["id"] or not there or len(checksum) != 64:
        return None
    try:
        if _isAddress(index):
            place = urljoin(index, there)
            if not _isAddress(place):  # an index of the web knows no files of this computer
                return None
        else:
            place = there if _isAddress(there) else str(Path(index).parent / there)
        urlsplit(place)
    except ValueError:
        return None
    return Offer(words["id"], words["title"] or words["id"], words["license"], checksum, place)


def _chunks(place: str) -> Iterator[bytes]:
    """The content of a file or an address, piece by piece.

    :raises ValueError: why it cannot be read, in words; also where a server leads to another one.
    """
    place = place.strip()
    name = place.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    try:
        source: Any = urlopen(place, timeout=_seconds) if _isAddress(place) else open(place, "rb")  # noqa: SIM115
        with source as file:
            led = file.geturl() if _isAddress(place) else place
            if urlsplit(led).hostname != urlsplit(place).hostname or _isAddress(led) != _isAddress(place):
                raise Refusal(lambda: _("{name} leads to another server.").format(name=name))
            while chunk := file.read(1 << 20):
                yield chunk
    except Refusal:
        raise
    except (OSError, HTTPException, ValueError) as error:
        cause = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        reason = str(cause) or type(error).__name__
        raise Refusal(lambda: _("{name} cannot be read: {reason}.").format(name=name, reason=reason)) from None


def _isAddress(place: str) -> bool:
    return urlsplit(place).scheme in ("http", "https")
