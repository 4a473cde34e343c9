"""What a training's job says of it: the ``parameters`` of its ``job.json``, read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..door.errors import JobError
from ..door.input_spec import InputSpec
from ..door.job import Job
from ..recipes.recipe import Recipe


@dataclass(frozen=True)
class TrainParameters:
    """A training as it was planned.

    Attributes:
        recipe: how to train; a budget of time may still change its length.
        network: of :class:`cmaformer.network.cmaformer.NetworkConfig`.
        description: the new ``model.json`` as far as it is known before the training.
        input: what the network eats, as the description says.
        minutes: a budget of time; None: as long as the recipe says.
        learn_clean_up: whether the labeled cases decide the clean-up of the model.
        base: the account of what was taken of a base model (:class:`cmaformer.training.warm_start.WarmStart`), or None.
        folds: of a leave-one-out evaluation; empty without.
    """

    recipe: Recipe
    network: Mapping[str, Any]
    description: Mapping[str, Any]
    input: InputSpec
    minutes: float | None = None
    learn_clean_up: bool = False
    base: Mapping[str, Any] | None = None
    folds: Sequence[Mapping[str, list[int]]] = ()

    @property
    def structures(self) -> list[str]:
        """Names of the classes, in the order of their values."""
        return [entry["name"] for entry in self.description["classes"]]

    @classmethod
    def of(cls, job: Job) -> TrainParameters:
        """The parameters of a job.

        Raises:
            JobError: it holds none of a training.
            ModelError: the input of the new model is none.
        """
        entries = job.parameters
        try:
            description = entries["description"]
            return cls(
                Recipe.from_dict(entries["recipe"]),
                entries["network"],
                description,
                InputSpec.of(description["input"]),
                entries.get("minutes"),
                bool(entries.get("learn_clean_up")),
                entries.get("base"),
                tuple(entries.get("leave_one_out") or ()),
            )
        except (KeyError, TypeError, AttributeError):
            raise JobError("bad-job", "job.json does not describe a training.", "Start the training anew.") from None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; :meth:`of` reads them."""
        content: dict[str, Any] = {
            "recipe": self.recipe.to_dict(),
            "network": dict(self.network),
            "context_slices": self.input.context_slices,  # versions before this one read it
            "description": dict(self.description),
        }
        if self.minutes is not None:
            content["minutes"] = self.minutes
        if self.learn_clean_up:
            content["learn_clean_up"] = True
        if self.base is not None:
            content["base"] = dict(self.base)
        if self.folds:
            content["leave_one_out"] = [dict(fold) for fold in self.folds]
        return content
