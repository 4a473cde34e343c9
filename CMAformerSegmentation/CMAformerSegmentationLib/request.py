"""What the user wants segmented, checked before any work, and the error when it cannot be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import scene
from .catalog import ModelEntry
from .jobs import JobProblem


class SegmentationError(RuntimeError):
    """A segmentation that could not be made. The message says why and what to do."""

    def __init__(self, problem: JobProblem) -> None:
        super().__init__(str(problem))
        self.code = problem.code
        self.hint = problem.hint


@dataclass(frozen=True)
class Request:
    """What to segment, with which model, where to put it, and on which device ("auto", "cpu", "cuda", "mps")."""

    volumeNode: Any
    model: ModelEntry
    segmentationNode: Any = None
    device: str = "auto"
    engineVersion: str = ""

    def problem(self) -> str:
        """What is missing or wrong, in words; an empty string when it can start."""
        return scene.volumeProblem(self.volumeNode) or scene.outputProblem(self.segmentationNode, self.volumeNode)

    def parameters(self) -> dict[str, Any]:
        return {"device": self.device, "batch_size": None, "cleanup": True}
