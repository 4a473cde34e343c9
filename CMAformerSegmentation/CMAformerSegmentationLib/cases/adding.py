"""The menu that adds cases to the list: from the scene, from files, and from a folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from ..scene.loading import fileFilter
from ..widgets.connections import Connections
from ..widgets.panelWork import PanelWork
from .case import TrainingCase
from .folder import FoundCases, casesInFolder, casesOfFiles
from .list import casesOfScene

_mostNames = 3  # of files that are not used, shown


class CaseAdding:
    """The menu of a button. A folder is looked into beside the panel: it may be large, and on a slow disk.

    :param cases: gives the cases that are in the list.
    :param add: takes cases that were found, and what to say when there are none.
    :param say: takes what else is to be said.
    """

    def __init__(
        self,
        button,
        cases: Callable[[], list[TrainingCase]],
        add: Callable[[list[TrainingCase], str], None],
        say: Callable[[str], None],
    ) -> None:
        self._button = button
        self._cases, self._add, self._say = cases, add, say
        self._work = PanelWork()
        self.menu = qt.QMenu(button)
        self._connections = Connections()
        for text, slot in (
            (_("Volumes of the scene"), self.onScene),
            (_("Files..."), self.onFiles),
            (_("Folder..."), self.onFolder),
        ):
            self._connections.add(self.menu.addAction(text), "triggered(bool)", slot)
        button.setMenu(self.menu)

    def cleanup(self) -> None:
        """Disconnect everything."""
        self._work.cleanup()
        self._connections.clear()

    @property
    def isBusy(self) -> bool:
        """Whether a folder is being looked into."""
        return self._work.isBusy

    def onScene(self, _checked: bool = False) -> None:
        """Add the volumes of the scene, with the segmentations that belong to them."""
        self._add(casesOfScene(self._cases()), _("There are no further volumes in the scene."))

    def onFiles(self, _checked: bool = False) -> None:
        """Ask for image files; label maps among them are recognized by their names."""
        filters = _("Volumes") + f" ({fileFilter})"
        paths = qt.QFileDialog.getOpenFileNames(self._button, _("Add images and label maps"), "", filters)
        if paths:
            self._addFound(casesOfFiles(paths), _("There are no images among these files."))

    def onFolder(self, _checked: bool = False) -> None:
        """Ask for a folder and add the cases in it."""
        path = qt.QFileDialog.getExistingDirectory(self._button, _("Add the cases of a folder"), "")
        if path:
            self._work.start(lambda: casesInFolder(path), self._onFolder)
            self._say(_("Looking into the folder..."))

    def _onFolder(self, cases: Any, error: BaseException | None) -> None:
        if error is None:
            self._addFound(cases, _("There are no further cases in the folder."))
        else:
            self._say(str(error))

    def _addFound(self, cases: FoundCases, nothing: str) -> None:
        self._add(cases, nothing)
        if cases.notUsed:
            names = ", ".join(cases.notUsed[:_mostNames]) + (", ..." if len(cases.notUsed) > _mostNames else "")
            why = _("further channels or times of images, or label maps without an image")
            text = _("Not used: {count} files ({names}); they are {why}.")
            self._say(text.format(count=len(cases.notUsed), names=names, why=why))
