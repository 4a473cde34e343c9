"""The choice of a region of interest in the section Segment."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

from ..scene import nodes as scene
from ..widgets.connections import Connections
from .region import fitRegion

_milliseconds = 200  # while a handle is dragged, the panel need not follow every step


class RegionPanel(VTKObservationMixin):
    """Places a new ROI around the volume, and follows the chosen one while it is moved.

    :param onMoved: called when the chosen ROI lies elsewhere.
    """

    def __init__(self, ui, onMoved: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self.ui = ui
        self._onMoved = onMoved
        self._node = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_milliseconds)
        # Slicer 5.12 has another name for it, and deprecates the old one.
        isNew = (int(slicer.app.majorVersion), int(slicer.app.minorVersion)) >= (5, 12)
        added = f"nodeAddedByUser{'Action' if isNew else ''}(vtkMRMLNode*)"
        self._connections = Connections()
        self._connections.add(self._timer, "timeout()", self._onTimer)
        self._connections.add(ui.regionSelector, added, self.onAdded)

    def cleanup(self) -> None:
        """Disconnect everything."""
        self.follow(None)
        self._timer.stop()
        self._connections.clear()

    def follow(self, node) -> None:
        """Watch the chosen ROI, or none."""
        if node is self._node:
            return
        self.removeObservers()
        self._node = node
        if node is not None:
            transformed = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
            for event in (vtk.vtkCommand.ModifiedEvent, slicer.vtkMRMLMarkupsNode.PointModifiedEvent, transformed):
                self.addObserver(node, event, self._onNodeModified)

    def onAdded(self, node) -> None:
        """A ROI was made in the list: it starts as the box of the whole volume."""
        volumeNode = self.ui.inputSelector.currentNode()
        if node is None or scene.volumeProblem(volumeNode):
            return
        fitRegion(node, volumeNode)
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()

    def _onNodeModified(self, caller=None, event=None) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _onTimer(self) -> None:
        self._onMoved()
