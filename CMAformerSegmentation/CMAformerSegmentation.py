"""CMAformer Segmentation: a panel, a console interface and a self test. Everything that works is in the Lib folder."""

import enum
import sys
import unittest
import weakref
from typing import Any

import slicer
import vtk
from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from CMAformerSegmentationLib.batches.batch import Batch
from CMAformerSegmentationLib.batches.cardiacFunction import cardiacFunction
from CMAformerSegmentationLib.batches.panel import BatchPanel
from CMAformerSegmentationLib.batches.sequence import SequenceBatch, sequenceOf
from CMAformerSegmentationLib.batches.volumes import VolumesBatch
from CMAformerSegmentationLib.cases.case import HELD_OUT, LABELED, UNLABELED, casesOf
from CMAformerSegmentationLib.cases.structures import segmentKey, structuresToLearn
from CMAformerSegmentationLib.computer.card import ComputerCard
from CMAformerSegmentationLib.jobs.environment import (
    bundledModelFolders,
    deviceArgument,
    engineVersion,
    userModelFolder,
)
from CMAformerSegmentationLib.models.catalog import Catalog, findModels
from CMAformerSegmentationLib.models.panel import ModelsPanel
from CMAformerSegmentationLib.scene.loading import loadVolume
from CMAformerSegmentationLib.scene.sampleData import registerSampleData
from CMAformerSegmentationLib.segmenting.panel import SegmentPanel
from CMAformerSegmentationLib.segmenting.request import Request
from CMAformerSegmentationLib.segmenting.selftest import runSelfTest
from CMAformerSegmentationLib.segmenting.taskRunner import TaskRunner
from CMAformerSegmentationLib.training.list import TrainingsPanel
from CMAformerSegmentationLib.training.panel import TrainPanel
from CMAformerSegmentationLib.training.queue import TrainingQueue
from CMAformerSegmentationLib.training.request import TrainingRequest


class CMAformerSegmentation(ScriptedLoadableModule):
    """The module as Slicer's module list shows it."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("CMAformer Segmentation")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["The SlicerCMAformer contributors"]
        self.parent.helpText = _("""
Segments structures in CT and MR volumes with CMAformer, a network of convolutions and attention. It runs on this
computer, with or without a GPU; nothing is sent anywhere. For research, not for diagnosis.
See the <a href="{url}">documentation</a>.
""").format(url="https://github.com/CMAformer/SlicerCMAformer")
        self.parent.acknowledgementText = _("""
The network follows the CMAformer publication; see the extension's home page for the citation and the licenses.
""")
        slicer.app.connect("startupCompleted()", registerSampleData)


class Device(enum.Enum):
    """Where the network runs. Stored in the scene by name."""

    AUTO = "auto"
    GPU = "gpu"
    CPU = "cpu"

    def label(self):
        """Text in the panel's list."""
        return {"auto": _("Automatic"), "gpu": _("GPU"), "cpu": _("CPU")}[self.value]


