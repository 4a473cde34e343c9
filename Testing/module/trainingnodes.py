"""Volumes and segmentations of a scene, as a clinician would have them, for the tests of training."""

from __future__ import annotations

import numpy as np


def makeVolume(name="Doe^Jane", shape=(4, 40, 36), seed=0, matrix=None):
    """A bright disc in a ring, somewhere in noise; returns the volume node and its labels (K, J, I): 1 ring, 2 disc."""
    import slicer

    rng = np.random.default_rng(seed)
    k, j, i = np.indices(shape)
    center = np.array(shape[1:]) / 2 + rng.uniform(-4, 4, 2)
    distance = np.hypot(j - center[0], i - center[1])
    radius = 6 + rng.uniform(0, 3) - 0.5 * k
    labels = np.zeros(shape, np.uint8)
    labels[distance < radius + 4] = 1
    labels[distance < radius] = 2
    image = np.choose(labels, [100.0, 250.0, 500.0]) + rng.normal(0, 20, shape)
    matrix = np.diag([1.5, 1.5, 6.0, 1.0]) if matrix is None else matrix
    return slicer.util.addVolumeFromArray(image.astype(np.int16), matrix, name), labels


def makeSegmentation(volumeNode, labels, names=("ring", "disc"), colors=None):
    """A segmentation node on the grid of a volume, one segment a value of the labels, each in a layer of its own."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", volumeNode.GetName() + " segmentation")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    for value, name in enumerate(names, 1):
        color = colors[value - 1] if colors else [0.2 * value, 0.5, 0.5]
        segmentId = node.GetSegmentation().AddEmptySegment(name, name, color)
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            (labels == value).astype(np.uint8), node, segmentId, volumeNode
        )
    return node


def makeCase(name, seed, names=("ring", "disc"), **settings):
    """A volume node and its segmentation node, whose segments have these names."""
    volumeNode, labels = makeVolume(name, seed=seed, **settings)
    return volumeNode, makeSegmentation(volumeNode, labels, names)
