"""What the sections of the panel tell each other: none of them knows another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class Signal:
    """Calls whoever listens, in the order in which they came."""

    def __init__(self) -> None:
        self._slots: list[Callable[..., Any]] = []

    def connect(self, slot: Callable[..., Any]) -> None:
        """Call a function at each `emit`."""
        self._slots.append(slot)

    def disconnect(self, slot: Callable[..., Any]) -> None:
        """Do not call it any more."""
        self._slots.remove(slot)

    def emit(self, *values: Any) -> None:
        """Tell everybody."""
        for slot in list(self._slots):
            slot(*values)


@dataclass(frozen=True)
class Choices:
    """What is chosen in the section Segment.

    volumeNode - The volume to segment; None where none is chosen.
    model - The entry of the model; None where there is none.
    device - "auto", "gpu" or "cpu".
    problem - Why no volume can be segmented on this computer with this model, in words; empty when one can.
    isRunning - Whether a volume is being segmented.
    """

    volumeNode: Any = None
    model: Any = None
    device: str = "auto"
    problem: str = ""
    isRunning: bool = False


class Hub:
    """Signals between the sections, and the little that more than one of them must know.

    :ivar choices: of the section Segment; `choicesChanged` tells when it has looked at them again.
    :ivar batchIsRunning: whether several volumes are being segmented, so that none may be started beside them.
    :ivar engineIsReady: whether it is known that PyTorch is there.
    :ivar computerProblem: gives why the engine cannot run here, in words; an empty string when it can.
    :ivar volumeSegmented: emits volume node, model, device and seconds of a whole volume.
    :ivar caseOffered: emits a volume node and its segmentation node, to learn from them.
    :ivar casesOffered: emits a list of cases, the names of their structures, and the id of a model, to start from.
    :ivar trainingStarted: emits the training.
    :ivar sectionOpened: a section was unfolded; CTK shows then what was to be hidden while it was folded.
    """

    def __init__(self) -> None:
        self.choices = Choices()
        self.batchIsRunning = self.engineIsReady = False
        self.computerProblem: Callable[[], str] = str
        self.choicesChanged, self.batchChanged = Signal(), Signal()
        self.computerChanged, self.modelsChanged = Signal(), Signal()
        self.volumeSegmented, self.caseOffered, self.casesOffered = Signal(), Signal(), Signal()
        self.trainingStarted, self.sectionOpened = Signal(), Signal()
