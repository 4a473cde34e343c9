"""Starting from another model: what is taken of it, and how good it was before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..door import job as jobs
from ..door.names import BASE, INITIAL
from ..network.cmaformer import CMAformer, NetworkConfig
from ..network.memory import PortionedNetwork
from .checkpoints import save_atomically
from .parameters import TrainParameters

if TYPE_CHECKING:
    from ..models.model import Model

# Layers whose outputs are classes: they mean nothing for other classes, even for as many.
HEADS = ("logits", "sdm", "deep")


@dataclass(frozen=True)
class WarmStart:
    """What was taken of a base model.

    Attributes:
        taken: number of tensors that the new network has from the base.
        left: tensors of the new network that start afresh.
        unplaced: tensors of the base that have no place in the new network.
        classes: names of the base's structures, in the order of their values.
        network: the base's configuration.
        patch: side in pixels of the patches that the base was trained on, or None.
    """

    taken: int
    left: list[str]
    unplaced: list[str]
    classes: list[str]
    network: dict[str, Any]
    patch: int | None = None

    def message(self) -> str:
        """One sentence for the user."""
        if not self.left and not self.unplaced:
            return f"All {self.taken} parts of the base model were taken."
        parts = [f"{self.taken} parts of the base model were taken."]
        if self.left:
            parts.append(f"These start afresh: {', '.join(layers(self.left))}.")
        if self.unplaced:
            parts.append(f"These parts of the base have no place: {', '.join(layers(self.unplaced))}.")
        return " ".join(parts)


def layers(tensors: Sequence[str]) -> list[str]:
    """Names of the layers that some tensors belong to, each once."""
    return list(dict.fromkeys(name.rpartition(".")[0] or name for name in tensors))


def warm_start(
    base: Model, config: NetworkConfig, classes: Sequence[str] | None = None, seed: int = 0
) -> tuple[dict[str, Tensor], WarmStart]:
    """Weights of a fresh network with all those of the base that fit, and the account of it.

    The heads start afresh where the classes, in their order, are not those of the base.

    Args:
        base: the model to start from.
        config: of the new network.
        classes: names of the new structures; None: those of the base.
        seed: of what starts afresh.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = CMAformer(config).state_dict()
    known = base.network().state_dict()
    names = [c.name for c in base.description.classes]
    other = classes is not None and _keys(classes) != _keys(names)
    left = [
        name
        for name, value in fresh.items()
        if name not in known or known[name].shape != value.shape or (other and name.split(".")[0] in HEADS)
    ]
    unplaced = [name for name in known if name not in fresh or name in left]
    state = {name: fresh[name] if name in left else known[name] for name in fresh}
    config_of_base, patch = base.network().config.to_dict(), base.description.input.patch
    account = WarmStart(len(fresh) - len(left), left, unplaced, names, config_of_base, patch)
    return state, account


def write(
    base: Model, config: NetworkConfig, classes: Sequence[str], folder: Path, seed: int
) -> tuple[dict[str, str], WarmStart]:
    """Write what a training needs of its base into its job folder.

    Returns:
        The files for the job's inputs, and the account for its parameters (:func:`dataclasses.asdict`).
    """
    state, account = warm_start(base, config, classes, seed)
    save_atomically(state, folder / INITIAL)
    inputs = {"initial": INITIAL}
    if account.left and any(common(account.classes, classes)):
        # The new network cannot tell how good the base was; the base itself goes along.
        save_atomically(base.network().state_dict(), folder / BASE)
        inputs["base"] = BASE
    return inputs, account


def common(base: Sequence[str], classes: Sequence[str]) -> list[int]:
    """The class (1.., of ``classes``) that each class of the base is, by its name; 0 where there is none."""
    places = {key: value for value, key in enumerate(_keys(classes), 1)}
    return [places.get(key, 0) for key in _keys(base)]


@dataclass(frozen=True)
class Baseline:
    """The base model of a job, to be compared on the held-out cases.

    Attributes:
        account: what was taken of it.
        classes: uint8 (C,), the job's class that each class of the base is.
        path: its weights.
    """

    account: WarmStart
    classes: np.ndarray
    path: Path

    @property
    def compared(self) -> list[int]:
        """The job's classes (1..) that the base knows too."""
        return sorted({int(value) for value in self.classes if value})

    def network(self, device: torch.device, interrupt: Callable[[], None]) -> PortionedNetwork:
        """The base's network, ready to predict."""
        network = PortionedNetwork(NetworkConfig.from_dict(self.account.network))
        network.load_state_dict(torch.load(self.path, map_location="cpu", weights_only=True))
        network.interrupt = interrupt
        placed: PortionedNetwork = network.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return placed


def of_job(job: jobs.Job) -> Baseline | None:
    """The base of a training's job; None if it starts from a fresh network (or is older than this account)."""
    parameters = TrainParameters.of(job)
    if parameters.base is None:
        return None
    account = WarmStart(**parameters.base)
    classes = np.array([0, *common(account.classes, parameters.structures)], np.uint8)
    return Baseline(account, classes, job.folder / job.inputs.get("base", INITIAL))


def account_of(job: jobs.Job) -> dict[str, Any] | None:
    """What was taken of the base, as plain JSON types; None for a fresh network."""
    baseline = of_job(job)
    if baseline is None:
        return None
    values = asdict(baseline.account)
    return {name: values[name] for name in ("taken", "left", "unplaced")}


def tell_warm_start(job: jobs.Job, events: jobs.Events) -> None:
    """Send what was taken of the base, and a warning where some of the new network starts afresh."""
    baseline = of_job(job)
    if baseline is None:
        return
    events.emit("metric", iteration=0, values={"warm_start": account_of(job)})
    if baseline.account.left:
        events.warning("warm-start", baseline.account.message())


def _keys(names: Sequence[str]) -> list[str]:
    return [" ".join(name.lower().split()) for name in names]
