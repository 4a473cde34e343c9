"""How a training is run: sizes, schedule, optimizer, weights of the objective (Eq. 5). Stored in the job."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..door.errors import JobError
from .augmentation import Augmentation
from .objectives import SOLVERS, ConstraintSettings, ContrastSettings

if TYPE_CHECKING:
    from ..models.model import Model

# Windows are larger than patches, so that rotated and shrunken patches find an image in their corners.
WINDOW = 1.5
CONSTRAINTS = ("none", *SOLVERS)
OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("cosine", "poly")
TEACHINGS = ("volumes", "patches")
# Learning rate of a training that starts from a model, as a part of that from scratch, where nobody asks for another.
WARM_START = 0.25
# Part of the patches that is mirrored where a training starts from a model that knows mirror images.
MIRRORED = 0.5
# Length of the second phase as a part of the first, where there are unlabeled cases and nobody asks for another.
SECOND_PHASE = 0.5
# Exponent of the polynomial schedule.
POLY = 0.9
# Steps of a warm-up, at least.
FEWEST_WARM = 25


@dataclass(frozen=True)
class Recipe:
    """Settings of a training.

    Attributes:
        iterations: optimizer steps of the supervised phase.
        semi_iterations: steps of the semi-supervised phase that follows where there are unlabeled cases.
        batch_size: labeled patches a step, and as many unlabeled ones in the second phase.
        patch: side of the square patches in pixels of the model's grid; a multiple of 32 wastes nothing.
        centered: part of the patches centered on a structure drawn with equal chances.
        whole: learn from whole slices: patches lie in the middle of a slice that is not larger, and those on a
            structure show a slice that has it. The patch is then the side of the largest slice.
        coarse: part of the first phase in which patches have half the resolution, and are four times as many.
        optimizer: "adamw", or "sgd" with Nesterov momentum.
        momentum: of SGD.
        schedule: how the learning rate falls after the warm-up: "cosine", down to a hundredth, or "poly", with
            (1 - t/T)^0.9 towards 0.
        learning_rate: the highest.
        transformer_rate: learning rate of the transformer as a part of it. At the full rate that convolutions like, the
            transformer learns slowly at first, and may diverge.
        weight_decay: on weights only (not on norms, biases and gains).
        warm_up: part of the iterations during which the learning rate rises, 25 at least; 0 for no rise.
        clip: largest norm of the gradient.
        ema: decay of the teacher's exponential moving average.
        supervised_weight: lambda of Eq. (5), of the mean squared errors.
        consistency_weight: gamma of Eq. (5), of Eq. (2) on labeled slices.
        alpha: weight of the cross-entropy in Eq. (2).
        unlabeled_weight: gamma of Eq. (5), of Eq. (2) on pixels that the teacher has labeled.
        joint: the sums of Eq. (2) run over labeled pixels and those that the teacher has labeled together, the latter
            with their weight. Else they are two terms: with few patches a step, the one of the unlabeled patches is
            mostly about structures that are hardly there.
        ramp_up: part of the second phase in which the unlabeled terms gain their weight, exp(-5 (1 - t/T)^2).
        paste: largest side of the copy-paste box as a part of the patch; 0 pastes nothing.
        confidence: lowest probability at which the teacher's label of a pixel is taught.
        teaching: how the teacher labels unlabeled pixels: "volumes" now and then, as a whole and cleaned up (recipe B,
            for processors), or "patches", anew at every step (a mean teacher).
        look_every: iterations of the second phase between two looks of the teacher at unlabeled slices. With "volumes"
            it labels them, 0 for once only; with "patches" it looks for structures, on which windows are then centered,
            balanced over the classes, and 0 draws unlabeled windows anywhere. A training by minutes looks as often as
            a fifth of the time of its second phase allows.
        look_slices: slices at each look; volumes that wait longest come first, the others keep their labels.
        constraint: solver of the constraints of Eq. (3): "none", "alm", "penalty" or "log-barrier".
        constraint_weight: weight of Eq. (3).
        contrast_weight: beta of Eq. (5), of Eq. (4); 0 leaves it out.
        constraint_settings: see :class:`cmaformer.recipes.objectives.ConstraintSettings`; its solver is ``constraint``.
        contrast_settings: see :class:`cmaformer.recipes.objectives.ContrastSettings`.
        deep_weight: weight of the deep supervision, where the network has it.
        evaluate_every: iterations between two looks at the held-out cases; 0 looks at the end only.
        checkpoint_every: iterations between two checkpoints.
        augmentation: see :class:`cmaformer.recipes.augmentation.Augmentation`.
    """

    iterations: int = 6000
    semi_iterations: int = 0
    batch_size: int = 4
    patch: int = 128
    centered: float = 0.67
    whole: bool = False
    coarse: float = 0.0
    optimizer: str = "adamw"
    momentum: float = 0.9
    schedule: str = "cosine"
    learning_rate: float = 2e-3
    transformer_rate: float = 0.25
    weight_decay: float = 0.01
    warm_up: float = 0.05
    clip: float = 1.0
    ema: float = 0.99
    supervised_weight: float = 1.0
    consistency_weight: float = 1.0
    alpha: float = 0.3
    unlabeled_weight: float = 1.0
    joint: bool = True
    ramp_up: float = 0.1
    paste: float = 0.0
    confidence: float = 0.0
    teaching: str = "volumes"
    look_every: int = 500
    look_slices: int = 400
    constraint: str = "none"
    constraint_weight: float = 0.1
    contrast_weight: float = 0.0
    constraint_settings: ConstraintSettings = field(default_factory=ConstraintSettings)
    contrast_settings: ContrastSettings = field(default_factory=ContrastSettings)
    deep_weight: float = 0.3
    evaluate_every: int = 500
    checkpoint_every: int = 100
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if self.iterations < 1 or self.batch_size < 1 or self.patch < 32:
            raise ValueError("a training needs at least 1 iteration, 1 patch a batch and patches of 32 pixels")
        if not 0 < self.learning_rate < 1 or not 0 <= self.ema < 1:
            raise ValueError("learning_rate must lie in (0, 1) and ema in [0, 1)")
        if not 0 <= self.transformer_rate <= 1:
            raise ValueError("transformer_rate must lie in [0, 1]")
        if self.constraint not in CONSTRAINTS:
            raise ValueError(f"constraint must be one of {', '.join(CONSTRAINTS)}, not {self.constraint!r}")
        if self.optimizer not in OPTIMIZERS or self.schedule not in SCHEDULES:
            raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, schedule of {', '.join(SCHEDULES)}")
        if self.teaching not in TEACHINGS:
            raise ValueError(f"teaching must be one of {', '.join(TEACHINGS)}, not {self.teaching!r}")
        if not 0 <= self.coarse <= 1:
            raise ValueError("coarse must lie in [0, 1]")
        if not 0 <= self.momentum < 1:
            raise ValueError("momentum must lie in [0, 1)")
        if self.semi_iterations < 0 or not 0 <= self.paste <= 1:
            raise ValueError("semi_iterations must not be negative, and paste must lie in [0, 1]")

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """The recipe back from :meth:`to_dict`. Raises ValueError for unknown or impossible entries.

        Jobs and recipes of before the American spelling have "centred".
        """
        values = {"centered" if name == "centred" else name: value for name, value in values.items()}
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"unknown training settings: {', '.join(unknown)}")
        entries = dict(values)
        try:
            if isinstance(entries.get("augmentation"), Mapping):
                augmentation = dict(entries["augmentation"])
                augmentation["zoom"] = tuple(augmentation.get("zoom", Augmentation.zoom))
                entries["augmentation"] = Augmentation(**augmentation)
            for name, kind in (("constraint_settings", ConstraintSettings), ("contrast_settings", ContrastSettings)):
                if isinstance(entries.get(name), Mapping):
                    entries[name] = kind(**entries[name])
            return cls(**entries)
        except TypeError as error:
            raise ValueError(f"training settings of the wrong type: {error}") from None

    def with_overrides(self, values: Mapping[str, Any]) -> Recipe:
        """The recipe with those entries replaced that are not None."""
        return replace(self, **{key: value for key, value in values.items() if value is not None})

    @property
    def window(self) -> int:
        """Side of the windows out of which patches are cut, in pixels of the model's grid."""
        if self.whole:
            return self.patch  # beyond a slice there is nothing
        return 2 * round(self.patch * WINDOW / 2)

    def rate(self, iteration: int) -> float:
        """Learning rate of an iteration (from 0): a linear warm-up, then a fall over both phases.

        One schedule over both: the teacher is an average and needs no low rate before it begins to teach.
        """
        length = self.iterations + self.semi_iterations
        # Never only a few steps: the first ones of AdamW are as long as the rate, and would undo a model to start from.
        warm = max(FEWEST_WARM, round(self.warm_up * length)) if self.warm_up else 0
        if iteration < warm:
            return self.learning_rate * (iteration + 1) / warm
        return self._falling((iteration - warm) / max(1, length - warm))

    def rate_at(self, share: float, iteration: int) -> float:
        """Learning rate where a share of the time of the training is gone, before an iteration (from 0)."""
        if self.warm_up:
            warm = min((iteration + 1) / FEWEST_WARM, max(share / self.warm_up, 1 / FEWEST_WARM))
            if warm < 1:
                return self.learning_rate * warm
        return self._falling(max(0.0, share - self.warm_up) / max(1e-9, 1 - self.warm_up))

    def _falling(self, done: float) -> float:
        """Learning rate where a part of the time after the warm-up is done."""
        if self.schedule == "poly":
            return self.learning_rate * max(0.0, 1 - done) ** POLY
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))

    def unlabeled_ramp(self, iteration: int) -> float:
        """w(t) of an iteration of the second phase: rises from exp(-5) to 1."""
        return self._rising((iteration - self.iterations) / max(1.0, self.ramp_up * self.semi_iterations))

    def ramp_at(self, share: float) -> float:
        """w(t) where a share of the time of the second phase is gone."""
        return self._rising(share / max(1e-9, self.ramp_up))

    def _rising(self, done: float) -> float:
        return math.exp(-5 * (1 - min(1.0, max(0.0, done))) ** 2)


