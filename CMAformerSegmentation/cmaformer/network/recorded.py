"""The student on a graphics card as recorded CUDA graphs: one launch for some hundred small kernels.

A step of a small network takes longer to be described to the card than to be computed there. A recorded graph has the
same kernels in the same order; only the launching goes. It is recorded for each size of a batch.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import cast

import torch
from torch import Tensor, nn

from .cmaformer import Prediction
from .device import autocast, is_out_of_memory, release
from .memory import PortionedNetwork

# Recorded sizes of a batch at most: each of them keeps the memory that it needs.
SIZES = 3


class _Call(nn.Module):
    """A module of its own for each size: recording replaces the ``forward`` of the module that it is given."""

    def __init__(self, network: PortionedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, frames: Tensor) -> Prediction:
        return cast(Prediction, self.network(images, frames))


class RecordedNetwork:
    """Calls a network through recorded graphs where that is possible, and as it is where it is not.

    Before the backward pass a batch of each size may pass once: a second one would take the place of what the first
    one left for its gradient.

    Args:
        network: on a CUDA device, in training mode when it is called for its gradient.
        device: that device.
    """

    def __init__(self, network: PortionedNetwork, device: torch.device) -> None:
        self.network, self.device = network, device
        self._recorded: dict[tuple[int, ...], _Call | None] = {}

    def __call__(self, images: Tensor, frames: Tensor) -> Prediction:
        """Predict a batch: images (B, Cin, P, P), frames (B, 4)."""
        key = tuple(images.shape)
        rows = self.network.rows
        small = rows is None or len(images) <= rows
        if not (self.network.training and torch.is_grad_enabled() and small):
            return cast(Prediction, self.network(images, frames))
        if key not in self._recorded and len(self._recorded) < SIZES:
            self._recorded[key] = self._record(images, frames)
        graph = self._recorded.get(key)
        return cast(Prediction, (graph or self.network)(images, frames))

    def forget(self) -> None:
        """Give the memory of what is recorded back; the sizes that come are recorded anew."""
        self._recorded = {}

    def records(self, images: Tensor) -> bool:
        """Whether batches of this size go through a recorded graph."""
        return self._recorded.get(tuple(images.shape)) is not None

    def _record(self, images: Tensor, frames: Tensor) -> _Call | None:
        """The graph of batches of this size; None where it cannot be recorded. Running statistics stay as they are."""
        statistics = [buffer.clone() for buffer in self.network.buffers()]
        call = _Call(self.network)
        card = torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext()
        try:
            # Weights that were cast once and kept would be those of the recording for ever.
            with card, autocast(self.device, cache_enabled=False):
                torch.cuda.make_graphed_callables(call, (images.clone(), frames.clone()), allow_unused_input=True)
        except RuntimeError as error:
            if is_out_of_memory(error):
                release(self.device)
            return None
        finally:
            with torch.no_grad():
                for buffer, before in zip(self.network.buffers(), statistics):
                    buffer.copy_(before)
        return call
