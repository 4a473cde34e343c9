"""Where the teacher sees structures in unlabeled slices, so that windows can be centered on each class alike.

Windows drawn anywhere show mostly background and common structures. Labeled windows are balanced over the classes by
their labels; unlabeled ones need somebody to look first: the teacher does, at some slices at a time, again and again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ...data.slices import SliceStore, by_image
from ..prediction import predict_stack

# Pixels that are remembered of each structure in a slice.
REMEMBERED = 4
# Smaller finds, in pixels, are more often noise than structures.
SMALLEST = 10


class FoundStructures:
    """What the teacher has found in the unlabeled slices so far.

    Args:
        store: the cached slices.
        numbers: the unlabeled cases.
        context: neighboring slices on each side that are channels of the network.
    """

    def __init__(self, store: SliceStore, numbers: list[int], context: int) -> None:
        self.store, self.context = store, context
        self.slices = np.array([(n, k) for n in numbers for k in range(store.cases[n].shape[0])]).reshape(-1, 2)
        # Rows of class, case, slice, row, column.
        self.found = np.zeros((0, 5), np.int64)

    def look(
        self, network: Callable[[Tensor], Tensor], count: int, rng: np.random.Generator, device: torch.device
    ) -> None:
        """Let a network look at ``count`` slices drawn at random; what it finds replaces what was known of them.

        Args:
            network: (B, Cin, H, W) -> logits (B, C, H, W).
            count: slices, which bounds the time that a look takes, however many cases there are.
            rng: draws slices and pixels.
            device: where the network is.
        """
        chosen = self.slices[rng.permutation(len(self.slices))[:count]]
        rows = [row for row in self.found.tolist() if (row[1], row[2]) not in {tuple(s) for s in chosen.tolist()}]
        for number, index in chosen.tolist():
            images = by_image(self.store.array(number, "images"))
            near = np.clip(np.arange(index - self.context, index + self.context + 1), 0, images.shape[1] - 1)
            labels = predict_stack(network, images[:, near], self.context, device)[self.context]
            for value in range(1, self.store.classes):
                pixels = np.argwhere(labels == value)
                if len(pixels) >= SMALLEST:
                    drawn = pixels[rng.integers(len(pixels), size=REMEMBERED)]
                    rows.extend([value, number, index, *pixel] for pixel in drawn.tolist())
        self.found = np.array(rows, np.int64).reshape(-1, 5)

    def by_class(self) -> list[np.ndarray]:
        """For each class that was found, int64 (n, 4) of case, slice, row and column."""
        classes = [self.found[self.found[:, 0] == value, 1:] for value in range(1, self.store.classes)]
        return [found for found in classes if len(found)]
