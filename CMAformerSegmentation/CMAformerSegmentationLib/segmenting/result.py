"""A result of this module as it is in the scene: its model, its volume, and the numbers of its structures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import slicer

from ..models.catalog import ModelEntry
from ..scene import nodes as scene

countsAttribute = "CMAformer.Voxels"  # of each structure when the result was made: value -> voxels, as JSON
_runAttribute = "CMAformer.Run"
_nothing = {"voxels": 0, "volume_ml": 0.0, "mean": None}


@dataclass
class SegmentationResult:
    """What the table, Copy and Export show. It belongs to a segmentation node, whoever chose it and whenever.

    key - Of the run that made it; another run into the same node is another result.
    structures - Of each structure "value", "voxels", "volume_ml", "mean" and, where that is so, "corrected".
    recounts - How often its numbers were counted again, because the user had corrected it.
    """

    model: ModelEntry
    segmentationId: str
    volumeId: str
    key: str
    structures: list[dict[str, Any]] = field(default_factory=list)
    recounts: int = 0
    counted: tuple[int, ...] = ()  # when the label maps had been changed last as the numbers were counted
    uncertainty: Any = None  # an `UncertaintyMap`, where it was made in this session

    @property
    def nodes(self) -> tuple[Any, ...] | None:
        """Volume and segmentation node, as long as both are in the scene."""
        found = tuple(slicer.mrmlScene.GetNodeByID(i) for i in (self.volumeId, self.segmentationId))
        return found if all(node is not None for node in found) else None

    @property
    def made(self) -> dict[int, int]:
        """Voxels of each structure when the result was made; empty where the scene does not tell."""
        node = slicer.mrmlScene.GetNodeByID(self.segmentationId)
        try:
            counts = json.loads((node.GetAttribute(countsAttribute) if node is not None else None) or "{}")
            return {int(value): int(count) for value, count in counts.items()}
        except (ValueError, TypeError, AttributeError):  # of a scene from somebody else
            return {}

    def recount(self, found: dict[int, dict[str, Any]]) -> bool:
        """Take over the numbers as they are now. Returns whether any of them is new.

        :param found: value -> "voxels", "volume_ml" and "mean"; a structure that is missing has nothing any more.
        """
        made = self.made
        structures = []
        for structure in self.model.structures:
            now = found.get(structure.value, _nothing)
            item: dict[str, Any] = {"value": structure.value, **now}
            if now["voxels"] != made.get(structure.value, now["voxels"]):
                item["corrected"] = True
            structures.append(item)
        if structures == self.structures:
            return False
        self.structures = structures
        self.recounts += 1
        return True


def resultOf(segmentationNode, findModel: Callable[[str], ModelEntry | None]) -> SegmentationResult | None:
    """The result that a segmentation node holds; None where this module did not make it with a model that is here.

    :param findModel: gives the entry of an exact id, or None.
    """
    if segmentationNode is None:
        return None
    model = findModel(segmentationNode.GetAttribute(scene.madeByTag) or "")
    volumeId = scene.referencedVolumeId(segmentationNode)
    if model is None or slicer.mrmlScene.GetNodeByID(volumeId) is None:
        return None
    run = segmentationNode.GetAttribute(_runAttribute) or segmentationNode.GetAttribute("CMAformer.Date") or ""
    return SegmentationResult(model, segmentationNode.GetID(), volumeId, f"{segmentationNode.GetID()} {run}")


def runFacts(run: str, summary: dict[str, Any]) -> dict[str, Any]:
    """What is kept with the node of a new result, by which it is known again in a saved scene.

    :param run: names the run that made it.
    :param summary: of the engine.
    """
    structures = summary.get("structures", [])
    counts = {str(item["value"]): item["voxels"] for item in structures if isinstance(item.get("voxels"), int)}
    return {"Run": run, "Voxels": counts, "Review": summary.get("uncertainty", {})}
