"""Geometry to the last bit in NRRD files, which store the product of spacing and direction."""

from __future__ import annotations

from itertools import product

import numpy as np


def nrrd_vector(spacing: float, unit: np.ndarray) -> np.ndarray:
    """The vector that NRRD's reader splits into this length and unit vector, from the neighbors of their product."""
    axes = []
    for value in spacing * unit:
        near = [value]
        for direction in (np.inf, -np.inf):
            step = value
            for _ in range(3 if value else 0):
                step = np.nextafter(step, direction)
                near.append(step)
        axes.append(near)
    candidates = np.array(list(product(*axes)))
    lengths = lengths_of(candidates)
    # It multiplies by the inverse of the length instead of dividing.
    error = np.abs(candidates * (1.0 / lengths)[:, None] - unit).max(axis=1) + np.abs(lengths - spacing) / spacing
    return candidates[int(error.argmin())]


def lengths_of(vectors: np.ndarray) -> np.ndarray:
    """Length of (n, 3) vectors, added in the order in which readers do."""
    x, y, z = vectors[:, 0], vectors[:, 1], vectors[:, 2]
    return np.sqrt(x * x + y * y + z * z)
