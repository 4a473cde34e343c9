"""The trainings below the section Fine-tune: how far they are, what came out, and what to do with it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from cmaformer.door.verdict import BETTER

from ..cases.list import casesOfTraining
from ..jobs.engineCall import callEngine
from ..jobs.environment import engineCommand, engineEnvironment
from ..jobs.job import CANCELLED, FAILED, FINISHED, INTERRUPTED, RUNNING
from ..widgets.hub import Hub
from ..widgets.marks import GREEN, RED, setMark
from ..widgets.panelWork import PanelWork
from ..widgets.section import SectionPanel
from . import words as trainingWords
from .charts import TrainingChart
from .heldOutView import HeldOutView, heldOutCases, worstFirst
from .job import PAUSED, PREPARING, Training, movingStates

_resumable = (PAUSED, CANCELLED, INTERRUPTED, FAILED)


class TrainingsPanel(SectionPanel):
    """Shows the trainings of this user, those of earlier sessions, too. Owns nothing: they are in their folders."""

    uiFile = "trainings.ui"
    place = "trainCollapsibleButton"

    def __init__(self, ui, logic, hub: Hub) -> None:
        super().__init__(ui, logic, hub)
        self._trainings: list[Training] = []
        self._chart: TrainingChart | None = None
        self._shown = ("", "")  # id and state of the training that is described
        self._work = PanelWork()
        for table in (ui.trainingsTable, ui.comparisonTable):
            table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
            table.verticalHeader().setVisible(False)
        for column in range(1, ui.comparisonTable.columnCount):
            ui.comparisonTable.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        connections = [
            (ui.trainingsTable, "itemSelectionChanged()", self.onSelected),
            (ui.pauseButton, "clicked(bool)", self.onPause),
            (ui.stopButton, "clicked(bool)", self.onStop),
            (ui.keepButton, "clicked(bool)", self.onKeep),
            (ui.deleteTrainingButton, "clicked(bool)", self.onDelete),
            (ui.openTrainingButton, "clicked(bool)", self.onOpen),
            (ui.useCasesButton, "clicked(bool)", self.onUseCases),
            (ui.reportButton, "clicked(bool)", self.onReport),
            (ui.chartButton, "clicked(bool)", self.onChart),
            (ui.showCaseButton, "clicked(bool)", self.onShowCase),
        ]
        for sender, signal, slot in connections:
            self.connections.add(sender, signal, slot)
        self.listen(hub.trainingStarted, self.select)
        self.refresh()

    def cleanup(self) -> None:
        """Disconnect everything; trainings go on."""
        self._work.cleanup()
        for training in self._trainings:
            training.onChanged = None
        super().cleanup()

    def refresh(self) -> None:
        """Look for trainings again, and watch those that move."""
        chosen = self._selected()
        self._trainings = list(reversed(self.logic.queue.trainings()))  # the newest first
        for training in self._trainings:
            training.onChanged = self.update
        table = self.ui.trainingsTable
        wasBlocked = table.blockSignals(True)
        table.setRowCount(len(self._trainings))
        for row, training in enumerate(self._trainings):
            for column in range(3):
                item = qt.QTableWidgetItem()
                item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
                table.setItem(row, column, item)
            table.item(row, 0).setText(training.name)
        table.blockSignals(wasBlocked)
        if self._trainings:
            table.selectRow(self._trainings.index(chosen) if chosen is not None and chosen in self._trainings else 0)
        if any(training.state in movingStates for training in self._trainings):
            self.logic.queue.watch()
        self.update()

    def select(self, training: Training) -> None:
        """Show a training that was just started."""
        self.refresh()
        if training in self._trainings:
            self.ui.trainingsTable.selectRow(self._trainings.index(training))

    def update(self) -> None:
        """Bring every widget up to date with the trainings."""
        ui, table = self.ui, self.ui.trainingsTable
        for row, training in enumerate(self._trainings):
            texts = (trainingWords.stateTitle(training), trainingWords.progress(training))
            for column, text in enumerate(texts, 1):
                item = table.item(row, column)
                if item.text() != text:
                    item.setText(text)
        chosen = self._selected()
        for widget in (ui.trainingsTable, ui.trainingStatusLabel, ui.trainingProgressBar, ui.trainingButtons):
            widget.setVisible(bool(self._trainings))
        for widget in (ui.comparisonTable, ui.heldOutSelector, ui.showCaseButton):
            widget.setVisible(False)
        ui.logGroupBox.setVisible(chosen is not None)
        if chosen is not None:
            self._showChosen(chosen)

    def _showChosen(self, training: Training) -> None:
        ui, state = self.ui, training.state
        if (training.id, state) != self._shown:  # what was said before does not fit any more
            self._shown, self._message = (training.id, state), ""
        moving = state in movingStates
        ui.pauseButton.text = _("Resume") if state in _resumable else _("Pause")
        ui.pauseButton.setEnabled((moving and not training.stopping) or state in _resumable)
        ui.stopButton.setEnabled(moving and not training.stopping)
        ui.keepButton.setEnabled(state == FINISHED and not self._work.isBusy)
        verdict = trainingWords.verdictOf(training) if state == FINISHED else None
        ui.keepButton.setDefault(verdict is not None and verdict.name == BETTER)
        ui.reportButton.setEnabled(state == FINISHED and not self._work.isBusy)
        ui.useCasesButton.setEnabled(state != PREPARING)
        ui.deleteTrainingButton.setEnabled(state not in (RUNNING, PREPARING))
        ui.chartButton.setEnabled(bool(training.history.losses))
        told = trainingWords.status(training)
        ui.trainingStatusLabel.text = f"{self._message} {told}".strip() if moving else self._message or told
        progress = training.job.progress
        ui.trainingProgressBar.setVisible(moving)
        ui.trainingProgressBar.setRange(0, progress.total if state == RUNNING else 0)
        ui.trainingProgressBar.setValue(progress.done)
        self._showComparison(training)
        self._offerCases(training)
        if not ui.logGroupBox.collapsed:
            self._showLog(training)
        if self._chart is not None and self._chart.trainingId == training.id and not self._chart.isGone:
            self._chart.update(training.history)

    def onSelected(self) -> None:
        """Another training was chosen."""
        self._message = ""
        self.update()

    def onPause(self, _checked: bool = False) -> None:
        """Pause, or go on."""
        training = self._selected()
        if training is not None:
            self._do(training.resume if training.state in _resumable else training.pause)

    def onStop(self, _checked: bool = False) -> None:
        """Ask, and stop."""
        training = self._selected()
        question = _("Stop the training? What it has learned so far is saved, and it can be resumed.")
        if training is not None and slicer.util.confirmYesNoDisplay(question):
            self._do(training.cancel)

    def onKeep(self, _checked: bool = False) -> None:
        """Take the new model over into the user's models."""
        training = self._selected()
        if training is None:
            return
        try:
            keeper = training.keeper()
        except ValueError as error:
            self._message = str(error)
            return self.update()
        self._message = _("Keeping the model...")
        self._work.start(keeper, self._onKept)
        self.update()

    def _onKept(self, model: Any, error: BaseException | None) -> None:
        if error is None:
            self._message = _("Kept: {title} is in the lists of models.").format(title=model.title)
            self.hub.modelsChanged.emit()
        else:
            logging.error("CMAformer: a model could not be kept: %s", type(error).__name__)
            self._message = str(error)
        self.update()

    def onShowCase(self, _checked: bool = False) -> None:
        """Show a held-out case with the old and the new result over the reference."""
        training = self._selected()
        cases = heldOutCases(training) if training is not None else []
        row = self.ui.heldOutSelector.currentData
        if training is None or row is None or not 0 <= row < len(cases):
            return
        base = self.logic.catalog().find(str(training.request.get("base") or ""))
        try:
            view = HeldOutView(training, cases[row], base)
        except (ValueError, OSError) as error:
            self._message = str(error)
            return self.update()
        self._message = _("Segmenting {name} with both models...").format(name=cases[row].name)
        self._work.start(view.work(), lambda _result, error: self._onShown(view, error))
        self.update()

    def _onShown(self, view: HeldOutView, error: BaseException | None) -> None:
        self._message = _("White outline: reference. Cyan outline: before. Filled: after.")
        try:
            if error is not None:
                raise ValueError(str(error))
            view.show()
        except ValueError as problem:
            self._message = str(problem)
        self.update()

    def onDelete(self, _checked: bool = False) -> None:
        """Ask, and delete the training's files."""
        training = self._selected()
        question = _("Delete this training with its copies of images and its result? A model that you kept stays.")
        if training is not None and slicer.util.confirmYesNoDisplay(question):
            self._do(training.discard)
            self.refresh()

    def onOpen(self, _checked: bool = False) -> None:
        """Show the training's folder."""
        training = self._selected()
        if training is not None:
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(training.folder)))

    def onUseCases(self, _checked: bool = False) -> None:
        """Put the cases of a training into the list of cases again."""
        training = self._selected()
        if training is not None:
            request = training.request
            names, base = list(request.get("structures", [])), str(request.get("base") or "")
            self._do(lambda: self.hub.casesOffered.emit(casesOfTraining(training.folder / "cases"), names, base))

    def onReport(self, _checked: bool = False) -> None:
        """Ask for a file, and write a page about the training."""
        training = self._selected()
        if training is None:
            return
        path = qt.QFileDialog.getSaveFileName(
            self.ui.trainingsTable, _("Write a report"), f"{training.name}.html", _("Pages") + " (*.html)"
        )
        if not path:
            return
        target = Path(path) if path.lower().endswith((".html", ".htm")) else Path(path + ".html")
        command = engineCommand(["report", "--job", str(training.files.job), "-o", str(target)])
        environment = engineEnvironment()

        def onDone(_nothing: Any, error: BaseException | None) -> None:
            self.say(_("Exported to {name}.").format(name=target.name) if error is None else str(error))

        self._work.start(lambda: callEngine(command, environment, target.name), onDone)
        self.say(_("Writing {name}...").format(name=target.name))

    def onChart(self, _checked: bool = False) -> None:
        """Show the curves in the plot view, where they grow from now on."""
        training = self._selected()
        if training is None:
            return
        if self._chart is None or self._chart.isGone or self._chart.trainingId != training.id:
            self._chart = TrainingChart(training.id, training.name, list(training.request.get("structures", [])))
        self._chart.update(training.history)
        if not self._chart.show(dice=bool(training.history.looks)):
            self._message = _("The curves are in the module Plots.")
        self.update()

    def _do(self, action: Any) -> None:
        self._message = ""
        try:
            action()
        except (ValueError, OSError) as error:
            logging.warning("CMAformer: %s", type(error).__name__)
            self._message = str(error)
        self.update()

    def _selected(self) -> Training | None:
        row = self.ui.trainingsTable.currentRow()
        return self._trainings[row] if 0 <= row < len(self._trainings) else None

    def _showComparison(self, training: Training) -> None:
        rows = trainingWords.comparison(training)
        table = self.ui.comparisonTable
        table.setVisible(bool(rows))
        table.setRowCount(len(rows))
        for row, (texts, change) in enumerate(rows):
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                item.setFlags(qt.Qt.ItemIsEnabled)
                if column == 1 and change is not None:
                    setMark(item, GREEN if change >= 0 else RED)
                table.setItem(row, column, item)
        if rows:
            height = sum(table.rowHeight(row) for row in range(len(rows)))
            table.setFixedHeight(height + table.horizontalHeader().height + 4)

    def _offerCases(self, training: Training) -> None:
        ui = self.ui
        names = worstFirst(training) if training.state == FINISHED else []
        for widget in (ui.heldOutSelector, ui.showCaseButton):
            widget.setVisible(bool(names))
            widget.setEnabled(not self._work.isBusy)
        if ui.heldOutSelector.property("shownTraining") != training.id:
            ui.heldOutSelector.setProperty("shownTraining", training.id)
            ui.heldOutSelector.clear()
        if names and not ui.heldOutSelector.count:
            for title, place in names:
                ui.heldOutSelector.addItem(title, place)

    def _showLog(self, training: Training) -> None:
        lines = [str(warning) for warning in training.job.warnings]
        text = "\n".join([*lines, training.log()])
        if self.ui.logView.plainText != text:
            self.ui.logView.setPlainText(text)
