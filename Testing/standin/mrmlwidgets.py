"""Widgets that have a scene, declared as in Slicer's headers (qMRMLWidget.h, qSlicerWidget.h)."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QWidget

SCENE = {
    "setMRMLScene(PyObject)": "setMRMLScene(vtkMRMLScene*)",
    "mrmlSceneChanged(PyObject)": "mrmlSceneChanged(vtkMRMLScene*)",
}


class qMRMLWidget(QWidget):
    """A widget that has a scene and passes it on to the MRML widgets inside."""

    SIGNATURES = SCENE
    mrmlSceneChanged = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    @Slot(object)
    def setMRMLScene(self, scene) -> None:
        if scene is not None and not scene.IsA("vtkMRMLScene"):
            raise TypeError(f"setMRMLScene needs a scene, not {scene}")
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    @Slot(result=object)
    def mrmlScene(self):
        return self._scene


class qSlicerWidget(qMRMLWidget):
    """The base of module widgets. In Slicer it is no qMRMLWidget, but has the same slot and signal."""
