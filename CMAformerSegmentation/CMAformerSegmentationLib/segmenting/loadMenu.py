"""The menu of the button Load: a volume from a file, from a folder of DICOM images, or the sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from ..scene.loading import fileFilter
from ..scene.sampleData import SampleDrawing


class LoadMenu:
    """Loads what the user chooses.

    :param load: loads the volume of a path and returns its node; raises ValueError, in words.
    :param tell: takes the node that was loaded, or None, and what is to be said, which may be empty.
    """

    def __init__(self, button, load: Callable[[str], Any], tell: Callable[[Any, str], None]) -> None:
        self._button = button
        self._load, self._tell = load, tell
        self._drawing = SampleDrawing()
        self.menu = qt.QMenu(button)
        fileAction = self.menu.addAction(_("Volume file..."))
        folderAction = self.menu.addAction(_("DICOM folder..."))
        self._sampleAction = self.menu.addAction(_("Sample data: synthetic heart"))
        self._connections = [
            (fileAction, self.onFile),
            (folderAction, self.onFolder),
            (self._sampleAction, self.onSample),
        ]
        for action, slot in self._connections:
            action.connect("triggered(bool)", slot)
        button.setMenu(self.menu)

    def cleanup(self) -> None:
        """Disconnect everything."""
        self._drawing.cleanup()
        for action, slot in self._connections:
            action.disconnect("triggered(bool)", slot)

    def onFile(self, _checked: bool = False) -> None:
        """Ask for a volume file and load it."""
        filters = _("Volumes") + f" ({fileFilter});;" + _("All files") + " (*)"
        self._loadPath(qt.QFileDialog.getOpenFileName(self._button, _("Load a volume"), "", filters))

    def onFolder(self, _checked: bool = False) -> None:
        """Ask for a folder of DICOM images and load its volume."""
        self._loadPath(qt.QFileDialog.getExistingDirectory(self._button, _("Load a folder of DICOM images"), ""))

    def onSample(self, _checked: bool = False) -> None:
        """Draw the sample and load it."""
        if not self._drawing.isBusy:
            self._sampleAction.setEnabled(False)
            self._tell(None, self._drawing.start(self._onSample))

    def _onSample(self, volumeNode: Any, problem: str) -> None:
        self._sampleAction.setEnabled(True)
        self._tell(volumeNode, problem)

    def _loadPath(self, path: str) -> None:
        if not path:
            return
        try:
            volumeNode, problem = self._load(path), ""
        except ValueError as error:
            volumeNode, problem = None, str(error)
        self._tell(volumeNode, problem)
