"""The section Models of the panel: what there is, its card, and what can be done with one's own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..jobs.environment import bundledModelFolders, userModelFolder
from ..widgets.cardText import cardText
from ..widgets.hub import Hub
from ..widgets.panelWork import PanelWork
from ..widgets.section import SectionPanel
from .catalog import ModelEntry
from .index import Offer, fetchModel, readIndex
from .library import deleteModel, exportModel, importModel, renameModel

_indexSetting = "CMAformer/ModelIndex"


class ModelsPanel(SectionPanel):
    """Lists the models of this computer. Bundled ones can be looked at and exported; the user's own also changed."""

    uiFile = "models.ui"
    button = "modelsCollapsibleButton"

    def __init__(self, ui, logic, hub: Hub) -> None:
        super().__init__(ui, logic, hub)
        self._models: list[ModelEntry] = []
        self._shown: tuple[str, str] | None = None
        self._work = PanelWork(waitSeconds=0.015)
        header = ui.modelsTable.horizontalHeader()
        for column, mode in enumerate(("Stretch", "ResizeToContents", "ResizeToContents")):
            header.setSectionResizeMode(column, getattr(qt.QHeaderView, mode))
        ui.modelsTable.verticalHeader().setVisible(False)
        self._importMenu = qt.QMenu(ui.importModelButton)
        connections: list[tuple[Any, str, Callable[..., Any]]] = [
            (ui.modelSearchEdit, "textChanged(QString)", self._onSearch),
            (ui.modelsTable, "itemSelectionChanged()", self._onSelected),
            (ui.renameModelButton, "clicked(bool)", self.onRename),
            (ui.exportModelButton, "clicked(bool)", self.onExport),
            (ui.deleteModelButton, "clicked(bool)", self.onDelete),
            (ui.openModelButton, "clicked(bool)", self.onOpen),
            (self._importMenu.addAction(_("Zip file...")), "triggered(bool)", self.onImportFile),
            (self._importMenu.addAction(_("Model folder...")), "triggered(bool)", self.onImportFolder),
            (self._importMenu.addAction(_("Index of models...")), "triggered(bool)", self.onIndex),
        ]
        ui.importModelButton.setMenu(self._importMenu)
        for sender, signal, slot in connections:
            self.connections.add(sender, signal, slot)
        self.listen(hub.modelsChanged, self.refresh)
        self.refresh()

    def cleanup(self) -> None:
        """Disconnect everything."""
        self._work.cleanup()
        super().cleanup()

    def refresh(self) -> None:
        """Read the list of models again; what was chosen stays chosen."""
        chosen = self._selected()
        sought = self.ui.modelSearchEdit.text.strip().casefold()
        self._models = [entry for entry in self.logic.models() if sought in _searchText(entry)]
        table = self.ui.modelsTable
        wasBlocked = table.blockSignals(True)
        table.setRowCount(len(self._models))
        for row, entry in enumerate(self._models):
            origin = _("extension") if entry.bundled else _("mine")
            for column, text in enumerate((entry.title, entry.version, origin)):
                item = qt.QTableWidgetItem(text)
                item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
                item.setToolTip(entry.description)
                table.setItem(row, column, item)
        ids = [entry.id for entry in self._models]
        if ids:
            table.selectRow(ids.index(chosen.id) if chosen is not None and chosen.id in ids else 0)
        table.blockSignals(wasBlocked)
        self.update()

    def update(self) -> None:
        """Bring every widget up to date with the chosen model."""
        ui, entry = self.ui, self._selected()
        isFree = entry is not None and not self._work.isBusy
        isOwn = isFree and entry is not None and not entry.bundled
        ui.renameModelButton.setEnabled(isOwn)
        ui.deleteModelButton.setEnabled(isOwn)
        ui.exportModelButton.setEnabled(isFree)
        ui.openModelButton.setEnabled(entry is not None)
        ui.importModelButton.setEnabled(not self._work.isBusy)
        ui.modelsStatusLabel.text = self._message
        ui.modelsStatusLabel.setVisible(bool(self._message))
        shown = (entry.id, entry.title) if entry is not None else ("", "")
        if shown != self._shown:
            self._shown = shown
            ui.modelDetailsBrowser.setMarkdown(cardText(entry.card) if entry is not None else "")

    def onRename(self, _checked: bool = False) -> None:
        """Ask for another title."""
        entry = self._selected()
        if entry is None:
            return
        title = qt.QInputDialog.getText(
            self.ui.modelsTable, _("Rename the model"), _("Title:"), qt.QLineEdit.Normal, entry.title
        )
        if title:
            self._do(lambda: renameModel(entry, title))

    def onDelete(self, _checked: bool = False) -> None:
        """Ask, and delete."""
        entry = self._selected()
        question = _("Delete the model {title} from this computer? This cannot be undone.")
        if entry is not None and slicer.util.confirmYesNoDisplay(question.format(title=entry.title)):
            self._do(lambda: deleteModel(entry))

    def onExport(self, _checked: bool = False) -> None:
        """Ask for a file and write the model into it."""
        entry = self._selected()
        if entry is None:
            return
        path = qt.QFileDialog.getSaveFileName(
            self.ui.modelsTable, _("Export the model"), f"{entry.id}.zip", _("Zip files") + " (*.zip)"
        )
        if path:
            self._do(lambda: exportModel(entry, Path(path)), _("Exported to {name}.").format(name=Path(path).name))

    def onImportFile(self, _checked: bool = False) -> None:
        """Ask for a zip and take the model in it over."""
        filters = _("Zip files") + " (*.zip)"
        self._import(qt.QFileDialog.getOpenFileName(self.ui.modelsTable, _("Import a model"), "", filters))

    def onImportFolder(self, _checked: bool = False) -> None:
        """Ask for the folder of a model and take it over."""
        self._import(qt.QFileDialog.getExistingDirectory(self.ui.modelsTable, _("Import a model"), ""))

    def onIndex(self, _checked: bool = False) -> None:
        """Ask where an index of models is, and read it: the only moment at which it is looked for."""
        place = qt.QInputDialog.getText(
            self.ui.modelsTable,
            _("Models of an index"),
            _("File or address of the index, as your hospital gives it:"),
            qt.QLineEdit.Normal,
            qt.QSettings().value(_indexSetting) or "",
        )
        if not place or not place.strip():
            return

        def onRead(offers: Any, error: BaseException | None) -> None:
            self._message = "" if error is None else str(error)
            self.update()
            if error is None:
                qt.QSettings().setValue(_indexSetting, place.strip())
                self._choose(offers)

        self._message = _("Working...")
        self._work.start(lambda: readIndex(place.strip()), onRead)
        self.update()

    def _choose(self, offers: list[Offer]) -> None:
        """Let the user choose a model of an index, and get it if that is agreed to."""
        first = _("Choose a model")  # also what comes back from Cancel
        words = [offer.words for offer in offers]
        chosen = qt.QInputDialog.getItem(
            self.ui.modelsTable, _("Models of an index"), _("Model:"), [first, *words], 0, False
        )
        if chosen not in words:
            return
        offer = offers[words.index(chosen)]
        question = _("Get {title} from {host}? License: {license}.")
        license_ = offer.license or _("not stated")
        if slicer.util.confirmYesNoDisplay(
            question.format(title=offer.words, host=offer.host, license=license_.rstrip("."))
        ):
            library, others = userModelFolder(), bundledModelFolders()
            self._do(lambda: fetchModel(offer, library, others), _("The model is in the list."))

    def onOpen(self, _checked: bool = False) -> None:
        """Show the model's folder."""
        entry = self._selected()
        if entry is not None:
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(entry.path)))

    def _import(self, path: str) -> None:
        if path:
            library, others = userModelFolder(), bundledModelFolders()
            self._do(lambda: importModel(Path(path), library, others), _("The model is in the list."))

    def _do(self, function: Callable[[], Any], message: str = "") -> None:
        """Do something with files beside Slicer, then show what there is."""

        def onDone(_result: Any, error: BaseException | None) -> None:
            self._message = message if error is None else str(error)
            if error is not None and not isinstance(error, (ValueError, OSError)):
                logging.error("CMAformer: %s", type(error).__name__, exc_info=error)
            self.hub.modelsChanged.emit()  # which refreshes this section, too

        self._message = _("Working...")
        self._work.start(function, onDone)
        self.update()

    def _onSearch(self, _text: str) -> None:
        self._message = ""
        self.refresh()

    def _onSelected(self) -> None:
        self._message = ""
        self.update()

    def _selected(self) -> ModelEntry | None:
        row = self.ui.modelsTable.currentRow()
        return self._models[row] if 0 <= row < len(self._models) else None


def _searchText(entry: ModelEntry) -> str:
    names = (structure.name for structure in entry.structures)
    return " ".join([entry.title, entry.id, entry.description, entry.modality, *names]).casefold()
