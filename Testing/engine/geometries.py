"""Grids and label maps for the tests of the engine: every way a volume can lie in the patient."""

from __future__ import annotations

import numpy as np

from cmaformer.images.geometry import Geometry


def rotation(seed: int) -> np.ndarray:
    """A random rotation matrix (3, 3)."""
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else q * [1, 1, -1]


def geometry(size=(41, 37, 12), spacing=(1.0, 1.0, 1.0), direction=None, origin=(-31.7, 12.3, 104.9)) -> Geometry:
    matrix = np.eye(3) if direction is None else np.asarray(direction, float)
    return Geometry(tuple(size), tuple(map(float, spacing)), origin, tuple(float(v) for v in matrix.ravel()))


SAGITTAL = [[0, 0, 1], [1, 0, 0], [0, -1, 0]]  # columns: i runs A->P, j runs S->I, k runs R->L
CORONAL = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
GRIDS = {
    "standard": geometry(),
    "oblique": geometry(spacing=(0.8, 0.9, 2.5), direction=rotation(3)),
    "flipped": geometry(direction=np.diag([-1.0, 1.0, 1.0])),
    "flipped oblique": geometry(spacing=(1.1, 0.7, 3.0), direction=rotation(5) * [1, 1, -1]),
    "upside down": geometry(direction=np.diag([-1.0, 1.0, -1.0])),
    "sagittal": geometry(size=(41, 37, 20), spacing=(0.9, 0.9, 3.3), direction=SAGITTAL),
    "coronal": geometry(size=(41, 30, 37), spacing=(0.9, 0.9, 2.0), direction=CORONAL),
    "permuted flipped": geometry(size=(21, 33, 40), direction=[[0, -1, 0], [0, 0, -1], [1, 0, 0]]),
    "anisotropic 1:1:6": geometry(size=(60, 52, 7), spacing=(1.0, 1.0, 6.0)),
    "thick i": geometry(size=(7, 52, 60), spacing=(6.0, 1.0, 1.0), direction=SAGITTAL),
    "single slice": geometry(size=(45, 39, 1), spacing=(1.5, 1.5, 8.0)),
    "single slice sagittal": geometry(size=(45, 39, 1), spacing=(1.5, 1.5, 1.0), direction=SAGITTAL),
    "odd": geometry(size=(63, 47, 13), spacing=(0.97, 1.03, 2.1)),
    "pixels not square": geometry(size=(70, 40, 9), spacing=(0.6, 1.2, 3.0)),
}


def blobs(grid: Geometry) -> np.ndarray:
    """Three labels without any symmetry: a large ellipsoid, a box inside it, and a small ball, uint8 (K, J, I)."""
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in grid.shape_kji), indexing="ij")
    labels = np.zeros(grid.shape_kji, np.uint8)
    labels[(i + 0.1) ** 2 / 0.6 + (j - 0.05) ** 2 / 0.5 + k**2 < 1] = 1
    labels[(np.abs(i - 0.1) < 0.4) & (np.abs(j + 0.1) < 0.3) & (np.abs(k) < 0.7)] = 2
    labels[(i - 0.75) ** 2 + (j - 0.7) ** 2 + k**2 / 2 < 0.06] = 3
    return labels


def dice(a: np.ndarray, b: np.ndarray, value: int) -> float:
    a, b = a == value, b == value
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))
