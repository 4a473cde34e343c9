"""A network that is given only as many images at a time as fit into memory, and can be interrupted between them."""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..door.errors import EngineError
from .cmaformer import CMAformer, NetworkConfig, Prediction


class PortionedNetwork(CMAformer):
    """The network, which sends a batch of more than ``rows`` images through itself portion by portion.

    What a portion needs for its gradient is forgotten and computed again in the backward pass (gradient checkpointing),
    so memory holds one portion at a time, and the step takes about a third longer. The loss still sees the predictions
    of the whole batch: neither it nor its gradient changes. Summing the losses of small batches would change both,
    because Dice, constraints and contrast look across the batch.

    Attributes:
        rows: images at a time; None takes every batch whole.
        side: of the images that ``rows`` is meant for, in pixels; of smaller ones more pass at a time. None: of any.
        interrupt: called before each portion, also of the backward pass; what it raises ends the computation.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.rows: int | None = None
        self.side: int | None = None
        self.interrupt: Callable[[], None] | None = None

    def forward(self, x: Tensor, frame: Tensor | None = None) -> Prediction:
        """Predict a batch of slices; see :meth:`cmaformer.network.cmaformer.CMAformer.forward`."""
        if self.rows is None:
            return self._portion(x, frame)
        rows = self.rows * max(1, self.side**2 // (x.shape[2] * x.shape[3])) if self.side else self.rows
        if len(x) <= rows:
            return self._portion(x, frame)
        portions = [
            self._forgetful(x[start : start + rows], None if frame is None else frame[start : start + rows])
            for start in range(0, len(x), rows)
        ]
        deep = tuple(torch.cat(maps) for maps in zip(*(portion.deep for portion in portions)))
        return Prediction(torch.cat([p.logits for p in portions]), torch.cat([p.sdm for p in portions]), deep)

    def _forgetful(self, x: Tensor, frame: Tensor | None) -> Prediction:
        if not torch.is_grad_enabled():
            return self._portion(x, frame)
        # Nothing in the network is random, so no state of a random generator needs to be kept.
        prediction: Prediction = checkpoint(self._portion, x, frame, use_reentrant=False, preserve_rng_state=False)
        return prediction

    def _portion(self, x: Tensor, frame: Tensor | None) -> Prediction:
        if self.interrupt is not None:
            self.interrupt()
        return super().forward(x, frame)


def not_even_one(device: torch.device) -> EngineError:
    """The error of a training of which not even one patch at a time fits into memory."""
    where = "this computer" if device.type == "cpu" else "the graphics card"
    other = "close other programs" if device.type == "cpu" else "close other programs that use it, or train on the CPU"
    return EngineError(
        "out-of-memory",
        f"The memory of {where} is not sufficient, not even for one patch at a time.",
        f"Choose a smaller patch or network, or {other}.",
    )


def not_together() -> EngineError:
    """The error of one of several processes whose memory is not sufficient for its part of the batch."""
    return EngineError(
        "out-of-memory",
        "The memory is not sufficient for the patches that each process has at a time.",
        "Resume with more processes, or start again with a smaller --batch-size or --patch.",
    )


def peak_mb(device: torch.device) -> float | None:
    """Most memory used so far, in MiB: of the GPU by this process, or of the process itself; None if unknown."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_reserved(device)) / 2**20
    if device.type == "mps":
        return float(torch.mps.driver_allocated_memory()) / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on a Mac, KiB elsewhere
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
