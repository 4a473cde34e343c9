"""From a volume to the slices that a model sees, and back onto the same voxels.

Axis names: ``source`` slices are cut from the stored volume without interpolation (an axis permutation and flips,
so the way back is exact); ``model`` slices cover the same field of view with the pixel size of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import torch
import torch.nn.functional as F

from ..door.slicing import PLANES, SLICINGS
from .geometry import Geometry

# An axis counts as the thick one when its spacing exceeds the next by this factor.
THICK = 1.25


def grids_of(geometry: Geometry, slicing: str, spacing: Sequence[float] | None = None) -> list[SliceGrid]:
    """The grids of a model's ``slicing``, one for each direction; the first is the one that statistics are about."""
    return [SliceGrid(geometry, axis, spacing) for axis in SLICINGS[slicing]]


def median_spacing(geometries: Sequence[Geometry], slicing: str) -> list[float]:
    """Median (row, column) spacing in mm of the slices of some volumes, in all directions of a slicing."""
    pixels = [grid.pixel_spacing for geometry in geometries for grid in grids_of(geometry, slicing)]
    return [float(side) for side in np.median(np.array(pixels), axis=0)]


class SliceGrid:
    """How one volume is cut into slices, and how slices go back.

    ``axis="axial"``: slices across the voxel axis closest to the patient's inferior-superior axis, from inferior to
    superior; rows run from anterior to posterior, columns from the patient's right to the left (LPS).
    ``axis="coronal"``: from anterior to posterior; rows from superior to inferior, columns from right to left.
    ``axis="sagittal"``: from right to left; rows from superior to inferior, columns from anterior to posterior. The
    three cut a volume across three different axes of voxels, however it is oriented.
    ``axis="acquired"``: slices across the thick axis as stored (the largest spacing; a direction with one voxel only;
    else the third stored axis k), rows and columns in stored order.
    ``axis="oriented"``: across the thick axis, else the one closest to inferior-superior, with the other two in a fixed
    order, however they are stored: columns along the patient's left where one of them is (else posterior), rows along
    the posterior or inferior, as images are shown. The same anatomy gives the same slices from any storage.
    ``spacing=(row_mm, col_mm)``: distance of rows and of columns on the model's grid; None keeps the source's pixels.

    Attributes: ``count`` slices, ``source_shape`` and ``model_shape`` (rows, cols), ``slice_axis`` the axis of the
    (K, J, I) array that is cut, ``slice_spacing`` mm between slices, ``pixel_spacing`` source (row_mm, col_mm).
    """

    def __init__(self, geometry: Geometry, axis: str = "axial", spacing: Sequence[float] | None = None) -> None:
        if axis == "acquired":
            order, signs = _acquired(geometry)
        elif axis == "oriented":
            order, signs = _oriented(geometry)
        elif axis in PLANES:
            order, signs = _anatomical(geometry, axis)
        else:
            raise ValueError(f"axis must be 'acquired', 'oriented' or one of {', '.join(PLANES)}, not {axis!r}")
        self.geometry = geometry
        self.axis = axis
        self._order = order
        self._flips = tuple(slice(None, None, sign) for sign in signs)
        shape = [geometry.shape_kji[a] for a in order]
        steps = [geometry.spacing[2 - a] for a in order]
        self.slice_axis = order[0]
        self.count = shape[0]
        self.slice_spacing = steps[0]
        self.source_shape = (shape[1], shape[2])
        self.pixel_spacing = (steps[1], steps[2])
        if spacing is None:
            self.model_shape = self.source_shape
        else:
            if len(spacing) != 2 or min(spacing) <= 0:
                raise ValueError(
                    f"spacing must be two positive numbers (mm between rows, between columns), not {spacing}"
                )
            self.model_shape = (
                max(1, round(shape[1] * steps[1] / spacing[0])),
                max(1, round(shape[2] * steps[2] / spacing[1])),
            )

    @property
    def resamples(self) -> bool:
        """Whether model slices have other pixels than source slices."""
        return self.model_shape != self.source_shape

    def oriented(self, array_kji: np.ndarray) -> np.ndarray:
        """The whole (K, J, I) array as source slices (count, rows, cols): a view, writing to it writes to the array."""
        if tuple(array_kji.shape) != self.geometry.shape_kji:
            raise ValueError(f"array {array_kji.shape} is not of the grid's shape {self.geometry.shape_kji} (K, J, I)")
        return array_kji.transpose(self._order)[self._flips]

    def ranges(self, box_kji: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """First and last index of a part of the volume along slices, rows and columns, from those along k, j and i."""
        result = []
        for axis, flip in zip(self._order, self._flips):
            (first, last), count = box_kji[axis], self.geometry.shape_kji[axis]
            result.append((first, last) if flip.step > 0 else (count - 1 - last, count - 1 - first))
        return result

    def to_model(self, array_kji: np.ndarray, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Slices ``indices`` of an image, float32 (n, rows, cols) on the model's grid.

        Linear in plane, averaging when the model's pixels are larger; both grids cover the same field of view.
        """
        slices = np.ascontiguousarray(self._take(array_kji, indices), dtype=np.float32)
        if not self.resamples:
            return slices
        return _resize(torch.from_numpy(slices)[:, None], self.model_shape)[:, 0].numpy()

    def labels_to_model(self, labels_kji: np.ndarray, indices: Sequence[int] | np.ndarray, classes: int) -> np.ndarray:
        """Slices of a label map, uint8 (n, rows, cols) on the model's grid; values 0 .. classes - 1 are known.

        Each class is resampled as `to_model` does and the strongest wins, so thin structures keep their share of a
        pixel better than nearest-neighbor would leave them.
        """
        labels = np.ascontiguousarray(self._take(labels_kji, indices))
        if labels.size and (labels.min() < 0 or labels.max() >= classes):
            raise ValueError(
                f"labels {labels.min()} .. {labels.max()} do not fit {classes} classes (0 .. {classes - 1})"
            )
        if not self.resamples:
            return labels.astype(np.uint8)
        source = torch.from_numpy(labels.astype(np.uint8))[:, None]
        best = torch.full((len(labels), 1, *self.model_shape), -1.0)
        result = torch.zeros(best.shape, dtype=torch.uint8)
        for value in range(classes):
            share = _resize((source == value).float(), self.model_shape)
            # Strictly larger beyond rounding: a tie goes to the lower value, whatever the order of the sums.
            stronger = share > best + 1e-6
            result[stronger] = value
            best = torch.where(stronger, share, best)
        return result[:, 0].numpy()

    def to_source(self, probabilities: torch.Tensor) -> torch.Tensor:
        """Probabilities (n, C, rows, cols) of the model's grid on the source's pixels, on the same device."""
        if tuple(probabilities.shape[-2:]) != self.model_shape:
            raise ValueError(
                f"slices {tuple(probabilities.shape[-2:])} are not of the model's shape {self.model_shape}"
            )
        return _resize(probabilities, self.source_shape) if self.resamples else probabilities

    def insert(self, labels_kji: np.ndarray, indices: Sequence[int] | np.ndarray, slices: np.ndarray) -> None:
        """Write source slices (n, rows, cols) to their places in a (K, J, I) array."""
        self.oriented(labels_kji)[np.asarray(indices, dtype=np.intp)] = slices

    def places(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Where source slices are along ``slice_axis`` of the stored (K, J, I) array."""
        places = np.asarray(indices, dtype=np.intp)
        return places if self._flips[0].step > 0 else self.count - 1 - places

    def _take(self, array_kji: np.ndarray, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        return self.oriented(array_kji)[np.asarray(indices, dtype=np.intp)]


def _anatomical(geometry: Geometry, plane: str) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Axes of the (K, J, I) array for slices, rows and columns, and +1 or -1 for each."""
    direction = np.asarray(geometry.direction).reshape(3, 3)
    up = int(np.argmax(np.abs(direction[2])))
    # Of the two ways to give the remaining axes to P and L, the closer one.
    candidates = [order for order in permutations(range(3)) if order[2] == up]
    closest = max(candidates, key=lambda order: abs(direction[1, order[1]]) + abs(direction[0, order[0]]))
    order, signs = [], []
    for world, wanted in PLANES[plane]:
        axis = closest[world]
        order.append(2 - axis)
        signs.append(wanted if direction[world, axis] >= 0 else -wanted)
    return tuple(order), tuple(signs)  # type: ignore[return-value]


def _acquired(geometry: Geometry) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    across = _thick(geometry)
    kji = 0 if across is None else 2 - across
    rows, cols = (axis for axis in range(3) if axis != kji)
    return (kji, rows, cols), (1, 1, 1)


def _thick(geometry: Geometry) -> int | None:
    """The stored axis (i, j, k) with one voxel alone, or with a spacing much larger than the others; None if none."""
    sizes, spacing = geometry.size_ijk, geometry.spacing
    single = [axis for axis in range(3) if sizes[axis] == 1]
    by_spacing = sorted(range(3), key=lambda axis: spacing[axis])
    if len(single) == 1:
        return single[0]
    return by_spacing[2] if spacing[by_spacing[2]] > THICK * spacing[by_spacing[1]] else None


def _oriented(geometry: Geometry) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Slices across the thick axis, with rows and columns as images are shown: along +L, +P and -S of the patient."""
    direction = np.asarray(geometry.direction).reshape(3, 3)
    # The patient's axis of each stored one: of all ways to give them, the closest.
    worlds = max(permutations(range(3)), key=lambda given: sum(abs(direction[w, a]) for a, w in enumerate(given)))
    thick = _thick(geometry)
    across = worlds.index(2) if thick is None else thick
    rows, columns = sorted((axis for axis in range(3) if axis != across), key=lambda axis: -worlds[axis])

    def sign(axis: int, wanted: int) -> int:
        return wanted if direction[worlds[axis], axis] >= 0 else -wanted

    shown = (1, 1, -1)
    signs = (sign(across, 1), sign(rows, shown[worlds[rows]]), sign(columns, shown[worlds[columns]]))
    return (2 - across, 2 - rows, 2 - columns), signs


def _resize(slices: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Linear resampling of (n, C, rows, cols) over the same field of view, averaging where pixels grow."""
    shrinks = shape[0] < slices.shape[-2] or shape[1] < slices.shape[-1]
    device = slices.device
    if shrinks and device.type == "mps":
        # The averaging kernel does not exist on every version of Apple's back end.
        return _resize(slices.cpu(), shape).to(device)
    return F.interpolate(slices, size=shape, mode="bilinear", align_corners=False, antialias=shrinks)
