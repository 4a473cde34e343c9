"""Many segmentations at once: what there is to do, how far it is, and what became of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from slicer.i18n import tr as _

from ..jobs.job import CANCELLED, FAILED, FINISHED, JobProblem
from ..segmenting.segmentation import RUNNING, WAITING
from ..widgets.duration import duration

KEPT = "kept"  # there was a result before, which was left alone
endedStates = (FINISHED, FAILED, CANCELLED, KEPT)


@dataclass
class BatchItem:
    """One of many.

    :ivar source: what to segment: a volume node, the index value of a frame; None for a file.
    :ivar state: WAITING, RUNNING, FINISHED, FAILED, CANCELLED or KEPT.
    :ivar result: the segmentation node; None where there is none, and for a file.
    :ivar remark: in words: why there is no result, or what is to be known of it.
    :ivar volumes: of the structures in ml, by name.
    """

    title: str
    source: Any = None
    state: str = WAITING
    result: Any = None
    remark: str = ""
    volumes: dict[str, float] = field(default_factory=dict)

    def end(self, state: str, remark: str = "") -> None:
        self.state, self.remark = state, remark


class Batch(ABC):
    """What the panel and scripts need to know of many segmentations. `onChanged` is called after every change.

    :ivar items: in the order in which they are segmented. :ivar ended: whether no more will come.
    :ivar cancelling: whether it was asked to stop and has not ended yet.
    :ivar problem: why it ended before its time; None where each item tells for itself.
    """

    def __init__(self, items: Sequence[BatchItem], structures: Sequence[str], onChanged: Callable[[], None] | None):
        self.items = list(items)
        self.structures = tuple(structures)
        self.onChanged = onChanged
        self.ended = False
        self.problem: JobProblem | None = None

    @property
    def cancelling(self) -> bool:
        return self.problem is not None and not self.ended

    @property
    def current(self) -> BatchItem | None:
        """The one that is being segmented."""
        return next((item for item in self.items if item.state == RUNNING), None)

    @property
    def part(self) -> float:
        """How much of the current one is done, 0 to 1."""
        return 0.0

    @property
    def secondsLeft(self) -> float | None:
        """For all that is left; None while it cannot be told."""
        return None

    @property
    def isGone(self) -> bool:
        """Whether what was segmented has left the scene."""
        return False

    @property
    def results(self) -> list[tuple[Any, Any, str]]:
        """Of each: what was to be segmented, the segmentation node or None, and why there is none, in words."""
        return [(i.source, i.result, "" if i.state in (FINISHED, KEPT) else i.remark) for i in self.items]

    @abstractmethod
    def cancel(self, reason: str = "") -> None:
        """Stop the current one, and do not begin the others."""

    @abstractmethod
    def abandon(self, reason: str) -> None:
        """End at once: the application quits or the module is unloaded."""

    def count(self, *states: str) -> int:
        """How many are in one of these states."""
        return sum(item.state in states for item in self.items)

    def table(self) -> str:
        """What became of each, as text: a line each and a tab between columns, for a spreadsheet."""
        lines = [[_("Name"), _("State"), *(f"{name} (ml)" for name in self.structures), _("Remark")]]
        for item in self.items:
            numbers = [f"{item.volumes[name]:.3f}" if name in item.volumes else "" for name in self.structures]
            lines.append([item.title, stateTitle(item.state), *numbers, item.remark])
        return "".join("\t".join(" ".join(cell.split()) for cell in line) + "\n" for line in lines)

    def status(self) -> str:
        """What happens now, or how it ended, in words."""
        if not self.ended:
            return _("Stopping...") if self.problem is not None else self._progress()
        text = self._summary()
        return f"{self.problem} {text}" if self.problem is not None else text

    def _progress(self) -> str:
        done, left = self.count(*endedStates), self.secondsLeft
        if not self.items:
            return _("Starting...")
        if left is None:
            return _("{number} of {total}...").format(number=min(done + 1, len(self.items)), total=len(self.items))
        return _("{number} of {total}, about {left} left.").format(
            number=min(done + 1, len(self.items)), total=len(self.items), left=duration(left)
        )

    def _summary(self) -> str:
        counts = [(_("{n} done"), FINISHED), (_("{n} failed"), FAILED)]
        counts += [(_("{n} there before"), KEPT), (_("{n} not done"), CANCELLED)]
        always = (FINISHED, FAILED)
        shown = [text.format(n=self.count(state)) for text, state in counts if state in always or self.count(state)]
        return ", ".join(shown) + "."

    def _changed(self) -> None:
        if self.onChanged is not None:
            self.onChanged()


def stateTitle(state: str) -> str:
    """A state as users read it."""
    return {
        WAITING: _("waiting"),
        RUNNING: _("running"),
        FINISHED: _("done"),
        FAILED: _("failed"),
        CANCELLED: _("not done"),
        KEPT: _("kept"),
    }[state]