def settings_of(path: Path | None) -> dict[str, Any]:
    """The settings in a JSON file; none for None.

    Raises:
        JobError: it cannot be read, or is no JSON object.
    """
    if path is None:
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError) as error:
        raise unusable(error) from None


def changed(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe with some settings changed; of the augmentation, those that are named.

    Raises:
        JobError: they are unknown or impossible.
    """
    try:
        return Recipe.from_dict(_merged(recipe.to_dict(), settings))
    except (TypeError, ValueError) as error:
        raise unusable(error) from None


def configured(recipe: Recipe, settings: Mapping[str, Any], base: Model | None) -> Recipe:
    """The recipe of a training with some settings changed.

    Where it starts from a model, what the settings do not say is chosen so that the model is not lost: a lower rate,
    patches of the size that it has seen (with smaller ones it looks at images in a way that it has not learned), and
    mirrored patches where it has seen those.

    Args:
        recipe: for a training from scratch.
        settings: changes.
        base: the model to start from.

    Raises:
        JobError: the settings are unknown or impossible.
    """
    careful: dict[str, Any] = {}
    if base is not None:
        careful["learning_rate"] = WARM_START * recipe.learning_rate
        learned = base.description.input.patch or base.description.training.get("patch")
        if isinstance(learned, int) and learned >= 32:
            careful["patch"] = learned
        if base.description.input.mirror:
            careful["augmentation"] = {"flip": MIRRORED}
    return changed(recipe, _merged(careful, settings))


def _merged(values: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Values with some replaced, within those that have parts as well."""
    return {
        **values,
        **{
            name: _merged(values[name], value)
            if isinstance(value, Mapping) and isinstance(values.get(name), Mapping)
            else value
            for name, value in settings.items()
        },
    }


def unusable(error: Exception) -> JobError:
    """The error of settings that cannot be used."""
    return JobError("bad-recipe", f"The settings of the training cannot be used: {error}.")
