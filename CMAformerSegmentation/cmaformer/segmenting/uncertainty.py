"""Where a model is unsure of its answer, and how good that answer is by its own probabilities.

The probabilities are those that windows, mirror images and directions give together. They are the network's own, before
the clean-up, and networks that were trained on overlap are surer than they should be: scores rank voxels, slices and
cases; what they are worth as numbers stands in the card of a model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..images.grid import SliceGrid

PERCENT = 100
WORST = 5  # slices that are named
TRACE = 1e-5  # of the voxels of a volume: so little of a structure that was not found is nothing


class Uncertainty:
    """What is known of a volume while its slices go through the network.

    Args:
        shape_kji: of the volume.
        slice_axis: of the (K, J, I) array, along which slices are scored.
        classes: of the network, with the background.

    Attributes: ``percent`` uint8 (K, J, I), the entropy of the mean probabilities of a voxel as a share of the highest
    there is: 0 where the model is sure, 100 where all classes are equally likely.
    """

    def __init__(self, shape_kji: tuple[int, int, int], slice_axis: int, classes: int) -> None:
        self.slice_axis, self.classes = slice_axis, classes
        self.percent = np.zeros(shape_kji, np.uint8)
        # Of each slice and class: probability of what was taken, probability in all, voxels that were taken.
        self._taken, self._all, self._voxels = np.zeros((3, shape_kji[slice_axis], classes))

    def add(self, grid: SliceGrid, indices: Sequence[int] | np.ndarray, probabilities: torch.Tensor) -> None:
        """Take in source slices of a grid across the axis, probabilities (n, classes, rows, cols) that add up to 1."""
        grid.insert(self.percent, indices, self._percent(grid.places(indices), probabilities))

    def add_plane(self, k: int, probabilities: torch.Tensor) -> None:
        """Take in a slice of the stored array across its first axis, (classes, J, I)."""
        self.percent[k] = self._percent(np.array([k]), probabilities[None])[0]

    def _percent(self, places: np.ndarray, probabilities: torch.Tensor) -> np.ndarray:
        """Add up the scores of slices, and give the uncertainty of their voxels, uint8 (n, rows, cols)."""
        n = len(probabilities)
        entropy = torch.special.entr(probabilities).sum(1) * (PERCENT / math.log(self.classes))
        best = probabilities.max(dim=1)
        flat = best.indices.reshape(n, -1)
        taken = torch.zeros(n, self.classes, device=probabilities.device)
        taken.scatter_add_(1, flat, best.values.reshape(n, -1))
        voxels = torch.zeros_like(taken).scatter_add_(1, flat, torch.ones_like(flat, dtype=taken.dtype))
        self._taken[places] = taken.cpu().numpy()
        self._all[places] = probabilities.sum(dim=(2, 3)).cpu().numpy()
        self._voxels[places] = voxels.cpu().numpy()
        return entropy.round().clamp(0, PERCENT).to("cpu", torch.uint8).numpy()

    def expected_dice(self) -> list[float | None]:
        """Of each class but the background, the Dice that the answer would have if the probabilities were right.

        2 sum of p over the answer / (voxels of the answer + sum of p everywhere); None where there is neither.
        """
        taken, everywhere, voxels = self._taken.sum(0), self._all.sum(0), self._voxels.sum(0)
        # A trace in every voxel is what a sure network leaves of the classes that are not there.
        trace = max(1.0, TRACE * float(voxels.sum()))
        there = (voxels > 0) | (everywhere >= trace)
        parts = zip(taken[1:], (everywhere + voxels)[1:], there[1:])
        return [float(2 * t / both) if known else None for t, both, known in parts]

    def mean_expected_dice(self) -> float | None:
        """The mean over the structures that were found, or may be there; None where there is none."""
        known = [value for value in self.expected_dice() if value is not None]
        return float(np.mean(known)) if known else None

    def wrong_voxels(self) -> np.ndarray:
        """float (slices): how many voxels of the structures are to be expected missing or too much in each slice."""
        return (self._voxels + self._all - 2 * self._taken)[:, 1:].sum(1)

    def worst_slices(self, count: int = WORST) -> list[int]:
        """Indices of the slices to look at first, along `slice_axis` of the stored array, from 0; none that is sure."""
        wrong = self.wrong_voxels()
        order = sorted(range(len(wrong)), key=lambda index: (-wrong[index], index))
        return [index for index in order[:count] if wrong[index] >= 1]

    def summary(self, names: Sequence[str]) -> dict[str, Any]:
        """Plain JSON types: the expected Dice of each structure and of all, and the worst slices.

        Args:
            names: of the structures, in the order of the classes.
        """
        each, mean = self.expected_dice(), self.mean_expected_dice()
        return {
            "expected_dice": {name: None if v is None else round(v, 4) for name, v in zip(names, each)},
            "mean_expected_dice": None if mean is None else round(mean, 4),
            "slice_axis": "kji"[self.slice_axis],
            "worst_slices": self.worst_slices(),
        }
