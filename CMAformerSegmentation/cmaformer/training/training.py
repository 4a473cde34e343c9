"""What the parts of a training see of it."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ..data.slices import SliceStore
from ..door.job import Events, Job
from ..door.watcher import Watcher
from ..recipes.recipe import Recipe
from .anatomy import Anatomy
from .schedule import Schedule
from .state import TrainingState

# Separate random streams of one iteration.
LABELED, UNLABELED, MIXING, ANCHORS, LOOKING = 1, 2, 3, 4, 5


class Training(Protocol):
    """A training, for its phases, its teaching and its validation.

    Attributes:
        context: neighboring slices on each side that are channels of the network.
        window: side in pixels of the windows through which slices are looked at; None for whole slices.
        beta: weights of the classes in Eq. (2), (C - 1,).
        watcher: may stop it, also within an iteration.
    """

    job: Job
    events: Events
    recipe: Recipe
    store: SliceStore
    seed: int
    context: int
    window: int | None
    device: torch.device
    beta: Tensor
    state: TrainingState
    schedule: Schedule
    watcher: Watcher

    @property
    def anatomy(self) -> Anatomy:
        """What the labeled cases show of the shapes of structures."""
