"""The section Segment of the panel: choose a volume and a model, Apply, watch, and see the result."""

from __future__ import annotations

import logging

import slicer
from slicer.i18n import tr as _

from ..jobs import environment
from ..jobs.job import FAILED, FINISHED
from ..models import terms
from ..models.catalog import Catalog, ModelEntry
from ..scene import nodes as scene
from ..widgets.cardText import cardText
from ..widgets.hub import Choices, Hub
from ..widgets.section import SectionPanel
from . import words
from .loadMenu import LoadMenu
from .otherImages import OtherImages, fields
from .regionPanel import RegionPanel
from .request import Request
from .result import SegmentationResult, resultOf
from .resultPanel import ResultPanel
from .segmentation import RUNNING, SegmentationTask


class SegmentPanel(SectionPanel):
    """Connects the widgets of the section to the logic. Owns no data: choices are in the parameter node, work is in
    the task, so that closing the panel or switching modules changes nothing for a running segmentation."""

    uiFile = "segmenting.ui"
    button = "segmentCollapsibleButton"

    def __init__(self, ui, logic, hub: Hub) -> None:
        super().__init__(ui, logic, hub)
        self.task: SegmentationTask | None = None
        self._catalog = Catalog()
        self._shownModel: ModelEntry | None = None
        self._details = ""
        self._inputId = ""
        self._resultIsNew = self._isFresh = False
        self._results: dict[str, SegmentationResult] = {}  # of this session, by the run that made them
        self.loading = LoadMenu(ui.loadButton, logic.loadVolume, self._onLoad)
        ui.deviceSelector.toolTip = ui.deviceSelector.toolTip + " " + environment.deviceHint()
        self.result = ResultPanel(ui, hub.caseOffered.emit, self.say)
        self.region = RegionPanel(ui, self.update)
        self.others = OtherImages(ui)
        self.connections.add(ui.applyButton, "clicked(bool)", self.onApply)
        self.connections.add(ui.modelSelector, "currentIndexChanged(int)", self.onModelChosen)
        self.connections.add(ui.termsCheckBox, "clicked(bool)", self.onTerms)
        self.listen(hub.computerChanged, self.update)
        self.listen(hub.modelsChanged, self.refresh)
        self.listen(hub.batchChanged, self.update)
        self.refresh()

    def cleanup(self) -> None:
        """Disconnect everything; what runs goes on until the logic stops it."""
        if self.task is not None:
            self.task.onChanged = None
        self.result.cleanup()
        self.loading.cleanup()
        self.region.cleanup()
        super().cleanup()

    def setParameterNode(self, parameterNode) -> None:
        """Show the choices of a parameter node; None while there is no scene or another module is open."""
        self._parameterNode = parameterNode
        self.others.reset()
        if parameterNode is not None:
            self._takeResult()
            self._inputId = self._nodeId(parameterNode.inputVolume)
            self._selectModel(parameterNode.modelId)
        self.update()

    def onParameterNodeModified(self) -> None:
        """Another volume, model, region or result was chosen."""
        self.update()

    def refresh(self) -> None:
        """Look at the models again: one was copied into the folder."""
        self._catalog = self.logic.catalog()
        selector = self.ui.modelSelector
        chosen = self._parameterNode.modelId if self._parameterNode else ""
        wasBlocked = selector.blockSignals(True)
        selector.clear()
        for entry in self._catalog.entries:
            selector.addItem(entry.title, entry.id)
        selector.blockSignals(wasBlocked)
        self._selectModel(chosen)
        self.update()

    def update(self) -> None:
        """Bring every widget up to date with the choices and the task."""
        self._onInputChanged()
        self.others.update(self.model, self._parameterNode, self._running() is None)
        if self._resultIsGone():
            self.task = None
        task = self._running()
        running = task is not None
        problem = "" if running else self._problem()
        ui, choices = self.ui, self._parameterNode
        self.region.follow(choices.regionOfInterest if choices else None)
        selectors = (ui.inputSelector, ui.modelSelector, ui.outputSelector, ui.regionSelector, ui.deviceSelector)
        for widget in (*selectors, ui.loadButton):
            widget.setEnabled(not running)
        stopping = task is not None and task.cancelling
        ui.applyButton.text = _("Cancel") if running else _("Apply")
        ui.applyButton.setEnabled(not stopping and (running or not problem))
        ui.applyButton.toolTip = (
            _("Stop the segmentation.") if running else problem or _("Segment the volume with the chosen model.")
        )
        self._showProgress(task)
        self._showModel()
        self._showResult()
        ui.statusLabel.text = self._status(problem)
        self._showDetails()
        if choices and choices.inputVolume and self.hub.engineIsReady and not problem:
            self.logic.runner.warm()
        self.hub.choices = Choices(
            choices.inputVolume if choices else None,
            self.model,
            choices.device.value if choices else "auto",
            self._engineProblem(),
            running,
        )
        self.hub.choicesChanged.emit()

    def _engineProblem(self) -> str:
        """Why no volume can be segmented on this computer, in words; an empty string when one can."""
        if self.model is None:
            return _("There are no models on this computer. Install the extension again, or add a model folder.")
        if terms.mustBeAccepted(self.model):
            return _("Read the terms of the model, and accept them first.")
        return self.hub.computerProblem()

    def onApply(self, _checked: bool = False) -> None:
        """Start, or stop what runs."""
        task, entry, choices = self._running(), self.model, self._parameterNode
        if task is not None:
            task.cancel()
            return
        if entry is None or choices is None or self._problem():
            self.update()
            return
        self._message = self._details = ""
        try:
            self.task = self.logic.startSegmentation(
                [choices.inputVolume, *self.others.chosen(entry, choices)],
                entry.id,
                choices.outputSegmentation,
                choices.device.value,
                self._onTaskChanged,
                choices.regionOfInterest,
            )
        except (ValueError, OSError) as error:
            logging.error("CMAformer: %s", error)
            self._message = str(error)
        self.update()

    def onModelChosen(self, _index: int = 0) -> None:
        """Remember the choice in the scene."""
        entry = self.model
        if self._parameterNode and entry is not None:
            self._parameterNode.modelId = entry.id
        self.update()

    def onTerms(self, accepted: bool) -> None:
        """The terms of the model are accepted, for good."""
        if accepted and self.model is not None:
            terms.accept(self.model)
        self.update()

    def _onLoad(self, volumeNode, message: str) -> None:
        """A volume was loaded, and is chosen; or there is something to say about it."""
        self._message = message
        if volumeNode is not None and self._parameterNode and self._running() is None:
            self._parameterNode.inputVolume = volumeNode
        self.update()

    def _onTaskChanged(self) -> None:
        task = self.task
        if task is not None and task.ended:
            self._details = "" if task.state == FINISHED else self.logic.runner.engine.logTail()
            self._resultIsNew = self._isFresh = task.state == FINISHED
            if self._resultIsNew and not task.isPartial:
                device, seconds = (task.summary.get(key) for key in ("device", "seconds"))
                self.hub.volumeSegmented.emit(task.volumeNode, task.model, str(device), float(seconds or 0))
            self._takeResult()
        self.update()

    def _takeResult(self) -> None:
        """Choose a new result as the output: at once, or when the user comes back to the module."""
        if self._resultIsNew and self._parameterNode is not None and self.task is not None:
            self._resultIsNew = False
            if slicer.mrmlScene.IsNodePresent(self.task.segmentationNode):
                self._parameterNode.outputSegmentation = self.task.segmentationNode

    def _onInputChanged(self) -> None:
        """Another volume was chosen: its result must not replace the one of the volume before."""
        if self._parameterNode is None or self._running() is not None:
            return
        volumeNode, output = self._parameterNode.inputVolume, self._parameterNode.outputSegmentation
        if self._nodeId(volumeNode) == self._inputId:
            return
        self._inputId = self._nodeId(volumeNode)
        self._message = ""
        self.task = None
        if volumeNode is not None and output is not None and scene.referencesOtherVolume(output, volumeNode):
            self._parameterNode.outputSegmentation = None

    def _running(self) -> SegmentationTask | None:
        return self.task if self.task is not None and not self.task.ended else None

    def _resultIsGone(self) -> bool:
        """Whether the result was deleted, or the scene closed."""
        task = self.task
        return task is not None and task.state == FINISHED and not slicer.mrmlScene.IsNodePresent(task.segmentationNode)

    @property
    def model(self) -> ModelEntry | None:
        """The chosen model."""
        return self._catalog.find(self.ui.modelSelector.currentData)

    def _selectModel(self, modelId: str) -> None:
        index = self.ui.modelSelector.findData(modelId)
        if index >= 0:
            self.ui.modelSelector.setCurrentIndex(index)

    def _problem(self) -> str:
        """What is missing before Apply, in words."""
        problem, entry, node = self._engineProblem(), self.model, self._parameterNode
        if self.hub.batchIsRunning:
            return _("Several volumes are being segmented. Wait, or cancel that.")
        if problem or entry is None or node is None:
            return problem
        if len(entry.images) > 1 + len(fields):
            return _("The model looks at more images than the panel can show: use the Python console.")
        others, roi = self.others.chosen(entry, node), node.regionOfInterest
        return Request(node.inputVolume, entry, node.outputSegmentation, roiNode=roi, others=others).problem()

    def _status(self, problem: str) -> str:
        running = self._running()
        if running is not None:
            return words.taskStatus(running)
        if self._message:
            return self._message
        if self.task is not None:
            return words.taskStatus(self.task)
        if problem and problem == scene.volumeProblem(None):
            return problem + " " + _("Load... takes one from a file, or a sample.")
        return problem or " ".join(filter(None, [_("Ready. Press Apply to segment the volume."), self._remark()]))

    def _remark(self) -> str:
        entry, node = self.model, self._parameterNode
        return Request(node.inputVolume, entry).remark() if entry is not None and node is not None else ""

    def _showProgress(self, task: SegmentationTask | None) -> None:
        bar = self.ui.progressBar
        bar.setVisible(task is not None)
        if task is not None and task.state == RUNNING and task.job.progress.total:
            bar.setRange(0, task.job.progress.total)
            bar.setValue(task.job.progress.done)
        else:
            bar.setRange(0, 0)  # busy: it cannot be said how long this takes

    def _showModel(self) -> None:
        entry = self.model
        self.ui.modelDescriptionLabel.text = entry.description if entry else ""
        self.ui.modelDescriptionLabel.setVisible(entry is not None)
        self.ui.modelCardGroupBox.setVisible(entry is not None)
        asked = terms.mustBeAccepted(entry)
        for widget in (self.ui.termsLabel, self.ui.termsCheckBox):
            widget.setVisible(asked)
        if asked and entry is not None:
            self.ui.termsLabel.text = _("Terms of this model: {terms}").format(terms=entry.license)
            self.ui.termsCheckBox.checked = False
        if entry is not None and entry is not self._shownModel:
            self._shownModel = entry
            self.ui.modelCardBrowser.setMarkdown(cardText(entry.card))

    def _showResult(self) -> None:
        node = self._parameterNode.outputSegmentation if self._parameterNode else None
        result = resultOf(node, {entry.id: entry for entry in self._catalog.entries}.get)
        if result is not None:
            if result.key not in self._results:
                kept = {key: known for key, known in self._results.items() if known.nodes is not None}
                self._results = {**kept, result.key: result}
                if self._isFresh and self.task is not None and self.task.segmentationNode is node:
                    self._isFresh = False
                    result.structures = list(self.task.summary.get("structures", []))  # as the engine has counted
                    result.uncertainty = self.task.uncertainty
            result = self._results[result.key]
        self.result.update(result, node, self._running() is not None)

    def _showDetails(self) -> None:
        problems = [f"{problem.name}: {problem.message}" for problem in self._catalog.problems]
        failed = self.task is not None and self.task.state == FAILED
        text = "\n".join(filter(None, [*problems, self._details if failed or self._message else ""]))
        self.ui.detailsGroupBox.setVisible(bool(text))
        if self.ui.detailsView.plainText != text:
            self.ui.detailsView.setPlainText(text)

    @staticmethod
    def _nodeId(node) -> str:
        return node.GetID() if node is not None else ""