@parameterNodeWrapper
class CMAformerSegmentationParameterNode:
    """What the user has chosen; saved with the scene.

    inputVolume - The volume to segment.
    outputSegmentation - Receives the result; a new one is made when nothing is chosen.
    modelId - The model; empty for the first one there is.
    device - Where the network runs.
    regionOfInterest - The part of the volume to segment; the whole when nothing is chosen.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    outputSegmentation: vtkMRMLSegmentationNode
    modelId: str = ""
    device: Device = Device.AUTO
    regionOfInterest: vtkMRMLMarkupsROINode


class CMAformerSegmentationWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel. Each section is in a file of its own in the Lib folder."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: CMAformerSegmentationLogic | None = None
        self.computerCard: ComputerCard | None = None
        self.segmentPanel: SegmentPanel | None = None
        self.batchPanel: BatchPanel | None = None
        self.trainPanel: TrainPanel | None = None
        self.trainingsPanel: TrainingsPanel | None = None
        self.modelsPanel: ModelsPanel | None = None
        self._parameterNode: Any = None
        self._parameterNodeGuiTag: int | None = None

    def setup(self) -> None:
        """Called when the user opens the module the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/CMAformerSegmentation.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = CMAformerSegmentationLogic()
        self.computerCard = ComputerCard(self.ui, self.onComputerChanged)
        self.segmentPanel = SegmentPanel(self.ui, self.logic, self.computerCard, self.onUseResult)
        self.batchPanel = BatchPanel(self.ui, self.logic, self.segmentPanel)
        self.trainingsPanel = TrainingsPanel(self.ui, self.logic, self.onModelsChanged)
        self.trainPanel = TrainPanel(self.ui, self.logic, self.computerCard, self.trainingsPanel.select)
        self.modelsPanel = ModelsPanel(self.ui, self.logic, self.onModelsChanged)
        for section in self._sections():
            section.connect("contentsCollapsed(bool)", self.onSectionFolded)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self._onParameterNodeModified)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Called when the application closes and when the module is reloaded."""
        self.setParameterNode(None)
        self.removeObservers()
        for section in self._sections():
            section.disconnect("contentsCollapsed(bool)", self.onSectionFolded)
        for panel in self._panels():
            panel.cleanup()
        self.computerCard = self.segmentPanel = self.batchPanel = None
        self.trainPanel = self.trainingsPanel = self.modelsPanel = None
        if self.logic is not None:
            self.logic.cleanup()

    def enter(self) -> None:
        """Called each time the user opens this module."""
        self.initializeParameterNode()
        for panel in self._panels():
            panel.refresh()

    def exit(self) -> None:
        """Called each time the user opens a different module. What runs goes on."""
        self.setParameterNode(None)

    def onReload(self) -> None:
        """Reload the module and everything that belongs to it."""
        packages = ("CMAformerSegmentationLib", "cmaformer")
        for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)
        # Slicer makes a new widget and sets it up, but does not enter it.
        widget = slicer.util.getModuleWidget("CMAformerSegmentation")
        if widget.parent.isEntered:
            widget.enter()

    def onSceneStartClose(self, caller, event) -> None:
        """Called just before the scene is closed."""
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event) -> None:
        """Called just after the scene is closed."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Make sure that the parameter node exists and is observed; choose the first volume if none is chosen."""
        if self.logic is None:
            return
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            firstVolumeNode = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if firstVolumeNode:
                self._parameterNode.inputVolume = firstVolumeNode

    def setParameterNode(self, parameterNode) -> None:
        """Connect the panel to a parameter node, or to none."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self._parameterNodeGuiTag = None
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParameterNodeModified)
        self._parameterNode = parameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParameterNodeModified)
        for panel in (self.segmentPanel, self.trainPanel):
            if panel is not None:
                panel.setParameterNode(self._parameterNode)

    def onSectionFolded(self, collapsed: bool) -> None:
        """Called when a section was opened or closed. CTK shows what was to be hidden while a section was closed."""
        if not collapsed:
            for panel in self._panels():
                panel.update()

    def onUseResult(self, volumeNode, segmentationNode) -> None:
        """A result, corrected or not, is to be learned from."""
        if self.trainPanel is not None:
            self.trainPanel.addLabeled(volumeNode, segmentationNode)
            self.ui.trainCollapsibleButton.collapsed = False

    def onComputerChanged(self) -> None:
        """It has become known what this computer can do, or PyTorch has come."""
        for panel in (self.segmentPanel, self.trainPanel):
            if panel is not None:
                panel.update()

    def onModelsChanged(self) -> None:
        """Models have come, gone or got another title: offer those that there are."""
        for panel in (self.segmentPanel, self.trainPanel, self.modelsPanel):
            if panel is not None:
                panel.refresh()

    def _sections(self) -> list:
        return [self.ui.segmentCollapsibleButton, self.ui.trainCollapsibleButton, self.ui.modelsCollapsibleButton]

    def _panels(self) -> list:
        panels = (
            self.computerCard,
            self.segmentPanel,
            self.batchPanel,
            self.trainPanel,
            self.trainingsPanel,
            self.modelsPanel,
        )
        return [panel for panel in panels if panel is not None]

    def _onParameterNodeModified(self, caller=None, event=None) -> None:
        if self.segmentPanel is not None:
            self.segmentPanel.update()
        if self.trainPanel is not None:
            self.trainPanel.sync()


class CMAformerSegmentationLogic(ScriptedLoadableModuleLogic):
    """What the module can do, without its panel. From the Python console::

    logic = slicer.util.getModuleLogic("CMAformerSegmentation")
    print([model.id for model in logic.models()])
    segmentationNode = logic.segment(volumeNode)
    print(logic.segmentMany(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")).table())

    job = logic.startTraining(labeled=[(volumeNode, segmentationNode)], unlabeled=[otherNode], name="Our hearts")
    model = job.wait().keep()
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.runner = TaskRunner()
        self.queue = TrainingQueue()
        self._batches: weakref.WeakSet[Batch] = weakref.WeakSet()

    def getParameterNode(self):
        """The module's parameters in the current scene."""
        return CMAformerSegmentationParameterNode(super().getParameterNode())

    def cleanup(self) -> None:
        """Stop what segments, and the engine. Trainings go on without Slicer."""
        for batch in list(self._batches):
            batch.abandon(_("Slicer was closed."))
        self.runner.shutdown()
        self.queue.shutdown()

    def catalog(self) -> Catalog:
        """The models on this computer, and the folders with problems."""
        return findModels(bundledModelFolders(), [userModelFolder()])

    def models(self) -> list:
        """The models on this computer: entries with `id`, `title`, `description`, `structures`, `path` and more."""
        return self.catalog().entries

    def loadVolume(self, path):
        """Load a volume from a file or a folder of DICOM images and return its node.

        :raises ValueError: in words, when nothing can be loaded.
        """
        return loadVolume(path)

    def startSegmentation(self, volumeNode, model=None, segmentation=None, device="auto", onChanged=None, roi=None):
        """Start segmenting and return at once.

        :param model: a model of `models()`, or its id; None for the first one there is.
        :param segmentation: segmentation node for the result; None for a new one.
        :param device: "auto", "gpu" or "cpu".
        :param onChanged: called without arguments whenever the task has changed.
        :param roi: markups ROI node: only the voxels inside are segmented, and what an earlier result of the same
            structures has outside is kept; None for the whole volume.
        :return: the task, with `state`, `job.progress`, `problem`, `segmentationNode` and `cancel()`.
        :raises ValueError: in words, when it cannot be started as asked.
        """
        _entry, makeRequest = self._requests(model, device)
        return self.runner.start(makeRequest(volumeNode, segmentation, roi), onChanged)

    def segment(self, volumeNode, model=None, segmentation=None, device="auto", wait=True, progress=None, roi=None):
        """Segment a volume.

        :param volumeNode: a scalar volume.
        :param model, segmentation, device, roi: see `startSegmentation`.
        :param wait: False returns the running task instead of waiting for the result.
        :param progress: called with (slices done, slices in all, seconds left or None) while waiting.
        :return: the segmentation node.
        :raises ValueError: in words, when it cannot be started as asked.
        :raises SegmentationError: in words, when it fails.
        """
        task = self.startSegmentation(volumeNode, model, segmentation, device, roi=roi)
        return task.wait(self.runner.poll, progress) if wait else task

    def segmentMany(self, volumeNodes, model=None, device="auto", wait=True, progress=None, onChanged=None):
        """Segment volumes one after the other; one that fails does not stop the rest.

        :param volumeNodes: scalar volumes; each gets a new segmentation.
        :param model, device: see `startSegmentation`.
        :param wait: False returns at once.
        :param progress: called with (volumes done, volumes in all, seconds left or None) while waiting.
        :param onChanged: called without arguments whenever something has changed.
        :return: an object with `results`: of each volume (volume, segmentation node or None, problem in words), with
            `items` and their `state`s, `ended`, `table()` (text) and `cancel()`.
        :raises ValueError: in words, when there is no such model.
        """
        entry, makeRequest = self._requests(model, device)
        names = [structure.name for structure in entry.structures]
        return self._startBatch(VolumesBatch(volumeNodes, self.runner, makeRequest, names, onChanged), wait, progress)

    def segmentSequence(self, sequence, model=None, device="auto", wait=True, progress=None, onChanged=None):
        """Segment every frame of a sequence, such as a cine, into a sequence of segmentations.

        :param sequence: a sequence of volumes, the browser of one, or the volume that a browser shows of it.
        :param model, device, wait, progress, onChanged: see `segmentMany`.
        :return: as `segmentMany`, of frames instead of volumes; in the end `sequenceNode` is the new sequence, which is
            browsed with that of the volumes, or None when no frame has a result.
        :raises ValueError: in words, when it cannot be started as asked.
        """
        entry, makeRequest = self._requests(model, device)
        names = [structure.name for structure in entry.structures]
        batch = SequenceBatch(*sequenceOf(sequence), self.runner, makeRequest, names, onChanged)
        return self._startBatch(batch, wait, progress)

    def cardiacFunction(self, segmentations, endDiastole=None, endSystole=None, body=None):
        """Volumes over a cycle, ejection fractions and mass, of segmentations by a model of the heart as they are now.

        :param segmentations: a sequence of segmentations, as `segmentSequence` makes, or segmentation nodes in time.
        :param endDiastole, endSystole: phases from 1; None for those of the largest and the smallest left ventricle.
        :param body: height in cm and weight in kg, for indexed values.
        :return: an object with `function`, `volumes`, `table`, `curveTable`, `chart`, `text()` and `show()`.
        :raises ValueError: in words, when there is nothing to measure.
        """
        return cardiacFunction(segmentations, endDiastole, endSystole, body)

    def startTraining(
        self,
        labeled,
        unlabeled=(),
        heldOut=(),
        base=None,
        name="",
        minutes=30,
        classes=None,
        device="auto",
        settings=None,
        mapping=None,
    ):
        """Train a model in the background, in a process of its own, and return at once.

        :param labeled: pairs of a volume and its segmentation: nodes, or paths of an image and of a label map. Also
            `TrainingCase`s, which can name the patient.
        :param unlabeled: volumes or paths without segmentation, from which the model learns, too.
        :param heldOut: pairs that are never trained on and show how good the model is. Where there are none and at
            least five patients are labeled, a fifth of those is held out.
        :param base: the model to start from, or its id; None starts afresh.
        :param name: of the new model.
        :param minutes: how long to train on this computer.
        :param classes: names of the structures in the order of their values 1, 2, ...; None: what the cases show.
        :param device: "auto", "gpu" or "cpu".
        :param settings: further entries of the engine's recipe.
        :param mapping: which structure a segment is, where its name does not tell: name of the segment -> name of the
            structure, or "" to leave it out.
        :return: the training, with `state`, `metrics`, `wait()`, `pause()`, `cancel()`, `resume()`, `keep()` and
            `discard()`.
        :raises ValueError: in words, when it cannot be started as asked.
        """
        cases = casesOf(labeled, LABELED) + casesOf(unlabeled, UNLABELED) + casesOf(heldOut, HELD_OUT)
        for case in cases:
            problem = case.problem()
            if problem:
                raise ValueError(problem)
        entry = self._model(base) if base is not None else None
        known = {segmentKey(segment): structure for segment, structure in dict(mapping or {}).items()}
        structures = structuresToLearn(cases, entry, classes, known)
        request = TrainingRequest(
            tuple(cases), structures, name, entry, float(minutes), deviceArgument(device), dict(settings or {}), known
        )
        return self.queue.start(request)

    def jobs(self) -> list:
        """All trainings there are, oldest first, in whatever state, and those of earlier sessions, too."""
        trainings = self.queue.trainings()
        for training in trainings:
            training.poll(whole=True)
        return trainings

    def _requests(self, model, device):
        """The entry of a model, and what makes a request of a volume and a segmentation node with it.

        :raises ValueError: in words, when there is no such model.
        """
        entry = self._model(model)
        if entry is None:
            raise ValueError(_("There are no models on this computer."))
        where, version = deviceArgument(device), engineVersion()
        return entry, lambda volume, segmentation=None, roi=None: Request(
            volume, entry, segmentation, where, version, roi
        )

    def _startBatch(self, batch, wait, progress):
        self._batches.add(batch)
        batch.start()
        return batch.wait(progress) if wait else batch

    def _model(self, model):
        """The entry of a model, of its id, or of the first model for None; None where there is none.

        :raises ValueError: in words, for an id that no model has.
        """
        model = getattr(model, "id", model)
        entry = self.catalog().find(model)
        if entry is None and model is not None:
            raise ValueError(_("There is no model {id} on this computer.").format(id=model))
        return entry


class CMAformerSegmentationTest(ScriptedLoadableModuleTest):
    """The module's own test; also in Slicer's Reload & Test section."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        logic = CMAformerSegmentationLogic()
        try:
            runSelfTest(self, logic)
        except unittest.SkipTest as reason:  # Slicer would show it as an error
            return self.delayDisplay(_("Test skipped: {reason}").format(reason=reason))
        finally:
            logic.cleanup()
        self.delayDisplay(_("Test passed"))
