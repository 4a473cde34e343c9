"""What labeled cases show of the shapes of structures: which are one part, and whether all of them hang together.

A model cleans up what it finds by it, and a teacher what it labels, where the user has not said how.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..data.slices import SliceStore
from ..segmenting.clean_up import clean_up

# Part of the voxels of a structure that the largest part holds in every labeled case, if it is one part.
WHOLE = 0.98
# Part of the border voxels of a structure, within slices, that lie beside another one, if they touch each other.
CONTACT = 0.1
# Labeled cases that are looked at.
MOST_CASES = 24


@dataclass(frozen=True)
class Anatomy:
    """Shapes of the structures.

    Attributes:
        single: values of the structures that are one connected part.
        together: values of all structures, if each of them touches another one and they are one part; else empty.
    """

    single: tuple[int, ...] = ()
    together: tuple[int, ...] = ()


def learned(store: SliceStore) -> Anatomy:
    """What the labeled cases of a training show, in the label maps on the model's grid."""
    values = range(1, store.classes)
    seen: set[int] = set()
    single, together = set(values), len(values) > 1
    for number in store.numbers("labeled")[:MOST_CASES]:
        labels = np.array(store.array(number, "labels"))
        counts = np.bincount(labels.ravel(), minlength=store.classes)
        present = [value for value in values if counts[value]]
        seen.update(present)
        single -= {value for value in present if _kept(labels, [value], []) < WHOLE}
        if together and len(present) > 1:
            together = _kept(labels, [], present) >= WHOLE and all(_contact(labels, v) >= CONTACT for v in present)
    return Anatomy(tuple(sorted(single & seen)), tuple(values) if together and len(seen) == len(values) else ())


def _kept(labels: np.ndarray, single: list[int], together: list[int]) -> float:
    """Part of the voxels of those structures that a clean-up keeps."""
    cleaned, values = labels.copy(), single or together
    clean_up(cleaned, single, together=together)
    return float(np.isin(cleaned, values).sum() / np.isin(labels, values).sum())


def _contact(labels: np.ndarray, value: int) -> float:
    """Part of the border of a structure within slices, (S, H, W), that lies beside another structure."""
    own = labels == value
    border = own & ~ndimage.binary_erosion(own, np.ones((1, 3, 3), bool), border_value=1)
    others = ndimage.binary_dilation((labels > 0) & ~own, np.ones((1, 3, 3), bool))
    return float((border & others).sum() / max(1, border.sum()))
