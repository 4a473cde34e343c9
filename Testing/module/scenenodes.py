"""Volumes of the scene with every kind of geometry."""

from __future__ import annotations

import itertools

import numpy as np


def volumeOf(matrix, shape=(4, 5, 6), components=1):
    import slicer
    import vtk

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Patient")
    image = vtk.vtkImageData()
    image.SetDimensions(*reversed(shape))
    image.AllocateScalars(vtk.VTK_SHORT, components)
    node.SetAndObserveImageData(image)
    m = vtk.vtkMatrix4x4()
    for row, column in itertools.product(range(4), range(4)):
        m.SetElement(row, column, float(matrix[row][column]))
    node.SetIJKToRASMatrix(m)
    return node


def rotation(seed):
    q, _r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q


def matrices():
    def of(directions, spacing=(0.7, 1 / 3, 6.0), origin=(1e-17, -12.3456789012345678, 1e5)):
        m = np.eye(4)
        m[:3, :3] = np.asarray(directions, float) * spacing
        m[:3, 3] = origin
        return m

    almost = np.array([[np.cos(np.pi / 2), 1, 0], [-1, np.cos(np.pi / 2), 0], [0, 0, 1]])  # 6e-17 where 0 is meant
    return {
        "identity": np.eye(4),
        "lps": of(np.diag([-1, -1, 1])),
        "flipped": of(np.diag([1, -1, -1])),
        "negative determinant": of(np.diag([-1, 1, 1])),
        "permuted": of([[0, 0, 1], [1, 0, 0], [0, 1, 0]]),
        "right angle in radians": of(almost),
        "oblique": of(rotation(1)),
        "oblique and mirrored": of(rotation(2) @ np.diag([1, 1, -1])),
    }
