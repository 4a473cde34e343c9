"""The module's own test, with the real engine: it runs in Slicer and under the stand-in alike."""

from __future__ import annotations

import math

import numpy as np
import slicer
import vtk

from ..jobs.environment import TorchProbe
from ..jobs.job import CANCELLED
from ..scene.nodes import madeByTag


def runSelfTest(test, logic) -> None:
    """Segment a small synthetic volume with the first model, check everything about the result, then cancel a run.

    :param test: the unittest.TestCase that asserts.
    :param logic: the module's logic.
    :raises unittest.SkipTest: without PyTorch, as on the machines that build the extension.
    """
    if TorchProbe().state == "missing":
        test.skipTest("PyTorch is not installed, so the engine cannot run.")
    test.delayDisplay("Looking for a model and making a volume")
    models = logic.models()
    test.assertTrue(models, "There is no model on this computer.")
    model = models[0]
    volumeNode = makeTestVolume()

    test.delayDisplay("Segmenting")
    seen = []
    segmentationNode = logic.segment(
        volumeNode, model=model.id, device="cpu", progress=lambda done, total, left: seen.append((done, total))
    )
    test.assertTrue(seen and seen[-1][0] <= seen[-1][1])
    _checkResult(test, volumeNode, segmentationNode, model)

    test.delayDisplay("Segmenting again into the same segmentation keeps the user's own segment")
    ownId = segmentationNode.GetSegmentation().AddEmptySegment("", "My own")
    again = logic.segment(volumeNode, model=model.id, segmentation=segmentationNode, device="cpu")
    test.assertIs(again, segmentationNode)
    test.assertIsNotNone(segmentationNode.GetSegmentation().GetSegment(ownId))
    test.assertEqual(segmentationNode.GetSegmentation().GetNumberOfSegments(), len(model.structures) + 1)

    test.delayDisplay("Cancelling")
    task = logic.segment(volumeNode, model=model.id, device="cpu", wait=False)
    task.cancel()
    test.assertRaises(RuntimeError, task.wait, logic.runner.poll)
    test.assertEqual(task.state, CANCELLED)
    test.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), 1)


def makeTestVolume(shape: tuple[int, int, int] = (6, 64, 72)):
    """An oblique, anisotropic volume with a bright ball, under a translated parent transform."""
    k, j, i = np.indices(shape, dtype=np.float32)
    ball = np.sqrt((4 * (k - shape[0] / 2)) ** 2 + (j - shape[1] / 2) ** 2 + (i - shape[2] / 2) ** 2)
    array = (500 * (1 - np.tanh((ball - 20) / 4))).astype(np.int16)
    angle = math.radians(30)
    matrix = np.eye(4)
    cos, sin = math.cos(angle), math.sin(angle)
    matrix[:3, :3] = np.array([[cos, 0, sin], [0, -1, 0], [-sin, 0, cos]]) * (1.25, 1.25, 8.0)
    matrix[:3, 3] = (11.1, -22.2, 33.3)
    volumeNode = slicer.util.addVolumeFromArray(array, matrix, "CMAformer test volume")
    transformNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "CMAformer test transform")
    toParent = vtk.vtkMatrix4x4()
    toParent.SetElement(0, 3, 5.0)
    transformNode.SetMatrixTransformToParent(toParent)
    volumeNode.SetAndObserveTransformNodeID(transformNode.GetID())
    return volumeNode


def _checkResult(test, volumeNode, segmentationNode, model) -> None:
    segmentation = segmentationNode.GetSegmentation()
    ids = list(segmentation.GetSegmentIDs())
    segments = [segmentation.GetSegment(segmentId) for segmentId in ids]
    test.assertEqual([segment.GetName() for segment in segments], [s.name for s in model.structures])
    labelmaps = [segment.GetRepresentation("Binary labelmap") for segment in segments]
    test.assertTrue(all(labelmap is labelmaps[0] for labelmap in labelmaps), "The segments share one label map.")
    test.assertEqual(tuple(labelmaps[0].GetDimensions()), tuple(volumeNode.GetImageData().GetDimensions()))
    expected, found = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(expected)
    labelmaps[0].GetImageToWorldMatrix(found)
    for row in range(4):
        for column in range(4):
            test.assertEqual(found.GetElement(row, column), expected.GetElement(row, column))
    for segment, structure in zip(segments, model.structures):
        test.assertEqual(segment.GetLabelValue(), structure.value)
        for ours, theirs in zip(segment.GetColor(), structure.color):
            test.assertAlmostEqual(ours, theirs, places=6)
        terminology, madeBy = vtk.mutable(""), vtk.mutable("")
        test.assertTrue(segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminology))
        test.assertEqual(len(str(terminology).split("~")), 7)
        test.assertIn("^".join(structure.type), str(terminology))
        test.assertTrue(segment.GetTag(madeByTag, madeBy))
        test.assertEqual(str(madeBy), model.id)
    test.assertEqual(segmentationNode.GetTransformNodeID(), volumeNode.GetTransformNodeID())
    test.assertEqual(segmentationNode.GetAttribute("CMAformer.ModelId"), model.id)
    test.assertEqual(segmentationNode.GetAttribute("CMAformer.ModelSha256"), model.sha256)
    for name in ("EngineVersion", "Date", "Parameters"):
        test.assertTrue(segmentationNode.GetAttribute("CMAformer." + name), name)
    test.assertIsNotNone(segmentationNode.GetDisplayNode())
