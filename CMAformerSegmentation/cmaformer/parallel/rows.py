"""Some rows of the joint batch: those of one process, or as many as fit into memory at once."""

from __future__ import annotations

from typing import Any, NamedTuple


class Rows(NamedTuple):
    """Rows ``start`` to ``stop`` (excluded), each or every ``step``-th, of a joint batch of ``size`` rows.

    The random numbers of a step are those of the joint batch, of which only these rows are used; so the rows of a batch
    do not depend on how it is divided.
    """

    start: int
    stop: int
    size: int
    step: int = 1

    @classmethod
    def all(cls, size: int) -> Rows:
        """The whole batch."""
        return cls(0, size, size)

    def of(self, joint: Any) -> Any:
        """These rows of an array, tensor or list of the joint batch."""
        return joint[self.start : self.stop : self.step]

    def times(self, factor: int) -> Rows:
        """The rows of a batch that many times as large."""
        return Rows(self.start * factor, self.stop * factor, self.size * factor, self.step)

    def every_second(self, parity: int) -> Rows:
        """Those of these (adjacent) rows with an even (0) or odd (1) place in the joint batch."""
        return Rows(self.start + (self.start + parity) % 2, self.stop, self.size, 2)
