"""A small scripted module in Slicer's style, for the stand-in's own tests."""

from __future__ import annotations

import enum
from typing import Annotated, Optional

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class StandinExample(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Example")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]


class Device(enum.Enum):
    AUTO = "auto"
    CPU = "cpu"


@parameterNodeWrapper
class StandinExampleParameterNode:
    inputVolume: vtkMRMLScalarVolumeNode
    output: Optional[vtkMRMLSegmentationNode] = None  # noqa: UP045 - this form is tested too
    threshold: Annotated[float, WithinRange(0, 100)] = 30.0
    device: Device = Device.AUTO
    smooth: bool


class StandinExampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.events = []

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/StandinExample.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = StandinExampleLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.parameterNode = self.logic.getParameterNode()
        self.guiTag = self.parameterNode.connectGui(self.ui)

    def cleanup(self):
        self.events.append("cleanup")
        self.removeObservers()
        self.parameterNode.disconnectGui(self.guiTag)

    def enter(self):
        self.events.append("enter")

    def exit(self):
        self.events.append("exit")

    def onSceneStartClose(self, caller, event):
        self.events.append("close")

    def onApply(self):
        self.events.append("apply")


class StandinExampleLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return StandinExampleParameterNode(super().getParameterNode())


class StandinExampleTest(ScriptedLoadableModuleTest):
    ran = 0

    def test_Example(self):
        self.delayDisplay("Running")
        StandinExampleTest.ran += 1
