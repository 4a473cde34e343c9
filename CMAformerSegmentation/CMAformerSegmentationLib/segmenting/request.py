"""What the user wants segmented, checked before any work, and the error when it cannot be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..jobs.job import JobProblem
from ..models.catalog import ModelEntry
from ..scene import nodes as scene
from .region import Region, regionOf, regionProblem
from .regionResult import keepingProblem


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
    roiNode: Any = None  # a markups ROI: the region to segment; None for the whole volume

    def problem(self) -> str:
        """What is missing or wrong, in words; an empty string when it can start."""
        problem = scene.volumeProblem(self.volumeNode) or scene.outputProblem(self.segmentationNode, self.volumeNode)
        if problem or self.roiNode is None:
            return problem
        return regionProblem(self.roiNode, self.volumeNode) or keepingProblem(
            self.segmentationNode, self.volumeNode, self.model.structures
        )

    def region(self) -> Region | None:
        """The region as it is now; None for the whole volume."""
        return regionOf(self.roiNode, self.volumeNode) if self.roiNode is not None else None

    def parameters(self) -> dict[str, Any]:
        region = self.region()
        # Of a whole volume it costs next to nothing to know where the model is unsure.
        further = {"uncertainty": True} if region is None else {"region": region.parameter()}
        return {"device": self.device, "batch_size": None, "cleanup": True, **further}
