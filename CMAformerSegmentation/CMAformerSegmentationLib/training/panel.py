"""The section Fine-tune of the panel: put cases together, say what to train, Start."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..cases.adding import CaseAdding
from ..cases.case import LABELED, CaseProblems, TrainingCase
from ..cases.list import IGNORED, fits, loadCases, loadMapping, saveCases, saveMapping, tooLong, tooManyCases
from ..cases.roleMenu import RoleMenu
from ..cases.segmentsTable import SegmentsTable
from ..cases.structures import foundSegments, hasValues, structuresToLearn
from ..cases.table import CaseTable, selectedRows
from ..models.terms import mustBeAccepted
from ..scene.nodes import keptCopy
from ..widgets.hub import Hub
from ..widgets.section import SectionPanel
from .checker import CaseChecker
from .plan import planInWords
from .ranking import CaseRanking
from .request import TrainingRequest
from .settings import TrainSettings


class TrainPanel(SectionPanel):
    """Connects the widgets of the section to the logic. The cases are in the scene, the rest in the widgets."""

    uiFile = "training.ui"
    button = "trainCollapsibleButton"

    def __init__(self, ui, logic, hub: Hub) -> None:
        super().__init__(ui, logic, hub)
        self.cases: list[TrainingCase] = []
        self._models: list[Any] = []
        self.checker = CaseChecker(self._onChecked)
        self.table = CaseTable(ui.casesTable)
        self._known = CaseProblems()
        self._problems: list[str] = []  # of each case; looked for when the list changes, not at every update
        self.roles = RoleMenu(ui.useAsButton, ui.casesTable, self.onUseAs)
        self.settings = TrainSettings(ui, self.onChanged)
        self.adding = CaseAdding(ui.addCasesButton, lambda: self.cases, self._add, self.say)
        self.segments = SegmentsTable(ui.segmentsTable, self.onMapped)
        self._mapping: dict[str, str] = {}
        self._before: list[list[TrainingCase]] = []  # the list as it was, for Undo
        header = ui.casesTable.horizontalHeader()
        for column, mode in enumerate(("Stretch", "Stretch", "ResizeToContents", "Stretch")):
            header.setSectionResizeMode(column, getattr(qt.QHeaderView, mode))
        ui.casesTable.verticalHeader().setVisible(False)
        connections = [
            (ui.casesTable, "itemSelectionChanged()", self._showSelection),
            (ui.removeCasesButton, "clicked(bool)", self.onRemove),
            (ui.undoCasesButton, "clicked(bool)", self.onUndo),
            (ui.baseSelector, "currentIndexChanged(int)", self.onChanged),
            (ui.modelNameEdit, "textChanged(QString)", self.onChanged),
            (ui.structuresEdit, "textChanged(QString)", self.onChanged),
            (ui.checkButton, "clicked(bool)", self.onCheck),
            (ui.rankButton, "clicked(bool)", self.onRank),
            (ui.ignoreBrokenButton, "clicked(bool)", self.onIgnoreBroken),
            (ui.startButton, "clicked(bool)", self.onStart),
        ]
        for sender, signal, slot in connections:
            self.connections.add(sender, signal, slot)
        self.listen(hub.computerChanged, self.update)
        self.listen(hub.modelsChanged, self.refresh)
        self.listen(hub.caseOffered, self.addLabeled)
        self.listen(hub.casesOffered, self.addAll)
        self.refresh()

    def cleanup(self) -> None:
        """Disconnect everything."""
        self.adding.cleanup()
        self.roles.cleanup()
        self.checker.cleanup()
        self.table.cleanup()
        self.settings.cleanup()
        self.segments.cleanup()
        super().cleanup()

    def setParameterNode(self, parameterNode) -> None:
        """Show the list of a scene; None while there is no scene or another module is open."""
        self._parameterNode, self._message = parameterNode, ""
        self.onParameterNodeModified()
        self.update()

    def onParameterNodeModified(self) -> None:
        """Take over a list that has come with a scene that was loaded."""
        # While a scene is being read, its volumes may not be there yet.
        if self._parameterNode is not None and not slicer.mrmlScene.IsBatchProcessing():
            node = self._parameterNode.parameterNode
            stored, mapping = loadCases(node), loadMapping(node)
            if stored != self.cases or mapping != self._mapping:
                self.checker.forget()
                self.cases, self._mapping, self._before, self._message = stored, mapping, [], ""
                self._showCases()
                self.update()
            if tooLong(node):
                self.say(tooManyCases())

    def refresh(self) -> None:
        """Offer the models that there are now as a base."""
        selector = self.ui.baseSelector
        chosen = selector.currentData
        wasBlocked = selector.blockSignals(True)
        selector.clear()
        self._models = list(self.logic.models())
        for entry in self._models:
            selector.addItem(entry.title, entry.id)
        selector.addItem(_("None: start afresh"), "")
        index = selector.findData(chosen)
        selector.setCurrentIndex(max(0, index))
        selector.blockSignals(wasBlocked)
        self._showCases()
        self.update()

    def update(self) -> None:
        """Bring every widget up to date with the list and the choices."""
        ui = self.ui
        self._forgetRemoved()
        self._showSelection()
        self.settings.update()
        values = hasValues(self._used()) or not self._used()
        for widget in (ui.structuresLabel, ui.structuresEdit):
            widget.setVisible(values)  # segments have names
        self.segments.show(foundSegments(self._used()), self._base(), self._mapping)
        problem, request = self._wanted()
        if mustBeAccepted(self._base()):
            problem = problem or _("Accept the terms of the model that it starts from in the section Segment first.")
        problem = problem or self.hub.computerProblem()
        learned = ", ".join(structure.name for structure in request.structures) if request else ""
        ui.structuresEdit.placeholderText = learned or _("liver, tumor, ...")
        checking = self.checker.isRunning
        ui.checkButton.text = _("Stop checking") if checking else _("Check cases")
        ui.rankButton.setEnabled(not checking and request is not None and not self.hub.computerProblem())
        ui.checkButton.setEnabled(checking or (request is not None and not self.hub.computerProblem()))
        found = self.checker.words()
        if self.checker.blocks:
            problem = problem or found
        ui.ignoreBrokenButton.setVisible(bool(self.checker.broken))
        ui.undoCasesButton.setEnabled(bool(self._before))
        ui.addCasesButton.setEnabled(not self.adding.isBusy)
        ui.startButton.setEnabled(not problem and not checking)
        ui.startButton.toolTip = problem or _("Train in the background. Slicer stays usable, and may be closed.")
        plan = planInWords(self._used(), request.minutes, request.base is None) if request else ""
        ui.trainStatusLabel.text = found or self._message or problem or plan

    def _showSelection(self) -> None:
        selected = bool(selectedRows(self.ui.casesTable))
        for button in (self.ui.removeCasesButton, self.ui.useAsButton):
            button.setEnabled(selected)

    def _showCases(self) -> None:
        self._problems = ["" if case.role == IGNORED else self._known.of(case) for case in self.cases]
        numbers = iter(range(1, len(self.cases) + 1))
        found = ["" if case.role == IGNORED else self.checker.findings(next(numbers)) for case in self.cases]
        self.table.show(self.cases, [p or f for p, f in zip(self._problems, found)])

    def _onChecked(self) -> None:
        if not self.checker.isRunning:
            self._showCases()
        self.update()

    def onChanged(self, _value: Any = None) -> None:
        """The user has changed something: what was found and told before does not fit any more."""
        self._message = ""
        self._forgetFindings()
        self.update()

    def addLabeled(self, volumeNode, segmentationNode) -> None:
        """Make a volume and its segmentation, as it is now, a labeled case; also where the volume is in the list."""
        self._message = _("Added as a labeled case.")
        kept = [case for case in self.cases if case.isFile or case.image is not volumeNode]
        self._replace([*kept, TrainingCase(volumeNode, keptCopy(segmentationNode, volumeNode), LABELED)])
        self.ui.trainCollapsibleButton.collapsed = False

    def addAll(self, cases: list[TrainingCase], structures: list[str], baseId: str) -> None:
        """Add the cases of an earlier training, and choose what it learned and what it started from."""
        self.ui.structuresEdit.text = ", ".join(structures)
        self.ui.baseSelector.setCurrentIndex(max(0, self.ui.baseSelector.findData(baseId)))
        self._add(cases, _("These cases are in the list already."))

    def onUndo(self, _checked: bool = False) -> None:
        """Take back the last change of the list; volumes that have left the scene meanwhile stay away."""
        if self._before:
            before = self._before.pop()
            isThere = slicer.mrmlScene.IsNodePresent
            self._replace([case for case in before if case.isFile or isThere(case.image)], canUndo=False)

    def onRemove(self, _checked: bool = False) -> None:
        """Take the selected cases out of the list; volumes and files stay."""
        rows = set(selectedRows(self.ui.casesTable))
        self._replace([case for row, case in enumerate(self.cases) if row not in rows])

    def onUseAs(self, role: str) -> None:
        """Give the selected cases a role."""
        rows = set(selectedRows(self.ui.casesTable))
        if rows:
            self._replace([replace(case, role=role) if row in rows else case for row, case in enumerate(self.cases)])

    def onIgnoreBroken(self, _checked: bool = False) -> None:
        """Train without the cases that the check has found errors in; they stay in the list, as ignored."""
        broken, numbers = self.checker.broken, iter(range(1, len(self.cases) + 1))
        chosen = [case.role != IGNORED and next(numbers) in broken for case in self.cases]
        self._replace([replace(case, role=IGNORED) if out else case for case, out in zip(self.cases, chosen)])

    def onMapped(self, mapping: dict[str, str]) -> None:
        """The user has said which structure a segment is."""
        self._mapping = mapping
        if self._parameterNode is not None:
            saveMapping(self._parameterNode.parameterNode, mapping)
        self.onChanged()

    def onCheck(self, _checked: bool = False) -> None:
        """Let the engine look at the cases, or stop it."""
        if self.checker.isRunning:
            self._forgetFindings()
            self.say("")
        else:
            self._look()

    def onRank(self, _checked: bool = False) -> None:
        """Let the engine say which unlabeled cases to label next."""
        self._look(CaseRanking)

    def _look(self, makeCheck: Any = None) -> None:
        self._message = ""
        try:
            self.checker.start(self._request(), makeCheck)
        except (ValueError, OSError) as error:
            self._message = str(error)
        self.update()

    def onStart(self, _checked: bool = False) -> None:
        """Start the training of the list."""
        try:
            training = self.logic.queue.start(self._request())
        except (ValueError, OSError) as error:
            logging.warning("CMAformer: a training could not be started: %s", type(error).__name__)
            self._message = str(error)
            self.update()
            return
        self.checker.forget()
        self._message = _("The new training is in the list below.")
        self.update()
        self.hub.trainingStarted.emit(training)

    def _used(self) -> list[TrainingCase]:
        return [case for case in self.cases if case.role != IGNORED]

    def _request(self) -> TrainingRequest:
        """What the widgets say. Raises ValueError, in words, when nothing says what to learn."""
        ui = self.ui
        base, settings, used = self._base(), self.settings, self._used()
        names = [name.strip() for name in ui.structuresEdit.text.split(",") if name.strip()]
        structures = structuresToLearn(used, base, names if names and hasValues(used) else None, self._mapping)
        return TrainingRequest(
            tuple(used),
            structures,
            ui.modelNameEdit.text.strip(),
            base,
            settings.minutes,
            settings.device,
            settings.recipe,
            self._mapping,
        )

    def _base(self):
        return next((entry for entry in self._models if entry.id == self.ui.baseSelector.currentData), None)

    def _wanted(self) -> tuple[str, TrainingRequest | None]:
        """What is missing before Start, in words, and what would be trained, as far as that is known."""
        if not self._used():
            return _("Add cases: images with a segmentation, and as many without as you have."), None
        problem = next(filter(None, self._problems), "")
        if problem:
            return problem, None
        try:
            request = self._request()
        except ValueError:
            return _("Name the structures in the order of the values 1, 2, ... of the label maps."), None
        return request.incompleteness(), request

    def _forgetFindings(self) -> None:
        if self.checker.words():
            self.checker.forget()
            self._showCases()

    def _add(self, found: list[TrainingCase], nothing: str) -> None:
        known = {str(case.image) for case in self.cases if case.isFile}
        found = [case for case in found if not case.isFile or str(case.image) not in known]
        self._message = "" if found else nothing
        self._replace([*self.cases, *found])

    def _replace(self, cases: list[TrainingCase], canUndo: bool = True) -> None:
        if not fits(cases):
            self.say(tooManyCases())
            return
        self.checker.forget()
        if canUndo and cases != self.cases:
            self._before.append(self.cases)
        self.cases = cases
        if self._parameterNode is not None:
            self._message = saveCases(self._parameterNode.parameterNode, cases) or self._message
        self._showCases()
        self.update()

    def _forgetRemoved(self) -> None:
        """Cases whose volume has left the scene leave the list, and lose a segmentation that has."""
        if slicer.mrmlScene.IsBatchProcessing():
            return

        def present(node) -> bool:
            return node is not None and slicer.mrmlScene.IsNodePresent(node)

        kept = [case for case in self.cases if case.isFile or present(case.image)]
        kept = [
            case if case.isFile or case.labels is None or present(case.labels) else replace(case, labels=None)
            for case in kept
        ]
        if kept != self.cases:
            self.checker.forget()
            self.cases = kept
            if self._parameterNode is not None:
                saveCases(self._parameterNode.parameterNode, kept)
            self._showCases()
