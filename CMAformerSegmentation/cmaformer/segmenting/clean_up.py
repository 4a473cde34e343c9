"""Clean-up of a label map, structure by structure, in place and inside each structure's bounding box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ..door.watcher import Watcher

# Structures that touch may be apart by some voxels in a segmentation.
GAP = 2


def clean_up(
    labels: np.ndarray,
    largest_component: Sequence[int] = (),
    fill_holes: Sequence[int] = (),
    together: Sequence[int] = (),
    watcher: Watcher | None = None,
) -> None:
    """Keep the largest connected part of some values and fill enclosed background in some, in a uint8 map (K, J, I).

    ``together`` are the values of structures that touch each other. Before anything else, only the largest part of all
    of them as one is kept: a part far away may be larger than the true one of a single structure, but seldom than the
    whole. There, a gap of up to 2 GAP voxels within a slice connects, too.

    Parts are connected through faces, edges and corners. What is removed becomes background; only background that is
    enclosed on all sides in 3D is filled, so no other structure is overwritten. ``watcher`` may stop the work before
    each step.
    """
    watched = watcher or Watcher()
    if together:
        watched.check()
        _keep_largest(labels, together, GAP)
    for value in largest_component:
        watched.check()
        _keep_largest(labels, [value])
    for value in fill_holes:
        watched.check()
        _fill_holes(labels, value)


def _box(labels: np.ndarray, values: Sequence[int]) -> np.ndarray | None:
    """View of the bounding box of values, None if none occurs; reads slice by slice, without a copy."""
    rows = np.zeros(labels.shape[1], bool)
    cols = np.zeros(labels.shape[2], bool)
    planes = np.zeros(labels.shape[0], bool)
    for k, plane in enumerate(labels):
        mask = _among(plane, values)
        if mask.any():
            planes[k] = True
            rows |= mask.any(axis=1)
            cols |= mask.any(axis=0)
    if not planes.any():
        return None
    spans = (np.flatnonzero(axis)[[0, -1]] for axis in (planes, rows, cols))
    return labels[tuple(slice(first, last + 1) for first, last in spans)]


def _among(labels: np.ndarray, values: Sequence[int]) -> np.ndarray:
    return labels == values[0] if len(values) == 1 else np.isin(labels, values)


def _sizes(parts: np.ndarray, count: int) -> np.ndarray:
    """Voxels of each part; plane by plane, as counting makes an 8-byte copy of what it counts."""
    sizes = np.zeros(count + 1, np.int64)
    for plane in parts:
        sizes += np.bincount(plane.ravel(), minlength=count + 1)
    return sizes


def _keep_largest(labels: np.ndarray, values: Sequence[int], gap: int = 0) -> None:
    box = _box(labels, values)
    if box is None:
        return
    found = _among(box, values)
    near = found
    if gap:
        near = np.stack([ndimage.binary_dilation(plane, iterations=gap) for plane in found])
    parts, count = ndimage.label(near, structure=np.ones((3, 3, 3)))
    if count > 1:
        if gap:
            parts[~found] = 0
        sizes = _sizes(parts, count)
        sizes[0] = 0
        box[(parts > 0) & (parts != int(sizes.argmax()))] = 0


def _fill_holes(labels: np.ndarray, value: int) -> None:
    box = _box(labels, [value])
    if box is None:
        return
    parts, count = ndimage.label(box != value)
    if not count:
        return
    # A hole touches no side of the box: whatever does continues outside of the structure.
    hole = np.ones(count + 1, bool)
    hole[0] = False
    for axis in range(3):
        for end in (0, -1):
            hole[np.unique(parts.take(end, axis=axis))] = False
    if hole.any():
        box[hole[parts] & (box == 0)] = value
