"""What is drawn, and its slice views as pictures: which slice, which part of it, which way up, and the overlay.

The slice views follow the axes in which the volume is stored, each through the middle of the segmentation, turned as
radiologists look at them and in the true proportions of the voxels. Labels are shown as they are, not smoothed: a
thick slice has straight steps in the long views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[Any]
Color = tuple[float, float, float]
AXES = ("Column", "Row", "Slice")  # i, j, k


@dataclass(frozen=True)
class Structure:
    """One segment: its label value, name, color (0 to 1), volume in ml and surface in RAS (vtkPolyData, or None)."""

    value: int
    name: str
    color: Color
    volume_ml: float
    surface: Any


@dataclass(frozen=True)
class Scene:
    """What is drawn: image and labels (K, J, I) on one grid, `ijk_to_ras` (4, 4) in mm, and the structures."""

    image: Array
    labels: Array
    ijk_to_ras: Array
    structures: Sequence[Structure]
    title: str
    subtitle: str

    @cached_property
    def spacing(self) -> Array:
        """Voxel size (i, j, k) in mm."""
        return np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)

    @cached_property
    def window(self) -> tuple[float, float]:
        """Intensities that are shown black and white."""
        low, high = np.percentile(self.image, (1.0, 99.3))
        return float(low), float(max(high, low + 1e-6))

    def along(self, axis: int) -> Array:
        """How many voxels of the segmentation each index along `axis` (0 i, 1 j, 2 k) holds; ones if it is empty."""
        counts = (self.labels > 0).sum(axis=tuple(other for other in range(3) if other != 2 - axis))
        return counts if counts.any() else np.ones_like(counts)

    @cached_property
    def bounds(self) -> list[tuple[int, int]]:
        """Index ranges (i, j, k) of the segmentation but for stray specks; of the whole volume if it is empty."""
        ranges = []
        for axis in range(3):
            share = np.cumsum(self.along(axis)) / self.along(axis).sum()
            ranges.append((int(np.searchsorted(share, 0.004)), int(np.searchsorted(share, 0.996)) + 1))
        return ranges

    def middle(self, axis: int) -> int:
        """The index along `axis` (0 i, 1 j, 2 k) that halves the segmentation, or the volume if it is empty."""
        share = np.cumsum(self.along(axis)) / self.along(axis).sum()
        return int(np.searchsorted(share, 0.5))

    def ends(self, axis: int) -> tuple[str, int]:
        """How radiologists look at an axis (0 i, 1 j, 2 k): the letters of its ends, and -1 if its index runs back.

        The patient's right is shown left (or on top), the front left or on top, the head on top (or left).
        """
        step = self.ijk_to_ras[:3, axis]
        main = int(np.argmax(np.abs(step)))
        return ("RL", "AP", "SI")[main], (-1 if step[main] > 0 else 1)


def axes_of_view(axis: int) -> tuple[int, int]:
    """The axes that run across and down in the view through a slice of `axis`."""
    across, down = (other for other in range(3) if other != axis)
    return across, down


def slice_picture(scene: Scene, axis: int, width: int, height: int, line: int) -> Array:
    """The view across `axis` through the middle: RGB (height, width, 3), 0 to 1, outlines `line` pixels wide."""
    index = scene.middle(axis)
    image, labels = (np.take(array, index, axis=2 - axis) for array in (scene.image, scene.labels))
    grid = _grid(scene, axis, width, height)
    inside = np.ones(grid.shape[1:], bool)
    for where, count in zip(grid, image.shape):
        inside &= (where >= -0.5) & (where <= count - 0.5)
    low, high = scene.window
    gray = ndimage.map_coordinates(image.astype(np.float32), grid, order=1, mode="nearest")
    gray = np.where(inside, np.clip((gray - low) / (high - low), 0.0, 1.0), 0.0)
    picture = np.repeat(gray[..., None], 3, axis=2)
    shown = np.where(inside, ndimage.map_coordinates(labels, grid, order=0, mode="nearest"), 0)
    for structure in scene.structures:
        mask = shown == structure.value
        outline = mask & ~ndimage.binary_erosion(mask, iterations=line)
        picture[mask] = 0.70 * picture[mask] + 0.30 * np.array(structure.color)
        picture[outline] = structure.color
    return picture


def _grid(scene: Scene, axis: int, width: int, height: int) -> Array:
    """Where in the slice (row, column) each pixel of a view lies: (2, height, width), square pixels in mm.

    The view shows the segmentation whole with its surroundings, and leaves no black margins if it can.
    """
    across, down = axes_of_view(axis)
    spacing, bounds = scene.spacing, scene.bounds
    size = [scene.labels.shape[2 - axis] * spacing[axis] for axis in (across, down)]
    extent = [(bounds[axis][1] - bounds[axis][0]) * spacing[axis] for axis in (across, down)]
    view = (width, height)
    fits = max(part / pixels for part, pixels in zip(size, view))
    fills = min(part / pixels for part, pixels in zip(size, view))
    shows = max(part / pixels for part, pixels in zip(extent, view))
    scale = min(fits, max(1.1 * shows, min(fills, 1.9 * shows)))
    center = []
    for axis, pixels in ((across, width), (down, height)):
        half = scale * pixels / spacing[axis] / 2
        middle, count = sum(bounds[axis]) / 2, scene.labels.shape[2 - axis]
        center.append(float(np.clip(middle, min(half, count / 2), max(count - half, count / 2))) - 0.5)
    columns = center[0] + scene.ends(across)[1] * (np.arange(width) - (width - 1) / 2) * scale / spacing[across]
    rows = center[1] + scene.ends(down)[1] * (np.arange(height) - (height - 1) / 2) * scale / spacing[down]
    return np.stack(np.meshgrid(rows, columns, indexing="ij"))
