"""What a user may choose of a training, and what the new model eats by these choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..door.errors import JobError
from ..door.input_spec import InputSpec
from ..door.slicing import SLICINGS
from ..recipes.recipe import Recipe

if TYPE_CHECKING:
    from ..models.model import Model

# Of a fresh network: batch norm learns more in the same time (Testing/benchmarks/README.md).
FRESH: dict[str, Any] = {"norm": "batch"}
# Parts that have not paid in a short time: without them a network takes 1.4 times the steps, and knows more (as above).
ATTENTION = ("transformer", "cross_attention", "channel_attention", "spatial_attention")
# Up to so many minutes a training is short.
SHORT = 120.0


def fresh(minutes: float | None) -> dict[str, Any]:
    """Settings of a fresh network that nobody has chosen, for a training of so many minutes (None: no limit).

    The attention of the paper is left out of short trainings.
    """
    short = minutes is not None and minutes <= SHORT
    return {**FRESH, **(dict.fromkeys(ATTENTION, False) if short else {})}


@dataclass(frozen=True)
class Choices:
    """What a user may choose of a training; the rest follows from the cases and from the model to start from.

    Attributes:
        size: configuration of a fresh network.
        network: settings of :class:`cmaformer.network.cmaformer.NetworkConfig` that differ from it; the others are as
            in :func:`fresh`.
        spacing_mm: (row, column) in mm of a fresh model's grid; None: the median of the labeled images.
        slicing: one of :data:`cmaformer.door.slicing.SLICINGS`; None: that of the base, or "oriented". An axial base
            can become an orthogonal model, and the other way round.
        normalization: of a fresh model; see :class:`cmaformer.images.intensity.Normalization`.
        context_slices: neighbors on each side of a fresh model.
        largest_component: values of classes of which the model's clean-up keeps the largest component alone; None:
            those classes of which the base does, by name; without a base, what the labeled cases show (see
            :mod:`cmaformer.training.anatomy`).
        together: values of classes that touch each other, of which only the largest connected part as one is kept
            before that; None likewise.
        recipe: how to train.
        seed: of weights, batches and augmentation.
        facts: title, task, modality, description and license of a fresh model.
        leave_one_out: also train without each labeled patient, to test on that one.
        minutes: a budget of time, to which the length of both phases is fitted on the computer that trains.
    """

    size: str = "small"
    network: Mapping[str, Any] | None = None
    spacing_mm: Sequence[float] | None = None
    slicing: str | None = None
    normalization: Mapping[str, Any] | None = None
    context_slices: int = 0
    largest_component: Sequence[int] | None = None
    together: Sequence[int] | None = None
    recipe: Recipe = field(default_factory=Recipe)
    seed: int = 0
    facts: Mapping[str, str] = field(default_factory=dict)
    leave_one_out: bool = False
    minutes: float | None = None

    def source(self, base: Model | None, images: Sequence[str] = ()) -> InputSpec:
        """What the new model eats as far as it is chosen; its spacing is None where the images decide.

        Args:
            base: the model to start from.
            images: names of the images of each case; empty for one.

        Raises:
            JobError: the slices of the base are cut in another direction, or it looks at other images.
        """
        if base is not None:
            given = base.description.input
            _same_images(given.names, images)
            return given.along(_slicing(given.slicing, self.slicing))
        spacing = None if self.spacing_mm is None else (float(self.spacing_mm[0]), float(self.spacing_mm[1]))
        slicing = self.slicing or InputSpec.slicing
        fresh = InputSpec.fresh(images, context_slices=self.context_slices, spacing_mm=spacing, slicing=slicing)
        if self.normalization is None:
            return fresh
        # A window in HU is meant for the CT, where one of several images is named so.
        named = [image.name.casefold() == "ct" for image in fresh.images]
        chosen = [replace(image, normalization=dict(self.normalization)) for image in fresh.images]
        kept = (new if is_ct or not any(named) else old for old, new, is_ct in zip(fresh.images, chosen, named))
        return replace(fresh, images=tuple(kept))


def _slicing(given: str, wanted: str | None) -> str:
    """The slicing of a model whose base has another: the base is compared on slices that it knows."""
    if wanted is not None and SLICINGS[wanted][0] != SLICINGS[given][0]:
        raise JobError(
            "bad-slicing",
            f"The slices of the model to start from are {given}, and cannot become {wanted}.",
            "Leave the slicing as it is, or train from scratch.",
        )
    return wanted or given


def _same_images(known: Sequence[str], given: Sequence[str]) -> None:
    """Raise JobError unless a list of cases has the images that a base model looks at, in its order."""
    if [name.casefold() for name in known] != [name.casefold() for name in given]:
        looks = f"looks at {len(known)} images of each case ({', '.join(known)})" if known else "looks at one image"
        has = f"the cases have {len(given)} ({', '.join(given)})" if given else "the cases have one"
        raise JobError(
            "other-images",
            f"The model to start from {looks}, and {has}.",
            "Give the same images in the same order, or train from scratch.",
        )
