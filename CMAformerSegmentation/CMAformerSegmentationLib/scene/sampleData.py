"""The sample to try the module with: a synthetic heart, drawn here when it is asked for, never downloaded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..widgets.panelWork import PanelWork
from .syntheticHeart import NAME, SyntheticVolume, shortAxisHeart

_thumbnail = Path(__file__).resolve().parents[2] / "Resources" / "Icons" / "SyntheticHeart.png"
_category = "CMAformerSegmentation"  # of Slicer's module Sample Data


class SampleDrawing:
    """Draws the heart in a thread, because that takes seconds, and puts it into the scene."""

    def __init__(self) -> None:
        self._work = PanelWork(waitSeconds=0.015)

    @property
    def isBusy(self) -> bool:
        return self._work.isBusy

    def start(self, onDone: Callable[[Any, str], None]) -> str:
        """Begin, and return what to say meanwhile.

        :param onDone: called with the volume node and an empty text, or with None and what went wrong, in words.
        """

        def onDrawn(heart: Any, error: BaseException | None) -> None:
            if error is None:
                onDone(addSample(heart), "")
                return
            logging.error("CMAformer: the sample could not be drawn: %r", error)
            reason = str(error) or type(error).__name__
            onDone(None, _("The synthetic heart could not be drawn: {reason}").format(reason=reason))

        self._work.start(shortAxisHeart, onDrawn)
        return _("Drawing a synthetic heart. This takes a few seconds.")

    def cleanup(self) -> None:
        """Nobody waits for it any more."""
        self._work.cleanup()


def addSample(heart: SyntheticVolume):
    """Put a heart into the scene as a volume, and show it in the slice views; return the node.

    Slicer's readers turn the slices of a volume around whose axes are left-handed. So does this: the node is the one
    that a file of the heart gives.
    """
    voxels, direction, origin = heart.image, np.reshape(heart.direction, (3, 3)), np.array(heart.origin)
    if np.linalg.det(direction) < 0:
        voxels = voxels[::-1]
        origin = origin + direction[:, 2] * heart.spacing[2] * (len(voxels) - 1)
        direction = direction * (1.0, 1.0, -1.0)
    ijkToLps = np.eye(4)
    ijkToLps[:3, :3] = direction * heart.spacing
    ijkToLps[:3, 3] = origin
    name = slicer.mrmlScene.GenerateUniqueName(NAME)
    volumeNode = slicer.util.addVolumeFromArray(voxels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ ijkToLps, name)
    applicationLogic = slicer.app.applicationLogic()
    applicationLogic.GetSelectionNode().SetActiveVolumeID(volumeNode.GetID())
    applicationLogic.PropagateVolumeSelection()
    return volumeNode


def registerSampleData() -> None:
    """Offer the heart in Slicer's module Sample Data. Called when Slicer has started; draws nothing."""
    try:
        import SampleData  # type: ignore[import-not-found]
    except ImportError:
        return  # Slicer can be built and started without that module
    SampleData.SampleDataLogic.registerCustomSampleDataCategory(_category, title=_("CMAformer Segmentation"))
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=_category,
        sampleName=NAME,
        uris=[],  # nothing is downloaded
        fileNames=[],
        nodeNames=[],
        thumbnailFileName=str(_thumbnail),
        customDownloader=onSampleDataButton,
    )


_drawing: SampleDrawing | None = None  # of the button of Sample Data, which holds nothing itself


def onSampleDataButton(_source: Any) -> None:
    """Draw the heart and load it; the status bar says what happens. A second press meanwhile does nothing."""
    global _drawing
    if _drawing is None:
        _drawing = SampleDrawing()
    if not _drawing.isBusy:
        slicer.util.showStatusMessage(_drawing.start(_onDrawnForSampleData))


def _onDrawnForSampleData(volumeNode: Any, problem: str) -> None:
    done = problem or _("{name} is loaded.").format(name=volumeNode.GetName())
    slicer.util.showStatusMessage(done, 3000)
