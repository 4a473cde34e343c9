"""Which patient an image belongs to, where nobody says so: one rule, from its name."""

from __future__ import annotations

import re

# What names add to that of the patient: frame, phase, end-diastole or end-systole, session, visit, run, time.
_FURTHER = re.compile(
    r"[_ .-](?:(?:frame|phase|ses|session|visit|run|time|timepoint)[_ -]?\w*|(?:t|scan)[_-]?\d+|e[ds])$", re.IGNORECASE
)
_BIDS = re.compile(r"(sub-[A-Za-z0-9]+)(?:[_-]|$)")


def patient_of(name: str) -> str:
    """The patient of a case: "patient001" of "patient001_frame01", "sub-02" of "sub-02_ses-1_T1w"; else its name.

    A patient who is on both sides of a split makes a model look better than it is. A list of cases can say otherwise
    with ``"patient"``.
    """
    bids = _BIDS.match(name)
    if bids:
        return bids[1]
    while True:
        shorter = _FURTHER.sub("", name)
        if shorter in (name, ""):
            return name
        name = shorter
