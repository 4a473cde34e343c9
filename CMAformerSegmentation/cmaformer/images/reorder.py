"""The same voxels in another order: axes exchanged or turned around, as programs store them."""

from __future__ import annotations

import numpy as np

from .geometry import Geometry, Volume

# Corners of two grids may lie this far apart, in voxels, and the grids still be the same: headers are rounded.
SAME_VOXELS = 0.5


def in_order_of(volume: Volume, geometry: Geometry, tolerance: float = SAME_VOXELS) -> np.ndarray | None:
    """The voxels (K, J, I) of a volume in the order of a geometry, where both are the same places.

    ``tolerance`` is how far the corners may lie apart, in voxels.

    Returns:
        The array, or None where the volume lies elsewhere, or its voxels are others.
    """

    def axes(grid: Geometry) -> np.ndarray:
        return np.reshape(grid.direction, (3, 3)) * np.array(grid.spacing)

    own = axes(volume.geometry)
    matrix = np.linalg.solve(own, axes(geometry))
    shift = np.linalg.solve(own, np.array(geometry.origin) - np.array(volume.geometry.origin))
    order = np.rint(matrix).astype(int)
    if not (np.abs(order).sum(0) == 1).all() or not (np.abs(order).sum(1) == 1).all():
        return None
    last = np.array(geometry.size_ijk) - 1
    from_axis = [int(np.abs(order[:, axis]).argmax()) for axis in range(3)]  # the volume's axis of each wanted one
    if tuple(volume.geometry.size_ijk[axis] for axis in from_axis) != geometry.size_ijk:
        return None
    turned = [bool(order[source, axis] < 0) for axis, source in enumerate(from_axis)]
    expected = np.zeros(3)
    for axis, source in enumerate(from_axis):
        expected[source] = last[axis] if turned[axis] else 0
    corners = np.array([[0, 0, 0], [*last]]).T
    apart = (matrix - order) @ corners + (shift - expected)[:, None]
    if np.abs(apart).max() > tolerance:
        return None
    array = volume.array.transpose([2 - from_axis[axis] for axis in (2, 1, 0)])
    return np.flip(array, tuple(2 - axis for axis in range(3) if turned[axis]))
