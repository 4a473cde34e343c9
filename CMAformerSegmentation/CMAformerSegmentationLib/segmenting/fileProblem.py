"""What went wrong with the files between Slicer and the engine, in words."""

from __future__ import annotations

from slicer.i18n import tr as _

from ..jobs.job import JobProblem
from ..scene.metaimage import MetaImageError


def fileProblem(error: BaseException) -> JobProblem:
    """The problem of an error while a file was written or read."""
    if isinstance(error, MetaImageError):
        return JobProblem("file-damaged", str(error), _("Try again."))
    if isinstance(error, OSError):
        message = _("The temporary folder cannot be used ({reason}).").format(
            reason=error.strerror or type(error).__name__
        )
        return JobProblem("disk", message, _("Free some disk space and try again."))
    return JobProblem("unexpected", _("Something unexpected happened: {error}").format(error=error))
