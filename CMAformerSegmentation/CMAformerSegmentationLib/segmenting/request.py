"""What the user wants segmented, checked before any work, and the error when it cannot be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import slicer
from slicer.i18n import tr as _

from cmaformer.door import modality

from ..jobs.job import JobProblem
from ..models.catalog import ModelEntry
from ..scene import nodes as scene
from .inputVolumes import geometryIn
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
    """What to segment, with which model, where to put it, and on which device ("auto", "cpu", "cuda", "mps").

    :ivar roiNode: a markups ROI, the region to segment; None for the whole volume.
    :ivar others: further volumes of the patient, where the model looks at several, in its order.
    """

    volumeNode: Any
    model: ModelEntry
    segmentationNode: Any = None
    device: str = "auto"
    engineVersion: str = ""
    roiNode: Any = None
    others: tuple[Any, ...] = ()

    def problem(self) -> str:
        """What is missing or wrong, in words; an empty string when it can start."""
        problem = scene.volumeProblem(self.volumeNode) or self._othersProblem()
        problem = problem or scene.outputProblem(self.segmentationNode, self.volumeNode)
        if problem or self.roiNode is None:
            return problem
        return regionProblem(self.roiNode, self.volumeNode) or keepingProblem(
            self.segmentationNode, self.volumeNode, self.model.structures
        )

    def remark(self) -> str:
        """What the user should know before it starts, in words; an empty string for nothing.

        The modality is what Slicer keeps of a DICOM series; of other volumes nothing is known.
        """
        madeFor, found = self.model.modality, _modality(self.volumeNode)
        if not modality.is_other(found, madeFor):
            return ""
        return _("The volume is {found}, and the model is for {wanted}: do not rely on the result.").format(
            found=found, wanted=madeFor
        )

    def _othersProblem(self) -> str:
        names = self.model.images
        if len(self.others) != max(0, len(names) - 1) or None in self.others:
            if not names:
                return _("The model looks at one image, and several were given.")
            given = [name for name, node in zip(names[1:], self.others) if node is not None]
            missing = ", ".join(name for name in names[1:] if name not in given) or _("fewer images")
            return _("The model looks at {names} of the same patient. Choose, too: {missing}.").format(
                names=", ".join(names), missing=missing
            )
        nodes = (self.volumeNode, *self.others)
        if len({node.GetID() for node in nodes}) < len(nodes):
            return _("The same volume is chosen for two images. Choose {names} of the same patient.").format(
                names=", ".join(names)
            )
        for node in self.others:
            problem = scene.volumeProblem(node)
            if not problem and geometryIn(node, self.volumeNode) is None:
                problem = _("Its transform and that of the first image are not rigid to each other. Harden them first.")
            if problem:
                return _("{name}: {problem}").format(name=node.GetName(), problem=problem)
        return ""

    def region(self) -> Region | None:
        """The region as it is now; None for the whole volume."""
        return regionOf(self.roiNode, self.volumeNode) if self.roiNode is not None else None

    def parameters(self) -> dict[str, Any]:
        region = self.region()
        # Of a whole volume it costs next to nothing to know where the model is unsure.
        further = {"uncertainty": True} if region is None else {"region": region.parameter()}
        return {"device": self.device, "batch_size": None, "cleanup": True, **further}


def _modality(volumeNode) -> str:
    """The modality of the DICOM series that a volume was loaded from; empty where there is none."""
    hierarchy = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode")  # and make none
    if volumeNode is None or hierarchy is None:
        return ""
    item = hierarchy.GetItemByDataNode(volumeNode)
    name = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName()
    return str(hierarchy.GetItemAttribute(item, name) or "").upper() if item else ""


def volumesInOrder(volumes: Any, model: ModelEntry) -> list[Any]:
    """The volumes of a patient in the order of the model's images: one node, a list, or a dictionary by their names.

    :raises ValueError: in words, when a name is none of the model's images.
    """
    if isinstance(volumes, Mapping):
        given = {str(name).casefold(): node for name, node in volumes.items()}
        if set(given) != {name.casefold() for name in model.images}:
            text = _("The model looks at {names}; volumes of these names are needed.")
            raise ValueError(text.format(names=", ".join(model.images) or _("one image")))
        return [given[name.casefold()] for name in model.images]
    return list(volumes) if isinstance(volumes, (list, tuple)) and volumes else [volumes]
