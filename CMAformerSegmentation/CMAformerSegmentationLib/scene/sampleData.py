"""Samples to try the module with: a heart and an abdomen, drawn here when they are asked for, never downloaded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..widgets.panelWork import PanelWork
from . import syntheticAbdomen, syntheticHeart
from .syntheticAbdomen import abdomen
from .syntheticHeart import shortAxisHeart
from .syntheticVolume import SyntheticVolume

_icons = Path(__file__).resolve().parents[2] / "Resources" / "Icons"
_category = "CMAformerSegmentation"  # of Slicer's module Sample Data


@dataclass(frozen=True)
class Sample:
    """A sample: its name in the scene, how it is drawn, its picture, and what is said of it."""

    name: str
    draw: Callable[[], SyntheticVolume]
    thumbnail: Path
    action: str
    drawing: str
    problem: str


def samples() -> tuple[Sample, ...]:
    """The samples, in the order to offer them; functions are looked up when they are called."""
    return (
        Sample(
            syntheticHeart.NAME,
            lambda: shortAxisHeart(),
            _icons / "SyntheticHeart.png",
            _("Sample data: synthetic heart"),
            _("Drawing a synthetic heart. This takes a few seconds."),
            _("The synthetic heart could not be drawn: {reason}"),
        ),
        Sample(
            syntheticAbdomen.NAME,
            lambda: abdomen(),
            _icons / "SyntheticAbdomen.png",
            _("Sample data: synthetic abdomen (CT)"),
            _("Drawing a synthetic abdomen. This takes a few seconds."),
            _("The synthetic abdomen could not be drawn: {reason}"),
        ),
    )


class SampleDrawing:
    """Draws a sample in a thread, because that takes seconds, and puts it into the scene."""

    def __init__(self) -> None:
        self._work = PanelWork(waitSeconds=0.015)

    @property
    def isBusy(self) -> bool:
        return self._work.isBusy

    def start(self, sample: Sample, onDone: Callable[[Any, str], None]) -> str:
        """Begin, and return what to say meanwhile.

        :param onDone: called with the volume node and an empty text, or with None and what went wrong, in words.
        """

        def onDrawn(drawn: Any, error: BaseException | None) -> None:
            if error is None:
                onDone(addSample(drawn, sample.name), "")
                return
            logging.error("CMAformer: the sample could not be drawn: %r", error)
            onDone(None, sample.problem.format(reason=str(error) or type(error).__name__))

        self._work.start(sample.draw, onDrawn)
        return sample.drawing

    def cleanup(self) -> None:
        """Nobody waits for it any more."""
        self._work.cleanup()


def addSample(sample: SyntheticVolume, name: str = syntheticHeart.NAME):
    """Put a sample into the scene as a volume, and show it in the slice views; return the node.

    Slicer's readers turn the slices of a volume around whose axes are left-handed. So does this: the node is the one
    that a file of the sample gives.
    """
    voxels, direction, origin = sample.image, np.reshape(sample.direction, (3, 3)), np.array(sample.origin)
    if np.linalg.det(direction) < 0:
        voxels = voxels[::-1]
        origin = origin + direction[:, 2] * sample.spacing[2] * (len(voxels) - 1)
        direction = direction * (1.0, 1.0, -1.0)
    ijkToLps = np.eye(4)
    ijkToLps[:3, :3] = direction * sample.spacing
    ijkToLps[:3, 3] = origin
    name = slicer.mrmlScene.GenerateUniqueName(name)
    volumeNode = slicer.util.addVolumeFromArray(voxels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ ijkToLps, name)
    applicationLogic = slicer.app.applicationLogic()
    applicationLogic.GetSelectionNode().SetActiveVolumeID(volumeNode.GetID())
    applicationLogic.PropagateVolumeSelection()
    return volumeNode


def registerSampleData() -> None:
    """Offer the samples in Slicer's module Sample Data. Called when Slicer has started; draws nothing."""
    try:
        import SampleData  # type: ignore[import-not-found]
    except ImportError:
        return  # Slicer can be built and started without that module
    if not hasattr(SampleData.SampleDataLogic, "registerCustomSampleDataCategory"):
        return  # new in Slicer 5.12; Load... in the panel offers the same samples
    SampleData.SampleDataLogic.registerCustomSampleDataCategory(_category, title=_("CMAformer Segmentation"))
    for sample in samples():
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category=_category,
            sampleName=sample.name,
            uris=[],  # nothing is downloaded
            fileNames=[],
            nodeNames=[],
            thumbnailFileName=str(sample.thumbnail),
            customDownloader=onSampleDataButton,
        )


_drawing: SampleDrawing | None = None  # of the button of Sample Data, which holds nothing itself


def onSampleDataButton(source: Any) -> None:
    """Draw the sample of a button and load it; the status bar tells. A second press meanwhile does nothing."""
    global _drawing
    if _drawing is None:
        _drawing = SampleDrawing()
    if not _drawing.isBusy:
        (sample,) = [sample for sample in samples() if sample.name == source.sampleName]
        slicer.util.showStatusMessage(_drawing.start(sample, _onDrawnForSampleData))


def _onDrawnForSampleData(volumeNode: Any, problem: str) -> None:
    done = problem or _("{name} is loaded.").format(name=volumeNode.GetName())
    slicer.util.showStatusMessage(done, 3000)
