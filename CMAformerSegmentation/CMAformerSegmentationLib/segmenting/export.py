"""A result as files: label map, surfaces, table, and DICOM through Slicer's own export.

Functions with "Work" in their names look at nodes on the main thread and give a function for a thread, which writes.
"""

from __future__ import annotations

import csv
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from cmaformer.door.files import replaced
from cmaformer.door.names import LABEL_SUFFIXES, suffix_of

from ..cases.structures import segmentsByStructure
from ..jobs.engineCall import callEngine
from ..jobs.environment import engineCommand, engineEnvironment, trainingsFolder
from ..jobs.privateFolders import makePrivate, sweep
from ..models.catalog import StructureClass
from ..refusal import Refusal
from ..scene import nodes as scene
from ..scene.labelFiles import writeLabelMap
from ..scene.labelLayers import placeLabels, segmentLayers
from ..scene.metaimage import writeMetaImage
from .corrections import EarlierResult
from .result import SegmentationResult

_stlHeader = 84  # bytes, of a binary file with the number of its triangles


def safeName(name: str) -> str:
    """A name without what file systems refuse."""
    return re.sub(r'[\\/:*?"<>|\x00-\x1f]+', "_", name).strip(" .") or "result"


def labelMapPath(path: str | Path) -> Path:
    """A path as the user gave it, with a suffix.

    :raises ValueError: in words, for one that cannot be written, or a file that nobody was asked to replace.
    """
    path = Path(path)
    if suffix_of(path.name, LABEL_SUFFIXES):
        return path
    if path.suffix.lower() in (".hdr", ".img", ".mhd", ".nhdr", ".dcm", ".gz", ".stl", ".csv"):
        raise ValueError(_("Choose a name that ends in {suffixes}.").format(suffixes=", ".join(LABEL_SUFFIXES)))
    path = path.with_name(path.name + ".nrrd")
    if path.exists():
        raise ValueError(_("{name} is there already. Choose another name.").format(name=path.name))
    return path


def labelMapWork(
    segmentationNode, volumeNode, structures: Sequence[StructureClass], path: Path
) -> tuple[Callable[[], bool], list[str]]:
    """Write the structures of a model, as they are now, on the grid of the volume with the model's values.

    The file lies where the file of the volume lies: without the transforms that both are under in the scene.

    :return: the work, which returns whether structures overlap (later ones win in the file), and the names of
        segments that are no structures of the model and are left out.
    :raises ValueError: in words, when image and segmentation do not fit.
    """
    values = segmentsByStructure(segmentationNode, structures, {})
    segmentation = segmentationNode.GetSegmentation()
    others = [segmentation.GetSegment(i).GetName() for i in segmentation.GetSegmentIDs() if i not in values]
    layers, geometry = segmentLayers(segmentationNode, volumeNode, values), scene.volumeGeometry(volumeNode)

    def work() -> bool:
        labels = placeLabels(layers, geometry)
        writeLabelMap(path, labels, geometry)
        if len(layers) < 2:
            return False
        parts = sum(np.count_nonzero(placeLabels([layer], geometry)) for layer in layers)
        return int(parts) > int(np.count_nonzero(labels))

    return work, others


def tableWork(rows: Sequence[Sequence[str]], path: Path) -> Callable[[], None]:
    """Write a table as CSV, in the encoding by which spreadsheets know it."""

    def write() -> None:
        with replaced(path) as temporary, open(temporary, "w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file).writerows(rows)

    return write


def reportWork(segmentationNode, volumeNode, result: SegmentationResult, path: Path) -> Callable[[], None]:
    """Write a page about a result as it is now: pictures, volumes, and how it came about. It names nobody.

    :return: the work, which lets the engine write the page from private copies of image and label map.
    :raises ValueError: in words, when image and segmentation do not fit.
    """
    snapshot = scene.snapshotVolume(volumeNode)
    folder = trainingsFolder() / f".report-{secrets.token_hex(4)}"
    image, labels = folder / "image.mha", folder / "labels.nrrd"
    writeLabels, _others = labelMapWork(segmentationNode, volumeNode, result.model.structures, labels)
    arguments = ["report", str(image), str(labels), "--model", str(result.model.path), "-o", str(path)]
    earlier = EarlierResult(segmentationNode, volumeNode)
    command, environment = engineCommand(arguments), engineEnvironment()

    def work() -> None:
        sweep(folder.parent)
        makePrivate(folder)
        try:
            writeMetaImage(image, snapshot.array, snapshot.geometry.flippedXY())
            writeLabels()
            earlier.look()
            callEngine([*command, "--corrected"] if earlier.corrected else command, environment, path.name)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return work


def writeSurface(segmentationNode, segmentId: str, folder: Path) -> bool:
    """Write the surface of one segment as STL, in the place that it has in the views, in LPS coordinates.

    Slicer makes the surface, which takes a while on the main thread. Whether surfaces are shown does not change.

    :return: whether there is one; an empty segment has none.
    :raises Refusal, OSError: when it cannot be written.
    """
    name = segmentationNode.GetSegmentation().GetSegment(segmentId).GetName()
    target = folder / f"{safeName(segmentationNode.GetName())}_{safeName(name)}.stl"
    ids = vtk.vtkStringArray()
    ids.InsertNextValue(segmentId)
    write = slicer.vtkSlicerSegmentationsModuleLogic.ExportSegmentsClosedSurfaceRepresentationToFiles
    # Slicer chooses the name; the folder on the same disk keeps half a file out of sight.
    with tempfile.TemporaryDirectory(prefix=".cmaformer-", dir=folder) as temporary:
        write(temporary, segmentationNode, ids, "STL", True, 1.0, False)
        written = list(Path(temporary).glob("*.stl"))
        if len(written) != 1:
            raise Refusal(lambda: _("The surface of {name} cannot be written to the folder.").format(name=name))
        if written[0].stat().st_size <= _stlHeader:
            return False
        os.replace(written[0], target)
    return True
