"""Windows out of the prepared slices, batch by batch: where they lie, and what of the volume they see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..parallel.rows import Rows
from ..recipes.recipe import Recipe
from .slices import SliceStore, by_image, signed_distance


class Place(NamedTuple):
    """Where a window is centered, and where the volume ends for it.

    Attributes:
        number: of the case.
        slice_index: of the slice.
        row, column: of the center, in pixels.
        box: slices, rows and columns of what is left of the volume.
    """

    number: int
    slice_index: int
    row: int
    column: int
    box: tuple[slice, slice, slice]


@dataclass(frozen=True)
class WindowSpec:
    """What the windows of a training show.

    Attributes:
        side: in pixels of the square windows; slices are zero-padded (the mean intensity) where they end.
        context: neighboring slices on each side that become channels.
        centered: part of the windows that are centered on a structure (where its place is known).
        cut: probability that the volume ends near the window, for each of its six sides: the others of its slices,
            rows or columns are as if never scanned. Without it, a model trained on whole volumes counts on their ends.
        whole: windows show as much of their slice as they can: they lie in the middle of one that is not larger.
    """

    side: int
    context: int
    centered: float
    cut: float = 0.0
    whole: bool = False

    @classmethod
    def of(cls, recipe: Recipe, context: int) -> WindowSpec:
        """The windows that a recipe wants, with so many neighboring slices on each side."""
        return cls(recipe.window, context, recipe.centered, recipe.augmentation.cut, recipe.whole)


class Sampler:
    """Draws training windows: a part anywhere, the rest centered on a class drawn with equal chances.

    A batch depends only on the seed and its number, so that a resumed training continues with the very batches it would
    have had, and several processes can share one batch without talking to each other.

    Args:
        store: the cached slices.
        numbers: the cases to draw from.
        spec: what the windows show.
        seed: of the training.

    Attributes:
        places: where the structures of cases without labels are, as far as anybody has looked: for each class int64
            (n, 4) of case, slice, row and column. Windows are centered on them as on labels.
    """

    def __init__(self, store: SliceStore, numbers: list[int], spec: WindowSpec, seed: int) -> None:
        self.store, self.spec, self.seed = store, spec, seed
        self.slices = [(number, index) for number in numbers for index in range(store.cases[number].shape[0])]
        by_class: list[list[tuple[int, int]]] = [
            [
                (number, index)
                for number in numbers
                for index, pixels in enumerate(store.cases[number].pixels.get(value, []))
                if pixels
            ]
            for value in range(1, store.classes)
        ]
        self.by_class = [(value, slices) for value, slices in enumerate(by_class, 1) if slices]
        self.places: list[np.ndarray] = []

    def batch(self, size: int, number: int, rows: Rows | None = None) -> dict[str, np.ndarray]:
        """Batch ``number`` of the training, or some rows of it.

        Returns:
            images float32 (B, M, N, window, window), of each of M images a slice and its neighbors; labels uint8
            (B, window, window), distances int8 (B, C-1, window, window), frames float32 (B, 4): top, left, bottom,
            right of each window in slice coordinates ([-1, 1] from border to border), slices int64 (B, 2): number of
            the case and of the slice.
        """
        rng = np.random.default_rng([self.seed, number])
        drawn = [self._draw(rng) for _ in range(size)]
        items = [self._window(place) for place in (rows or Rows.all(size)).of(drawn)]
        return {key: np.stack([item[key] for item in items]) for key in items[0]}

    def _draw(self, rng: np.random.Generator) -> Place:
        if self.by_class and rng.random() < self.spec.centered:
            value, slices = self.by_class[rng.integers(len(self.by_class))]
            number, index = slices[rng.integers(len(slices))]
            places = np.argwhere(self.store.array(number, "labels")[index] == value)
            row, column = (int(x) for x in places[rng.integers(len(places))])
        elif self.places and rng.random() < self.spec.centered:
            known = self.places[rng.integers(len(self.places))]
            number, index, row, column = (int(x) for x in known[rng.integers(len(known))])
        else:
            number, index = self.slices[rng.integers(len(self.slices))]
            height, width = self.store.cases[number].shape[1:]
            row, column = int(rng.integers(height)), int(rng.integers(width))
        shape = self.store.cases[number].shape
        if self.spec.whole:
            row, column = (self._inside(at, side) for at, side in zip((row, column), shape[1:]))
        return Place(number, index, row, column, self._box(shape, (index, row, column), rng))

    def _inside(self, at: int, side: int) -> int:
        """The center nearest to a pixel whose window lies in a side of the slice, or in the middle of a shorter one."""
        half = self.spec.side // 2
        return side // 2 if side <= self.spec.side else min(max(at, half), side - (self.spec.side - half))

    def _box(self, shape: Sequence[int], center: Sequence[int], rng: np.random.Generator) -> tuple[slice, slice, slice]:
        """What is left of a volume around the center of a window, with any of its six sides cut."""
        if not self.spec.cut:  # and no random numbers are drawn, so that trainings of before have the batches they had
            return slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2])
        half = self.spec.side // 2
        far = (max(1, self.spec.context), half, half)  # what is beyond, a window does not show
        sides = []
        for at, length, reach in zip(center, shape, far):
            before, after = (int(n) for n in rng.integers(1, reach + 1, 2))
            lower, upper = rng.random(2) < self.spec.cut
            sides.append(slice(max(0, at + 1 - before) if lower else 0, min(length, at + after) if upper else length))
        return sides[0], sides[1], sides[2]

    def _window(self, place: Place) -> dict[str, np.ndarray]:
        number, index, row, column, (depth, *plane) = place
        images = by_image(self.store.array(number, "images"))
        height, width = (side.stop - side.start for side in plane)
        side = self.spec.side
        top, left = row - side // 2, column - side // 2
        rows = slice(max(plane[0].start, top), min(plane[0].stop, top + side))
        columns = slice(max(plane[1].start, left), min(plane[1].stop, left + side))
        inside = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
        near = self.spec.context
        neighbors = np.arange(index - near, index + near + 1).clip(depth.start, depth.stop - 1)
        item = {"images": np.zeros((len(images), len(neighbors), side, side), np.float32)}
        item["images"][(slice(None), slice(None), *inside)] = images[:, neighbors, rows, columns]
        if self.store.cases[number].pixels:
            labels = self.store.array(number, "labels")[index]
            item["labels"] = np.zeros((side, side), np.uint8)
            item["labels"][inside] = labels[rows, columns]
            item["distances"] = np.full((self.store.classes - 1, side, side), 127, np.int8)
            if plane == [slice(0, n) for n in labels.shape]:
                seen = self.store.array(number, "distances")[index, :, rows, columns]
            else:  # the nearest pixel of a structure, or of anything else, may be beyond the end
                left_over = labels[tuple(plane)]
                ends = tuple(slice(s.start - p.start, s.stop - p.start) for s, p in zip((rows, columns), plane))
                seen = np.stack([signed_distance(left_over == c)[ends] for c in range(1, self.store.classes)])
            item["distances"][(slice(None), *inside)] = seen
        top, left = top - plane[0].start, left - plane[1].start
        corners = np.array([top / height, left / width, (top + side) / height, (left + side) / width])
        item["frames"] = (corners * 2 - 1).astype(np.float32)
        item["slices"] = np.array([number, index])
        return item
