"""The group Several volumes of the panel: choose what to segment, Segment all, watch, and see what became of each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from cmaformer.door.cardiac_function import NAME as CARDIAC_FUNCTION

from ..jobs.environment import deviceArgument
from ..segmenting.segmentation import WAITING
from ..widgets.hub import Hub
from ..widgets.section import SectionPanel
from .batch import KEPT, Batch, BatchItem, endedStates
from .folder import FolderBatch, FolderWish
from .sequence import sequenceOf, sequenceProblem
from .table import BatchTable
from .volumes import VolumesBatch, resultsOf, volumesToSegment

SCENE, FOLDER, SEQUENCE = "scene", "folder", "sequence"
_steps = 1000  # of the progress bar


class BatchPanel(SectionPanel):
    """Connects the widgets of the group to the logic; model and device are those that are chosen above it.

    The section Segment and this group do not segment at the same time.

    :param makeFolderBatch: makes the work on a folder; replaced in tests.
    """

    uiFile = "batches.ui"
    place = "segmentCollapsibleButton"

    def __init__(self, ui, logic, hub: Hub, makeFolderBatch: Callable[..., FolderBatch] = FolderBatch) -> None:
        super().__init__(ui, logic, hub)
        self.batch: Batch | None = None
        self.source = SCENE
        self._makeFolderBatch = makeFolderBatch
        self._folders: tuple[Path, Path] | None = None
        self._items: list[BatchItem] = []  # the volumes of the scene
        self._choices: dict[str, bool] = {}  # of the user among them, by id
        self._modelId = ""
        self._function = ""
        self._table = BatchTable(ui.batchTable)
        self._menu = qt.QMenu(ui.batchSourceButton)
        self.actions = {
            SCENE: self._menu.addAction(_("Volumes of the scene...")),
            FOLDER: self._menu.addAction(_("Folder of files...")),
            SEQUENCE: self._menu.addAction(_("All frames of the sequence")),
        }
        ui.batchSourceButton.setMenu(self._menu)
        connections: list[tuple[Any, str, Callable[..., Any]]] = [
            (self.actions[SCENE], "triggered(bool)", self.onScene),
            (self.actions[FOLDER], "triggered(bool)", self.onFolder),
            (self.actions[SEQUENCE], "triggered(bool)", self.onSequence),
            (ui.batchGroupBox, "toggled(bool)", self.onOpened),
            (ui.batchTable, "itemChanged(QTableWidgetItem*)", self.onChecked),
            (ui.batchButton, "clicked(bool)", self.onSegmentAll),
            (ui.batchCopyButton, "clicked(bool)", self.onCopy),
            (ui.functionButton, "clicked(bool)", self.onFunction),
        ]
        for sender, signal, slot in connections:
            self.connections.add(sender, signal, slot)
        self.listen(hub.choicesChanged, self.update)
        self.refresh()

    def cleanup(self) -> None:
        """Stop what runs, and disconnect everything."""
        if self.batch is not None:
            self.batch.abandon(_("The module was closed."))
        super().cleanup()

    def refresh(self) -> None:
        """Look at the scene again."""
        self._list()
        self.update()

    def update(self) -> None:
        """Bring every widget up to date with the choices and the work."""
        ui, batch = self.ui, self._running()
        if self.hub.batchIsRunning != (batch is not None):
            self.hub.batchIsRunning = batch is not None
            self.hub.batchChanged.emit()
        if ui.batchGroupBox.collapsed:
            return
        if batch is None:
            self._letGo()
        problem = "" if batch is not None else self._problem()
        self.actions[SEQUENCE].setVisible(sequenceOf(self.hub.choices.volumeNode)[0] is not None)
        ui.batchSourceButton.setEnabled(batch is None)
        ui.batchSourceButton.text = self.actions[self.source].text
        for box in (ui.batchKeepCheckBox, ui.batchDicomCheckBox):
            box.setVisible(self.source == FOLDER)
            box.setEnabled(batch is None)
        ui.batchButton.text = _("Cancel") if batch is not None else _("Segment all")
        ui.batchButton.setEnabled(not problem and not (batch is not None and batch.cancelling))
        ui.batchButton.toolTip = _("Stop.") if batch is not None else problem or _("Segment one after the other.")
        if self.source == SCENE and batch is None:
            self._table.show(self._items, [self._isChosen(item) for item in self._items])
        else:
            self._table.show(self.batch.items if self.batch is not None else [], None, batch.part if batch else 0.0)
        self._showProgress(batch)
        ui.batchCopyButton.setVisible(batch is None and self.batch is not None and bool(self.batch.items))
        ui.functionButton.setVisible(batch is None and self._frames() is not None)
        ui.batchStatusLabel.text = self._function or self._status(problem)

    def onOpened(self, _checked: bool = False) -> None:
        """The group was opened or closed."""
        self.refresh()

    def onScene(self, _checked: bool = False) -> None:
        """Choose among the volumes of the scene."""
        self._change(SCENE)

    def onSequence(self, _checked: bool = False) -> None:
        """All frames of the sequence that the chosen volume belongs to."""
        self._change(SEQUENCE)

    def onFolder(self, _checked: bool = False) -> None:
        """Ask for a folder of images, and for the one that receives the results."""
        button = self.ui.batchSourceButton
        images = qt.QFileDialog.getExistingDirectory(button, _("Folder of the images"), "")
        output = images and qt.QFileDialog.getExistingDirectory(button, _("Folder for the results"), images)
        if output:
            self._folders = Path(images), Path(output)
            self._change(FOLDER)

    def onChecked(self, _item: Any = None) -> None:
        """The user has checked a volume, or has taken the check away."""
        if self.source == SCENE and self._running() is None:
            for row, item in enumerate(self._items):
                if self._table.isChecked(row) != self._isChosen(item):
                    self._choices[item.source.GetID()] = self._table.isChecked(row)
            self.update()

    def onSegmentAll(self, _checked: bool = False) -> None:
        """Start, or stop what runs."""
        running = self._running()
        if running is not None:
            running.cancel()
        elif not self._problem():
            self._message = ""
            try:
                self._start()
            except ValueError as error:
                self._message = str(error)
            except OSError as error:
                logging.error("CMAformer: the engine cannot be started: %s", error.strerror)
                self._message = _(
                    "The segmentation engine cannot be started. Check the Python program in the settings."
                )
        self.refresh()

    def onCopy(self, _checked: bool = False) -> None:
        """Copy the table, for a spreadsheet."""
        if self.batch is not None:
            qt.QApplication.clipboard().setText(self.batch.table())

    def onFunction(self, _checked: bool = False) -> None:
        """Measure the segmented frames as they are now, corrections included, and show the curves."""
        try:
            found = self.logic.cardiacFunction(self._frames())
            found.show()
            self._function = found.text()
        except ValueError as error:
            self._function = str(error)
        self.update()

    def _frames(self) -> Any:
        """The segmented sequence of a model that offers cardiac function; None where there is none."""
        sequence, model = getattr(self.batch, "sequenceNode", None), self.hub.choices.model
        offered = model is not None and CARDIAC_FUNCTION in model.measurements
        return sequence if offered and sequence is not None and slicer.mrmlScene.IsNodePresent(sequence) else None

    def _start(self) -> None:
        self._function = ""
        entry, device = self.hub.choices.model, self.hub.choices.device
        self.batch = None
        if self.source == FOLDER and self._folders is not None:
            keep, dicom = self.ui.batchKeepCheckBox.checked, self.ui.batchDicomCheckBox.checked
            wish = FolderWish(deviceArgument(device), keep, dicom)
            work = self._makeFolderBatch(*self._folders, entry, wish, self._onBatch)
            work.start()
            self.batch = work
        elif self.source == SEQUENCE:
            node = self.hub.choices.volumeNode
            self.batch = self.logic.segmentSequence(node, entry, device, wait=False, onChanged=self._onBatch)
        else:
            nodes = [item.source for item in self._items if self._isChosen(item)]
            self.batch = self.logic.segmentMany(nodes, entry, device, wait=False, onChanged=self._onBatch)

    def _onBatch(self) -> None:
        if self._running() is None:
            self._choices = {}  # what has its result now is not to be done again, what failed may be
            self._list()
        self.update()

    def _running(self) -> Batch | None:
        return self.batch if self.batch is not None and not self.batch.ended else None

    def _change(self, source: str) -> None:
        self.batch, self.source, self._message, self._function = None, source, "", ""
        self.refresh()

    def _letGo(self) -> None:
        """Follow the scene and the choice of the model; nothing is kept of a scene that was closed."""
        if self.batch is not None and self.batch.isGone:
            self._message, self.batch = self.batch.status(), None
        model = self.hub.choices.model
        if self._modelId != (model.id if model is not None else ""):
            self._choices = {}
            self._list()
        elif not all(slicer.mrmlScene.IsNodePresent(item.source) for item in self._items):
            self._list()

    def _list(self) -> None:
        """The volumes of the scene, with what is known of their results by the chosen model."""
        model = self.hub.choices.model
        self._modelId = model.id if model is not None else ""
        results = resultsOf(self._modelId)
        batch = self.batch if isinstance(self.batch, VolumesBatch) and self.batch.ended else None
        known = {item.source.GetID(): item for item in batch.items} if batch is not None else {}
        self._items = []
        for node in volumesToSegment():
            result, last = results.get(node.GetID()), known.get(node.GetID())
            if last is not None and last.source is node and (last.result is None or last.result is result):
                self._items.append(last)
            else:
                state = KEPT if result is not None else WAITING
                self._items.append(BatchItem(node.GetName() or "", node, state, result))

    def _isChosen(self, item: BatchItem) -> bool:
        return self._choices.get(item.source.GetID(), item.result is None)

    def _problem(self) -> str:
        """What is missing before Segment all, in words."""
        if self.hub.choices.isRunning:
            return _("A volume is being segmented. Wait, or cancel that.")
        problem, model = self.hub.choices.problem, self.hub.choices.model
        if not problem and self.source != FOLDER and model is not None and model.images:
            return _("The model looks at several images of a patient: segment one patient at a time, or a folder.")
        if not problem and self.source == SCENE:
            if not self._items:
                return _("There are no volumes in the scene.")
            if not any(self._isChosen(item) for item in self._items):
                return _("Check the volumes to segment.")
        if not problem and self.source == SEQUENCE:
            return sequenceProblem(sequenceOf(self.hub.choices.volumeNode)[0])
        return problem

    def _status(self, problem: str) -> str:
        if self.batch is not None:
            return self.batch.status()
        if self._message or problem:
            return self._message or problem
        if self.source == FOLDER and self._folders is not None:
            images, output = self._folders
            return _("The images of the folder {images}; the results go into the folder {output}.").format(
                images=images.name, output=output.name
            )
        if self.source == SEQUENCE:
            sequence = sequenceOf(self.hub.choices.volumeNode)[0]
            return _("{count} frames of {name}.").format(count=sequence.GetNumberOfDataNodes(), name=sequence.GetName())
        chosen = sum(self._isChosen(item) for item in self._items)
        return _("{chosen} of {total} volumes are checked.").format(chosen=chosen, total=len(self._items))

    def _showProgress(self, batch: Batch | None) -> None:
        bar = self.ui.batchProgressBar
        bar.setVisible(batch is not None)
        if batch is None or not batch.items:
            bar.setRange(0, 0)  # busy: it is not known yet how many there are
            return
        done, total = batch.count(*endedStates), len(batch.items)
        bar.setRange(0, _steps)
        bar.setValue(int(_steps * (done + batch.part) / total))
        bar.setFormat(f"{done} / {total}")
