"""Which unlabeled cases to label next.

With few labels, those that stand for many others that are not covered yet: a model that has seen little learns more
from the typical than from the odd (G. Hacohen *et al.*, *Active Learning on a Budget: Opposite Strategies Suit High and
Low Budgets*, ICML 2022; here as facility location). With more, those that the model is unsure of, and that are unlike
those labeled before (k-center; O. Sener and S. Savarese, *Active Learning for Convolutional Neural Networks: A Core-Set
Approach*, ICLR 2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..cases.case_list import Case, CaseList, CasesError
from ..cases.images import read_images
from ..images.geometry import Volume
from ..network.device import choose_device
from .network_cache import NetworkCache
from .segment import Segmentation, segment

if TYPE_CHECKING:
    from ..models.model import Model

LEAST_ML = 0.01  # what a structure counts as where it was not found
FEW_LABELS = 20  # labeled patients below which typical ones are chosen
CLEARLY = 1.0  # standard deviations by which a structure must differ before it is named as the reason


@dataclass(frozen=True)
class Look:
    """What the model says of an image: the mean of the expected Dice, the structure with the lowest, and its own.

    ``sizes`` are logarithms of the structures in ml; ``facts`` (n) hold them, too.
    """

    expected_dice: float
    least_sure: str
    least_dice: float
    sizes: np.ndarray
    facts: np.ndarray


@dataclass(frozen=True)
class Suggestion:
    """A patient to label.

    ``cases`` are the numbers of the unlabeled cases in the list, from 1; ``rank`` counts from 1. ``expected_dice`` is
    the mean over them by the model's own probabilities, ``least_sure`` the structure with the lowest, ``least_dice``,
    in the case of the patient that the model is least sure of. ``difference`` is
    the distance to the nearest labeled one in standard deviations, and ``unlike`` says what differs most: a structure,
    and whether it is larger; None where nothing differs clearly.
    """

    rank: int
    cases: tuple[int, ...]
    expected_dice: float
    least_sure: str
    least_dice: float
    difference: float
    unlike: tuple[str, bool] | None
    typical: bool = False  # chosen because it stands for others

    def reason(self) -> str:
        """In words."""
        text = "it is like many that are not labeled; " if self.typical else ""
        text += f"the model is least sure of {self.least_sure} (expected Dice {self.least_dice:.2f})"
        if self.unlike is not None:
            name, larger = self.unlike
            text += f"; {name} is {'larger' if larger else 'smaller'} than in those that are labeled"
        return text


def next_cases(
    cases: CaseList, model: Model, device: str = "auto", progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Suggestion]:
    """All patients with unlabeled cases, the one to label next first.

    Args:
        cases: labeled and unlabeled ones; others are not looked at.
        model: segments them all now.
        device: as for :func:`cmaformer.network.device.choose_device`.
        progress: called after each image with the number done and in all.

    Raises:
        CasesError: there are no unlabeled cases ("no-cases").
        ImageError: an image cannot be read.
    """
    numbered = [(number, case) for number, case in enumerate(cases.cases, 1) if case.role in ("labeled", "unlabeled")]
    if not any(case.role == "unlabeled" for _number, case in numbered):
        raise CasesError("no-cases", "The list has no unlabeled cases to choose from.", "Add images without labels.")
    where, cache = choose_device(device), NetworkCache()
    looks: list[Look] = []
    for done, (_number, case) in enumerate(numbered, 1):
        images = read_images(case, cases, model.description.input.names)
        looks.append(look_at(images, model, where, cache))
        progress(done, len(numbered))
    return ranked(numbered, looks, [structure.name for structure in model.description.classes])


def look_at(volume: Volume, model: Model, device: torch.device, cache: NetworkCache) -> Look:
    """Segment the images of a case, and keep what is needed to compare it with others."""
    result: Segmentation = segment(volume, model, device=device, network=cache.get(model, device), uncertainty=True)
    assert result.uncertainty is not None
    expected = result.uncertainty.expected_dice()
    known = [(dice, entry["name"]) for dice, entry in zip(expected, result.structures) if dice is not None]
    worst = min(known, default=(0.0, result.structures[0]["name"]))
    values = volume.array[np.isfinite(volume.array)].astype(np.float64)
    mean, deviation = float(values.mean()), float(values.std()) or 1.0
    sizes = np.log([max(LEAST_ML, entry["volume_ml"]) for entry in result.structures])
    grays = [0.0 if entry["mean"] is None else (entry["mean"] - mean) / deviation for entry in result.structures]
    extent = [math.log(count * mm) for count, mm in zip(volume.geometry.size_ijk, volume.geometry.spacing)]
    # Nothing found at all is as unsure as can be.
    mean_dice = float(np.mean([dice for dice, _name in known])) if known else 0.0
    return Look(mean_dice, worst[1], worst[0], sizes, np.r_[sizes, grays, extent])


def ranked(numbered: Sequence[tuple[int, Case]], looks: Sequence[Look], structures: Sequence[str]) -> list[Suggestion]:
    """Patients with unlabeled cases in the order in which to label them; see :func:`next_cases`.

    Args:
        numbered: cases with their numbers in the list, from 1.
        looks: of each.
        structures: names, in the order of ``sizes``.
    """
    facts = np.array([look.facts for look in looks])
    spread = facts.std(axis=0)
    facts = (facts - facts.mean(axis=0)) / np.where(spread > 1e-9, spread, np.inf)
    labeled = [place for place, (_number, case) in enumerate(numbered) if case.role == "labeled"]
    groups: dict[str, list[int]] = {}
    for place, (_number, case) in enumerate(numbered):
        if case.role == "unlabeled":
            groups.setdefault(case.patient, []).append(place)
    expected = {name: float(np.mean([looks[place].expected_dice for place in group])) for name, group in groups.items()}
    few = len({numbered[place][1].patient for place in labeled}) < FEW_LABELS
    known, left = list(labeled), dict(groups)
    apart = np.stack([np.sqrt(((facts - row) ** 2).mean(axis=1)) for row in facts])  # (cases, cases)
    found: list[Suggestion] = []
    while left:
        distances = {name: _distance(apart, group, known) for name, group in left.items()}
        unsure = _shares([1 - expected[name] for name in left])
        others = _shares(_covered(apart, left, known) if few else list(distances.values()))
        # Among few labels the doubt of a model that knows little decides only between equals.
        value = {name: share + (0.01 if few else 1.0) * doubt for name, doubt, share in zip(left, unsure, others)}
        name = max(left, key=lambda name: (value[name], -left[name][0]))
        group = left.pop(name)
        worst = min(group, key=lambda place: looks[place].expected_dice)
        unlike = _unlike(facts, worst, known, structures) if known else None
        numbers = tuple(numbered[place][0] for place in group)
        look = looks[worst]
        found.append(
            Suggestion(
                len(found) + 1, numbers, expected[name], look.least_sure, look.least_dice, distances[name], unlike, few
            )
        )
        known += group
    return found


def _covered(apart: np.ndarray, groups: Mapping[str, Sequence[int]], known: Sequence[int]) -> list[float]:
    """By how much the mean distance of all unlabeled cases to the nearest known one would fall with each group."""
    places = [place for group in groups.values() for place in group]
    apart = apart[places]
    nearest = apart[:, list(known)].min(axis=1) if known else np.full(len(places), apart.max())
    return [
        float((nearest - np.minimum(nearest, apart[:, list(group)].min(axis=1))).mean()) for group in groups.values()
    ]


def _distance(apart: np.ndarray, group: Sequence[int], known: Sequence[int]) -> float:
    """From the case of a group that is farthest from its nearest known one to that; 0 where none is known."""
    if not known:
        return 0.0
    return float(apart[np.ix_(list(group), list(known))].min(axis=1).max())


def _shares(values: Sequence[float]) -> list[float]:
    """Values as shares of their range, from 0 to 1."""
    low, high = min(values), max(values)
    return [(value - low) / (high - low) if high - low > 1e-9 else 0.0 for value in values]


def _unlike(facts: np.ndarray, place: int, known: Sequence[int], structures: Sequence[str]) -> tuple[str, bool] | None:
    """The structure whose size differs most from that in all known ones, and whether it is larger."""
    sizes = facts[:, : len(structures)]
    above = sizes[place] - sizes[list(known)].max(axis=0)
    below = sizes[list(known)].min(axis=0) - sizes[place]
    beyond = np.maximum(above, below)
    most = int(beyond.argmax())
    return (structures[most], bool(above[most] > below[most])) if beyond[most] >= CLEARLY else None
