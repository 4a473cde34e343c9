"""Terms of a model's weights that are not free for every use: the user accepts them once, before the model is used."""

from __future__ import annotations

import hashlib
import re

import qt
import slicer

from .catalog import ModelEntry

_restrictive = re.compile(r"\bNC\b|non-?commercial|not commercial|research only", re.IGNORECASE)
_key = "CMAformer/AcceptedTerms/"


def mustBeAccepted(entry: ModelEntry | None) -> bool:
    """Whether the panel must not use a model before the user has accepted its terms.

    Models with the same terms, such as those that were trained from this one, are accepted together.
    """
    if entry is None or not _restrictive.search(entry.license):
        return False
    return not slicer.util.settingsValue(_settingsKey(entry), False, converter=slicer.util.toBool)


def accept(entry: ModelEntry) -> None:
    """Remember, for this user of this computer, that the terms of a model were accepted."""
    qt.QSettings().setValue(_settingsKey(entry), True)


def _settingsKey(entry: ModelEntry) -> str:
    return _key + hashlib.sha256(entry.license.encode("utf-8")).hexdigest()[:16]
