"""The sentences of the panel's status line."""

from __future__ import annotations

from slicer.i18n import tr as _

from ..jobs.job import CANCELLED, FAILED, FINISHED
from ..widgets.duration import duration
from .segmentation import PREPARING, READING, RUNNING, WAITING, SegmentationTask


def taskStatus(task: SegmentationTask) -> str:
    """What a segmentation is doing, or how it ended, in one or two plain sentences."""
    if task.state == FINISHED:
        return _finished(task)
    if task.state in (FAILED, CANCELLED):
        return str(task.problem)
    if task.cancelling:
        return _("Stopping...")
    if task.state == RUNNING:
        return _running(task)
    return {
        PREPARING: _("Preparing the volume..."),
        WAITING: _("Loading the model... The first time takes a little longer."),
        READING: _("Showing the result..."),
    }[task.state]


def _running(task: SegmentationTask) -> str:
    progress = task.job.progress
    if task.stalled:
        return _("No progress for over a minute at slice {done} of {total}. Wait, or cancel and try the CPU.").format(
            done=progress.done, total=progress.total
        )
    if progress.done >= progress.total:
        return _("Finishing the result...")
    if progress.secondsLeft is None:
        return _("Segmenting: slice {done} of {total}.").format(done=progress.done, total=progress.total)
    return _("Segmenting: slice {done} of {total}, about {left} left.").format(
        done=progress.done, total=progress.total, left=duration(progress.secondsLeft)
    )


def _finished(task: SegmentationTask) -> str:
    found = sum(1 for structure in task.summary.get("structures", []) if structure.get("voxels", 1))
    nextStep = _("Look at every slice. After correcting, press Learn from it.")
    if found == 0:
        text, nextStep = (
            _("Done in {time}, but none of the model's structures was found. Is it the right kind of image?"),
            "",
        )
    elif found == 1:
        text = _("Done in {time}: 1 structure.")
    else:
        text = _("Done in {time}: {count} structures.")
    return " ".join(filter(None, [text.format(time=duration(task.seconds), count=found), *task.notices, nextStep]))
