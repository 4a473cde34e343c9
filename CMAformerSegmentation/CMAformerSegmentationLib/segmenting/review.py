"""Where the model is unsure of a result: the slices to look at first, and a volume that shows it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from ..scene import nodes as scene
from ..scene.metaimage import Geometry, readLabels
from ..scene.sliceViews import jumpToSlice, showOver
from .result import SegmentationResult

reviewAttribute = "CMAformer.Review"


class UncertaintyMap:
    """Percent of the highest entropy in each voxel, uint8 (K, J, I), as the engine has written it; small in memory.

    :raises OSError, MetaImageError: when the file cannot be read.
    """

    def __init__(self, path: Path, geometry: Geometry) -> None:
        self._geometry = geometry
        array = np.empty(tuple(reversed(geometry.size)), np.uint8)
        readLabels(path, array)
        self._packed = zlib.compress(array.tobytes(), 1)

    def work(self) -> Callable[[], Any]:
        """Unpack it, in a thread; the work returns the image for `show`."""
        image = vtk.vtkImageData()
        image.SetDimensions(*self._geometry.size)
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
        voxels = vtk_to_numpy(image.GetPointData().GetScalars())

        def unpack() -> Any:
            voxels[:] = np.frombuffer(zlib.decompress(self._packed), np.uint8)
            return image

        return unpack


def showUncertainty(image, volumeNode) -> Any:
    """A new volume node of an unpacked map in the place of its volume, shown over that in the slice views."""
    name = slicer.mrmlScene.GenerateUniqueName(_("{volume} uncertainty (%)").format(volume=volumeNode.GetName()))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.CopyOrientation(volumeNode)
    node.SetAndObserveImageData(image)
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeFileColdToHotRainbow.txt")
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0, 100)
    display.SetApplyThreshold(True)
    display.SetThreshold(1, 100)  # where the model is sure, the image is seen
    scene.placeBesideVolume(node, volumeNode)
    showOver(volumeNode, node)
    return node


class Review:
    """Steps through the slices of a result that the engine has named, the worst first."""

    def __init__(self) -> None:
        self._key = ""
        self._place = -1

    @staticmethod
    def slices(result: SegmentationResult | None) -> list[int]:
        """The slices to look at, along the axis of the volume that the model cuts; empty where none is known."""
        return list(_facts(result).get("worst_slices", []))

    def next(self, result: SegmentationResult) -> str:
        """Show the next slice, and after the last one the first again; returns what to say of it."""
        facts, nodes = _facts(result), result.nodes
        slices = facts.get("worst_slices", [])
        if not slices or nodes is None:
            return _("The model was sure everywhere. Look at every slice all the same.")
        if self._key != result.key:
            self._key, self._place = result.key, -1
        self._place = (self._place + 1) % len(slices)
        volumeNode, segmentationNode = nodes
        jumpToSlice(volumeNode, facts["slice_axis"], slices[self._place], segmentationNode)
        text = _("Review {number} of {count}: slice {slice}. {leastSure}")
        return text.format(
            number=self._place + 1,
            count=len(slices),
            slice=slices[self._place] + 1,
            leastSure=_leastSure(facts.get("expected_dice", {})),
        ).strip()


def _leastSure(expected: dict[str, float]) -> str:
    if not expected:
        return ""
    name = min(expected, key=lambda name: expected[name])
    text = _("In the whole volume, the model is least sure of: {name} (expected Dice {dice}).")
    return text.format(name=name, dice=f"{expected[name]:.2f}")


def _facts(result: SegmentationResult | None) -> dict[str, Any]:
    """What the node tells, checked: the scene may be from somebody else, and the volume may have changed."""
    nodes = result.nodes if result is not None else None
    if nodes is None or nodes[0].GetImageData() is None:
        return {}
    try:
        facts = json.loads(nodes[1].GetAttribute(reviewAttribute) or "{}")
        axis = str(facts["slice_axis"])
        count = nodes[0].GetImageData().GetDimensions()["ijk".index(axis)]
        slices = [int(index) for index in facts["worst_slices"] if 0 <= int(index) < count]
        expected = {str(k): float(v) for k, v in dict(facts["expected_dice"]).items() if v is not None}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {"slice_axis": axis, "worst_slices": slices, "expected_dice": expected}
