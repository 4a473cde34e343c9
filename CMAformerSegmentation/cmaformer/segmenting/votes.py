"""What a network says of each voxel of a volume, added up over several slicing directions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..images.grid import SliceGrid
from ..network.device import out_of_memory

# Half precision: three probabilities of 1 are added to within 0.002, and a class and voxel take two bytes.
VOTE = np.float16


class Votes:
    """Sums of probabilities on the grid of a volume.

    Args:
        classes: of the network, with the background.
        shape_kji: of the volume.

    Raises:
        EngineError: ``out-of-memory``.
    """

    def __init__(self, classes: int, shape_kji: tuple[int, int, int]) -> None:
        try:
            self._sums = np.zeros((classes, *shape_kji), VOTE)
        except MemoryError:
            raise out_of_memory() from None

    def add(self, grid: SliceGrid, indices: Sequence[int] | np.ndarray, probabilities: np.ndarray) -> None:
        """Add those of some source slices of a grid, (n, classes, rows, cols)."""
        places = np.asarray(indices, dtype=np.intp)
        for sums, planes in zip(self._sums, probabilities.swapaxes(0, 1)):
            grid.oriented(sums)[places] += planes.astype(VOTE)

    def means(self, k: int, directions: int) -> np.ndarray:
        """The mean probabilities of slice ``k`` of the stored volume, float32 (classes, J, I)."""
        return self._sums[:, k].astype(np.float32) / directions

    def strongest(self) -> np.ndarray:
        """The class with the largest sum, uint8 (K, J, I); of equal ones the first."""
        result = np.empty(self._sums.shape[1:], np.uint8)
        for k, plane in enumerate(result):  # slice by slice: no second copy of the sums
            plane[...] = self._sums[:, k].argmax(axis=0)
        return result
