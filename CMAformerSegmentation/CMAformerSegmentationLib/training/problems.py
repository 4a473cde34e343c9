"""Why a training has no result, in words."""

from __future__ import annotations

from slicer.i18n import tr as _

from ..jobs.job import JobProblem


def preparationProblem(error: Exception | None) -> JobProblem:
    """Why the cases were not saved; None: Slicer ended before they were."""
    if error is None:
        message = _("Slicer was closed before the cases of this training were saved.")
        return JobProblem("not-prepared", message, _("Delete it and start a new one."))
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        message = _("The cases cannot be saved ({reason}).").format(reason=reason)
        return JobProblem("disk", message, _("Free some disk space and start again."))
    return JobProblem("case", str(error))


def exitProblem(code: int | None) -> JobProblem:
    """Why the process of a training left it unfinished, by its exit code where that is known."""
    hint = _("It can be resumed from its last checkpoint.")
    if code in (-9, 137):
        message = _("The training was ended from outside; most often the computer had run out of memory.")
        return JobProblem("killed", message, _("Close other programs, then resume it."))
    if code is not None and (code < 0 or code > 128):
        return JobProblem("crashed", _("The training crashed."), hint)
    if code:
        return JobProblem("stopped", _("The training could not go on. The log tells why."), hint)
    return JobProblem("interrupted", _("The training was interrupted."), hint)
