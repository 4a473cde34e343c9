"""A Slicer window that knows the installation alone: opens the panel, segments a volume, and tells what it found.

Arguments: the folder of the installed modules, an image, its true label map. The last line it prints is JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

# A checkout that is installed in this environment (`make install`) is out of sight: what the installation lacks, fails.
sys.path[:] = [folder for folder in sys.path if Path(folder).name != "CMAformerSegmentation"]
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import standin  # noqa: E402


def main(modules: str, image: str, truth: str) -> None:
    standin.start()
    standin.loadModule(Path(modules) / "CMAformerSegmentation.py")
    import slicer

    truthNode = slicer.util.loadVolume(truth)
    expected = slicer.util.arrayFromVolume(truthNode).copy()
    slicer.mrmlScene.RemoveNode(truthNode)
    volumeNode = slicer.util.loadVolume(image)
    widget = slicer.util.getModuleWidget("CMAformerSegmentation")
    widget.enter()
    model = widget.logic.models()[0]
    segmentationNode = widget.logic.segment(volumeNode, model=model.id, device="cpu")
    scores = {}
    for structure in model.structures:
        segmentId = segmentationNode.GetSegmentation().GetSegmentIdBySegmentName(structure.name)
        found = slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, segmentId, volumeNode) > 0
        here = expected == structure.value
        scores[structure.name] = 2 * int((found & here).sum()) / int(found.sum() + here.sum())
    said = {
        "model": str(model.path),
        "offered": widget.ui.modelSelector.currentText,
        "dice": scores,
        "grid": onGrid(slicer, segmentationNode, volumeNode),
        "files": [m.__file__ for name, m in sys.modules.items() if name.startswith("CMAformer") and m.__file__],
    }
    widget.logic.cleanup()
    standin.quitApplication()
    print("\n" + json.dumps(said))


def onGrid(slicer, segmentationNode, volumeNode) -> bool:
    """Whether the label map has the size and the IJK to RAS matrix of the volume."""
    import vtk

    labelmap = segmentationNode.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    ours, theirs = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(ours)
    volumeNode.GetIJKToRASMatrix(theirs)
    same = np.array_equal(slicer.util.arrayFromVTKMatrix(ours), slicer.util.arrayFromVTKMatrix(theirs))
    return bool(same) and labelmap.GetDimensions() == volumeNode.GetImageData().GetDimensions()


if __name__ == "__main__":
    main(*sys.argv[1:])
