"""What a training would do, in words, before it is started."""

from __future__ import annotations

from collections.abc import Sequence

from slicer.i18n import tr as _

from cmaformer.door.verdict import FEWEST

from ..cases.case import HELD_OUT, LABELED, UNLABELED, TrainingCase
from ..cases.table import roleTitle
from ..widgets.duration import duration

# Mean Dice of hearts with so many labeled patients, the others unlabeled, after half an hour of one core and from
# scratch: Testing/benchmarks/README.md, "At equal time of a core".
_measured = {1: 0.69, 3: 0.88, 7: 0.90}


def planInWords(cases: Sequence[TrainingCase], minutes: float, isFresh: bool) -> str:
    """How many cases of each role, how long, and what may be expected of it.

    :param isFresh: whether the training starts from no model.
    """
    roles = [case.role for case in cases]
    counts = ", ".join(f"{roles.count(role)} {roleTitle(role)}" for role in (LABELED, UNLABELED, HELD_OUT))
    words = [_("{counts}. About {time} on this computer.").format(counts=counts, time=duration(60 * minutes))]
    patients = len({case.patient or case.title for case in cases if case.role == LABELED})
    if isFresh and patients <= max(_measured):
        known = ", ".join(f"{count}: {dice:.2f}" for count, dice in _measured.items())
        text = _("With so few labels expect a draft to correct. Dice of hearts by labeled patients, measured: {known}.")
        words.append(text.format(known=known))
    held = roles.count(HELD_OUT)
    if not held:
        words.append(_("With five labeled patients or more, a fifth is held out to measure the result."))
    elif held < FEWEST:
        words.append(_("So few held-out cases cannot tell whether the new model is better."))
    return " ".join(words)
