"""A network applied to whole slices through windows of the size that it was trained on.

Group norms, channel attention and pooled keys look at the whole input, so a network trained on patches sees something
new in a slice three times as large: on the cardiac validation patients its Dice is 3 to 8 points lower there than in
overlapping windows (Testing/benchmarks/README.md).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .cmaformer import Prediction

# Slices up to this times the patch are taken whole; larger ones in windows that overlap by half or more.
TOLERATED = 1.1


def predict(network: Any, images: Tensor, patch: int | None, wanted: tuple[slice, slice] | None = None) -> Prediction:
    """What a network says of whole slices.

    Args:
        network: maps (B, Cin, h, w) and frames (B, 4) to a :class:`cmaformer.network.cmaformer.Prediction`.
        images: (B, Cin, H, W), normalized.
        patch: side in pixels of the patches that the network was trained on; None applies it to the slices as they are.
        wanted: rows and columns whose answer is needed, (start, stop) each; windows that do not touch them are left
            out. In them the answer is that of whole slices, elsewhere it means nothing.

    Returns:
        Prediction: logits (B, C, H, W), of blended windows the logarithm of the mean probabilities, and sdm
        (B, C-1, H, W), likewise a mean; windows count less towards their borders. ``deep`` is empty for windows.
    """
    if patch is None:
        prediction: Prediction = network(images)
        return prediction
    height, width = images.shape[2:]
    # Smaller slices get a border of the mean intensity, as patches have where slices end.
    missing = [max(0, patch - side) for side in (height, width)]
    top, left = missing[0] // 2, missing[1] // 2
    if any(missing):
        images = F.pad(images, (left, missing[1] - left, top, missing[0] - top))
    rows, columns = (starts(side, patch) for side in images.shape[2:])
    sides = tuple(side if len(at) == 1 else patch for side, at in zip(images.shape[2:], (rows, columns)))
    if len(rows) == len(columns) == 1:
        whole = network(images, _frame(images, 0, 0, images.shape[2:], (top, left), (height, width)))
        crop = (..., slice(top, top + height), slice(left, left + width))
        return Prediction(whole.logits[crop], whole.sdm[crop], ())
    weights = _tent(sides[0], images)[:, None] * _tent(sides[1], images)
    probabilities: Tensor | None = None
    needed = [_touching(*pair) for pair in zip((rows, columns), sides, wanted or (None, None), (top, left))]
    for row in needed[0]:
        for column in needed[1]:
            place = (..., slice(row, row + sides[0]), slice(column, column + sides[1]))
            part = images[place].contiguous(memory_format=torch.channels_last)
            one = network(part, _frame(images, row, column, sides, (top, left), (height, width)))
            opinion, sdm = one.logits.float().softmax(1), one.sdm.float()
            if probabilities is None:
                shape = images.shape[2:]
                probabilities = opinion.new_zeros(len(images), opinion.shape[1], *shape)
                distances = sdm.new_zeros(len(images), sdm.shape[1], *shape)
                total = opinion.new_zeros(shape)
            probabilities[place] += opinion * weights
            distances[place] += sdm * weights
            total[place] += weights
    assert probabilities is not None
    total = total.masked_fill(total == 0, 1)
    crop = (..., slice(top, top + height), slice(left, left + width))
    logits = (probabilities / total).clamp_min(1e-7).log()
    return Prediction(logits[crop], (distances / total)[crop], ())


def starts(side: int, patch: int) -> list[int]:
    """Where windows of ``patch`` pixels begin on a side of that many pixels, evenly spaced: [0] if one window does."""
    if side <= TOLERATED * patch:
        return [0]
    count = 1 + -(-2 * (side - patch) // patch)
    return [round(number * (side - patch) / (count - 1)) for number in range(count)]


def _touching(at: list[int], side: int, wanted: slice | None, border: int) -> list[int]:
    """The windows, of those that begin at these pixels, that have a part in the wanted ones of the slice."""
    if wanted is None:
        return at
    first, end = wanted.start + border, wanted.stop + border
    return [start for start in at if start < end and start + side > first]


def _tent(side: int, like: Tensor) -> Tensor:
    """Weights that fall from the middle to the borders, and stay positive: (side,)."""
    place = torch.arange(side, device=like.device, dtype=torch.float32)
    return torch.minimum(place + 1, side - place) / side


def _frame(images: Tensor, row: int, column: int, sides: Any, border: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """(B, 4): top, left, bottom, right of a window in slice coordinates, [-1, 1] from border to border of the slice."""
    y, x = row - border[0], column - border[1]
    (height, width), (tall, wide) = size, sides
    corners = [y / height, x / width, (y + tall) / height, (x + wide) / width]
    return images.new_tensor([[2 * corner - 1 for corner in corners]]).expand(len(images), 4)
