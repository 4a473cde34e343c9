"""The menu below a result that writes it to files, or to DICOM."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..widgets.connections import Connections
from ..widgets.panelWork import PanelWork
from . import dicomExport, export
from .regionResult import earlierSegments
from .result import SegmentationResult
from .structuresTable import structureRows


class ExportPanel:
    """The menu of a button. Files are written beside the panel; surfaces, which Slicer makes, one after the other.

    :param nodes: gives volume and segmentation of the shown result; None where they have left the scene.
    :param say: takes what is to be said.
    """

    def __init__(self, button, nodes: Callable[[], tuple[Any, ...] | None], say: Callable[[str], None]) -> None:
        self._button = button
        self._nodes, self._say = nodes, say
        self._result: SegmentationResult | None = None
        self._work = PanelWork(waitSeconds=0.015)
        self._surfaces: list[str] = []  # segments that are still to be written
        self._surfaceTask: Any = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self.menu = qt.QMenu(button)
        self._connections = Connections()
        self._connections.add(self._timer, "timeout()", self._nextSurface)
        for text, slot in (
            (_("Label map (NRRD, NIfTI)..."), self.onLabelMap),
            (_("Surfaces (STL)..."), self.onSurfaces),
            (_("Table (CSV)..."), self.onTable),
            (_("Report (HTML)..."), self.onReport),
            (_("DICOM SEG..."), self.onDicom),
        ):
            self._connections.add(self.menu.addAction(text), "triggered(bool)", slot)
        button.setMenu(self.menu)

    def cleanup(self) -> None:
        """Disconnect everything. What is being written goes on to its end; further surfaces are not."""
        self._timer.stop()
        self._work.cleanup()
        self._connections.clear()

    @property
    def isBusy(self) -> bool:
        """Whether something is being written."""
        return self._work.isBusy or bool(self._surfaces)

    def update(self, result: SegmentationResult | None, isEnabled: bool) -> None:
        """Show whether a result can be written."""
        self._result = result
        self._button.setEnabled(isEnabled and not self.isBusy)

    def onLabelMap(self, _checked: bool = False) -> None:
        """Ask for a file, and write the structures with the model's values."""
        nodes, result = self._nodes(), self._result
        if nodes is None or result is None:
            return
        volumeNode, segmentationNode = nodes
        filters = "NRRD (*.nrrd);;NIfTI (*.nii.gz *.nii);;MetaImage (*.mha)"
        path = self._askFile(_("Export the label map"), export.safeName(segmentationNode.GetName()) + ".nrrd", filters)
        if not path:
            return
        try:
            target = export.labelMapPath(path)
            work, others = export.labelMapWork(segmentationNode, volumeNode, result.model.structures, target)
        except ValueError as error:
            self._say(str(error))
            return

        def done(overlap: bool) -> str:
            text = [_("Exported to {name}.").format(name=target.name)]
            if others:
                text.append(_("Not in it, as they are not of the model: {names}.").format(names=", ".join(others)))
            if overlap:
                text.append(_("Where structures overlap, it has only one of them."))
            return " ".join(text)

        self._start(work, target, done)

    def onTable(self, _checked: bool = False) -> None:
        """Ask for a file, and write the table of structures."""
        nodes, result = self._nodes(), self._result
        if nodes is None or result is None:
            return
        name = export.safeName(nodes[1].GetName()) + ".csv"
        path = self._askFile(_("Export the table"), name, _("Tables") + " (*.csv)")
        if path:
            target = Path(path) if path.lower().endswith(".csv") else Path(path + ".csv")
            work = export.tableWork(structureRows(result), target)
            self._start(work, target, lambda _nothing: _("Exported to {name}.").format(name=target.name))

    def onReport(self, _checked: bool = False) -> None:
        """Ask for a file, and write a page about the result."""
        nodes, result = self._nodes(), self._result
        if nodes is None or result is None:
            return
        volumeNode, segmentationNode = nodes
        name = export.safeName(segmentationNode.GetName()) + ".html"
        path = self._askFile(_("Export a report"), name, _("Pages") + " (*.html)")
        if not path:
            return
        target = Path(path) if path.lower().endswith((".html", ".htm")) else Path(path + ".html")
        try:
            work = export.reportWork(segmentationNode, volumeNode, result, target)
        except ValueError as error:
            self._say(str(error))
            return
        self._start(work, target, lambda _nothing: _("Exported to {name}.").format(name=target.name))

    def onSurfaces(self, _checked: bool = False) -> None:
        """Ask for a folder, and write a file for each structure that was found."""
        nodes = self._nodes()
        if nodes is None:
            return
        path = qt.QFileDialog.getExistingDirectory(self._button, _("Export surfaces to a folder"), "")
        if path:
            self._surfaces = list(nodes[1].GetSegmentation().GetSegmentIDs())
            self._surfaceTask = (nodes[1], Path(path), len(self._surfaces), 0)
            self._sayAndGoOn()

    def onDicom(self, _checked: bool = False) -> None:
        """Put the segmentation into the study of its volume, and open Slicer's own export."""
        nodes, result = self._nodes(), self._result
        if nodes is None or result is None:
            return
        volumeNode, segmentationNode = nodes
        problem = dicomExport.dicomProblem(volumeNode, segmentationNode)
        if problem:
            self._say(problem)
            return
        found, made = earlierSegments(segmentationNode, result.model.structures), result.made
        voxels = {segmentId: made[value] for segmentId, value in found.items() if value in made}

        def onDone(corrected: Any, error: BaseException | None) -> None:
            if error is None:
                dicomExport.markCorrected(segmentationNode, corrected)
                dicomExport.prepareDicom(volumeNode, segmentationNode)
                exported = dicomExport.openDicomExport(segmentationNode)
                self._say(_("Exported to DICOM.") if exported else "")
            else:
                self._failed(error, segmentationNode.GetName())

        try:
            work = dicomExport.correctedWork(segmentationNode, volumeNode, voxels)
        except ValueError as error:
            self._say(str(error))
            return
        self._work.start(work, onDone)
        self._say(_("Preparing..."))

    def _start(self, work: Callable[[], Any], target: Path, done: Callable[[Any], str]) -> None:
        def onDone(result: Any, error: BaseException | None) -> None:
            if error is None:
                self._say(done(result))
            else:
                self._failed(error, target.name)

        self._work.start(work, onDone)
        self._say(_("Writing {name}...").format(name=target.name))

    def _nextSurface(self) -> None:
        segmentationNode, folder, count, written = self._surfaceTask
        try:
            if not slicer.mrmlScene.IsNodePresent(segmentationNode):
                raise ValueError(_("The segmentation was deleted before all its surfaces were written."))
            segmentId = self._surfaces[0]
            if segmentationNode.GetSegmentation().GetSegment(segmentId) is not None:
                written += export.writeSurface(segmentationNode, segmentId, folder)
        except (ValueError, OSError) as error:
            self._surfaces = []
            self._failed(error, folder.name)
            return
        self._surfaces.pop(0)
        self._surfaceTask = (segmentationNode, folder, count, written)
        self._sayAndGoOn()

    def _sayAndGoOn(self) -> None:
        _node, folder, count, written = self._surfaceTask
        if self._surfaces:
            number = count - len(self._surfaces) + 1
            self._say(_("Writing surface {number} of {count}...").format(number=number, count=count))
            self._timer.start(20)  # after the sentence has been painted
        elif written:
            self._say(_("Exported {count} surfaces to {name}.").format(count=written, name=folder.name))
        else:
            self._say(_("There is nothing to export: all structures are empty."))

    def _failed(self, error: BaseException, name: str) -> None:
        if isinstance(error, OSError):
            reason = error.strerror or type(error).__name__
            text = _("{name} cannot be written ({reason}). Choose another folder.").format(name=name, reason=reason)
            self._say(text)
            return
        if not isinstance(error, ValueError):
            logging.error("CMAformer: %s", type(error).__name__, exc_info=error)
        self._say(str(error))

    def _askFile(self, title: str, name: str, filters: str) -> str:
        return qt.QFileDialog.getSaveFileName(self._button, title, name, filters)
