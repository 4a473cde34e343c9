"""The result of the section Segment: the structures that were found, and what to do with them next."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..widgets.connections import Connections
from ..widgets.panelWork import PanelWork
from .corrections import Measurement, labelTimes
from .exportPanel import ExportPanel
from .regionResult import earlierSegments
from .result import SegmentationResult
from .review import Review, showUncertainty
from .structuresTable import fillStructures, structuresText


class ResultPanel:
    """The table of structures and the buttons below it.

    :param onUse: called with a volume node and its segmentation node, to learn from them.
    :param say: takes what is to be said in the status line.
    """

    def __init__(self, ui, onUse: Callable[..., Any], say: Callable[[str], None]) -> None:
        self.ui = ui
        self._onUse, self._say = onUse, say
        self._review = Review()
        self._result: SegmentationResult | None = None
        self._measuring = PanelWork(waitSeconds=0.015)
        self._showing = PanelWork(waitSeconds=0.015)
        self.export = ExportPanel(ui.exportButton, self._nodes, say)
        header = ui.structuresTable.horizontalHeader()
        header.setSectionResizeMode(1, qt.QHeaderView.Stretch)
        for column in (2, 3, 4):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        ui.structuresTable.verticalHeader().setVisible(False)
        self._connections = Connections()
        self._connections.add(ui.copyButton, "clicked(bool)", self.onCopy)
        self._connections.add(ui.editButton, "clicked(bool)", self.onEdit)
        self._connections.add(ui.useResultButton, "clicked(bool)", self.onUse)
        self._connections.add(ui.reviewButton, "clicked(bool)", self.onReview)
        self._connections.add(ui.uncertaintyButton, "clicked(bool)", self.onUncertainty)

    def cleanup(self) -> None:
        """Disconnect everything."""
        self.export.cleanup()
        self._measuring.cleanup()
        self._showing.cleanup()
        self._connections.clear()

    def update(self, result: SegmentationResult | None, segmentationNode, isRunning: bool) -> None:
        """Show what is known of a result.

        :param result: that the chosen segmentation holds; None where it holds none.
        :param segmentationNode: that is chosen in the panel, or None.
        """
        ui = self.ui
        ui.show3DButton.setSegmentationNode(segmentationNode)
        ui.show3DButton.setEnabled(segmentationNode is not None and not isRunning)
        self._result = result
        ui.structuresTable.setVisible(result is not None)
        ui.resultButtons.setVisible(result is not None)
        self.export.update(result, self._nodes() is not None and not isRunning)
        if result is None:
            return
        self._count()
        fillStructures(ui.structuresTable, result)
        for button in (ui.editButton, ui.useResultButton):
            button.setEnabled(self._nodes() is not None and not isRunning)
        ui.reviewButton.setEnabled(bool(Review.slices(result)))
        ui.uncertaintyButton.setEnabled(result.uncertainty is not None and self._nodes() is not None)

    def _count(self) -> None:
        """Count the structures where that was not done, or where the user has corrected the result since."""
        result, nodes = self._result, self._nodes()
        if result is None or nodes is None or self._measuring.isBusy:
            return
        volumeNode, segmentationNode = nodes
        values = earlierSegments(segmentationNode, result.model.structures)
        state = labelTimes(segmentationNode, list(values))
        if result.structures and not result.counted:
            result.counted = state  # a new result, whose numbers the engine has counted
        if result.counted == state:
            return
        try:
            measurement = Measurement(segmentationNode, volumeNode, values)
        except ValueError:
            return  # it was put under a transform since
        result.counted = state

        def onMeasured(found: Any, error: BaseException | None) -> None:
            if error is not None:
                logging.error("CMAformer: the structures could not be counted again: %r", error)
                return
            result.recount(found)
            if self._result is result:
                fillStructures(self.ui.structuresTable, result)
            else:
                self._count()  # another one was chosen meanwhile

        self._measuring.start(measurement.measure, onMeasured)

    def onCopy(self, _checked: bool = False) -> None:
        """Copy the table, for a spreadsheet."""
        if self._result is not None:
            qt.QApplication.clipboard().setText(structuresText(self._result))

    def onEdit(self, _checked: bool = False) -> None:
        """Open the result in the module Segment Editor."""
        nodes = self._nodes()
        if nodes is None:
            return
        volumeNode, segmentationNode = nodes
        slicer.util.selectModule("SegmentEditor")
        editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
        editor.setSegmentationNode(segmentationNode)
        editor.setSourceVolumeNode(volumeNode)

    def onReview(self, _checked: bool = False) -> None:
        """Show the next of the slices of which the model is least sure."""
        if self._result is not None:
            self._say(self._review.next(self._result))

    def onUncertainty(self, _checked: bool = False) -> None:
        """Show where the model is unsure, over the volume."""
        nodes = self._nodes()
        if nodes is None or self._result is None or self._result.uncertainty is None or self._showing.isBusy:
            return

        def onDone(image: Any, error: BaseException | None) -> None:
            if error is None and slicer.mrmlScene.IsNodePresent(nodes[0]):
                node = showUncertainty(image, nodes[0])
                text = _("{name} shows where the model is unsure. The module Data hides or deletes it.")
                self._say(text.format(name=node.GetName()))

        self._showing.start(self._result.uncertainty.work(), onDone)

    def onUse(self, _checked: bool = False) -> None:
        """Put the result into the list of cases to learn from."""
        nodes = self._nodes()
        if nodes is not None:
            self._onUse(*nodes)

    def _nodes(self) -> tuple[Any, ...] | None:
        """Volume and result, as long as both are in the scene."""
        return self._result.nodes if self._result is not None else None
