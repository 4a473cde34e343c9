"""The menu of the button Load: a volume from a file, from a folder of DICOM images, or a sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from ..scene.loading import fileFilter
from ..scene.sampleData import Sample, SampleDrawing, samples
from ..widgets.connections import Connections


class LoadMenu:
    """Loads what the user chooses.

    :param load: loads the volume of a path and returns its node; raises ValueError, in words.
    :param say: takes the node that was loaded, or None, and what is to be said, which may be empty.
    """

    def __init__(self, button, load: Callable[[str], Any], say: Callable[[Any, str], None]) -> None:
        self._button = button
        self._load, self._say = load, say
        self._drawing = SampleDrawing()
        self.menu = qt.QMenu(button)
        self._sampleActions = []
        self._connections = Connections()
        self._connections.add(self.menu.addAction(_("Volume file...")), "triggered(bool)", self.onFile)
        self._connections.add(self.menu.addAction(_("DICOM folder...")), "triggered(bool)", self.onFolder)
        for sample in samples():
            action = self.menu.addAction(sample.action)
            self._sampleActions.append(action)
            self._connections.add(action, "triggered(bool)", self._slot(sample))
        button.setMenu(self.menu)

    def cleanup(self) -> None:
        """Disconnect everything."""
        self._drawing.cleanup()
        self._connections.clear()

    def onFile(self, _checked: bool = False) -> None:
        """Ask for a volume file and load it."""
        filters = _("Volumes") + f" ({fileFilter});;" + _("All files") + " (*)"
        self._loadPath(qt.QFileDialog.getOpenFileName(self._button, _("Load a volume"), "", filters))

    def onFolder(self, _checked: bool = False) -> None:
        """Ask for a folder of DICOM images and load its volume."""
        self._loadPath(qt.QFileDialog.getExistingDirectory(self._button, _("Load a folder of DICOM images"), ""))

    def _slot(self, sample: Sample) -> Callable[..., None]:
        def onTriggered(_checked: bool = False) -> None:
            self.onSample(sample)

        return onTriggered

    def onSample(self, sample: Sample) -> None:
        """Draw a sample and load it."""
        if not self._drawing.isBusy:
            self._enableSamples(False)
            self._say(None, self._drawing.start(sample, self._onSample))

    def _onSample(self, volumeNode: Any, problem: str) -> None:
        self._enableSamples(True)
        self._say(volumeNode, problem)

    def _enableSamples(self, enabled: bool) -> None:
        for action in self._sampleActions:
            action.setEnabled(enabled)

    def _loadPath(self, path: str) -> None:
        if not path:
            return
        try:
            volumeNode, problem = self._load(path), ""
        except ValueError as error:
            volumeNode, problem = None, str(error)
        self._say(volumeNode, problem)
