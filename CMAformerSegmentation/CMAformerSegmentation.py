"""CMAformer Segmentation: a panel, a console interface and a self test. Everything that works is in the Lib folder."""

import enum
import sys
import unittest
from typing import Any

import qt
import slicer
import vtk
from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from CMAformerSegmentationLib.batches.panel import BatchPanel
from CMAformerSegmentationLib.computer.card import ComputerCard
from CMAformerSegmentationLib.logic import Logic
from CMAformerSegmentationLib.models.panel import ModelsPanel
from CMAformerSegmentationLib.scene.sampleData import registerSampleData
from CMAformerSegmentationLib.segmenting.panel import SegmentPanel
from CMAformerSegmentationLib.segmenting.selftest import runSelfTest
from CMAformerSegmentationLib.training.list import TrainingsPanel
from CMAformerSegmentationLib.training.panel import TrainPanel
from CMAformerSegmentationLib.widgets.hub import Hub
from CMAformerSegmentationLib.widgets.section import SectionPanel

# From the top down; each may stand in one before it.
sections = (ComputerCard, SegmentPanel, BatchPanel, TrainPanel, TrainingsPanel, ModelsPanel)


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
    secondImage, thirdImage, fourthImage - Further images of the patient, for models that look at several.
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
    secondImage: vtkMRMLScalarVolumeNode
    thirdImage: vtkMRMLScalarVolumeNode
    fourthImage: vtkMRMLScalarVolumeNode


class CMAformerSegmentationWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel. Each section is in a file of its own in the Lib folder."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: CMAformerSegmentationLogic | None = None
        self.panels: list[SectionPanel] = []
        self.computerCard: Any = None
        self.segmentPanel: Any = None
        self.batchPanel: Any = None
        self.trainPanel: Any = None
        self.trainingsPanel: Any = None
        self.modelsPanel: Any = None
        self._parameterNode: Any = None
        self._parameterNodeGuiTag: int | None = None

    def setup(self) -> None:
        """Called when the user opens the module the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = CMAformerSegmentationLogic()
        uiWidget = qt.QWidget()
        qt.QVBoxLayout(uiWidget)
        self.layout.addWidget(uiWidget)
        hub = Hub()
        for section in sections:
            sectionWidget = slicer.util.loadUI(self.resourcePath(f"UI/{section.uiFile}"))
            ui = slicer.util.childWidgetVariables(sectionWidget)
            place = getattr(slicer.util.childWidgetVariables(uiWidget), section.place) if section.place else uiWidget
            place.layout().addWidget(sectionWidget)
            if hasattr(sectionWidget, "setMRMLScene"):
                sectionWidget.setMRMLScene(slicer.mrmlScene)
            self.panels.append(section(ui, self.logic, hub))
        uiWidget.layout().addStretch(1)
        self.computerCard, self.segmentPanel, self.batchPanel = self.panels[:3]
        self.trainPanel, self.trainingsPanel, self.modelsPanel = self.panels[3:]
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self._onParameterNodeModified)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Called when the application closes and when the module is reloaded."""
        self.setParameterNode(None)
        self.removeObservers()
        for panel in self.panels:
            panel.cleanup()
        self.panels = []
        self.computerCard = self.segmentPanel = self.batchPanel = None
        self.trainPanel = self.trainingsPanel = self.modelsPanel = None
        if self.logic is not None:
            self.logic.cleanup()

    def enter(self) -> None:
        """Called each time the user opens this module."""
        self.initializeParameterNode()
        for panel in self.panels:
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
        for panel in self.panels:
            panel.setParameterNode(self._parameterNode)

    def _onParameterNodeModified(self, caller=None, event=None) -> None:
        for panel in self.panels:
            panel.onParameterNodeModified()


class CMAformerSegmentationLogic(Logic):
    """What the module can do, without its panel; see `CMAformerSegmentationLib.logic`."""

    def getParameterNode(self) -> Any:
        """The module's parameters in the current scene."""
        return CMAformerSegmentationParameterNode(super().getParameterNode())  # type: ignore[call-arg]


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
