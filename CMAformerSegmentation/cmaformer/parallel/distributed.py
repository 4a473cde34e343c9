"""The joint batch of several processes: each computes with its rows, and the loss is that of the whole batch.

A training with several processes gives what one process with the joint batch would give: random numbers are those of
the joint batch, and every sum of a loss is :func:`total`. Everything here does nothing in a single process.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..door.errors import EngineError
from . import processes
from .rows import Rows


def rows(size: int, multiple: int = 1) -> Rows:
    """The rows of this process in a joint batch.

    Args:
        size: of the joint batch.
        multiple: the number of rows of each process must be a multiple of this.

    Raises:
        EngineError: code ``batch-size``: the batch cannot be divided so.
    """
    count = processes.count()
    if count == 1:
        return Rows.all(size)
    if size % (count * multiple):
        more = f" with a multiple of {multiple} for each" if multiple > 1 else ""
        raise EngineError(
            "batch-size",
            f"A batch of {size} patches cannot be divided among {count} processes{more}.",
            f"Choose a --batch-size that is a multiple of {count * multiple}, or another number of processes.",
        )
    each = size // count
    return Rows(processes.number() * each, (processes.number() + 1) * each, size)


class _Total(torch.autograd.Function):
    """Sum over the processes. Its gradient is that of the sum, times their number: gradients are then averaged."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        result = x.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * processes.count()


def total(x: Tensor) -> Tensor:
    """Sum of a tensor over all processes; in a single process the tensor itself.

    Where every process computes the same loss from such sums, the average of their gradients (which is what
    DistributedDataParallel takes) is the gradient of that joint loss.
    """
    return cast(Tensor, _Total.apply(x)) if processes.several() else x  # type: ignore[no-untyped-call]


def mean(x: Tensor) -> Tensor:
    """Mean of a tensor over all processes, with gradients like :func:`total`; for means over equally many rows."""
    return total(x) / processes.count() if processes.several() else x


@torch.no_grad()
def lowest(x: Tensor) -> Tensor:
    """The lowest value of each element over all processes, without gradients."""
    result = x.detach()
    if processes.several():
        result = result.clone()
        dist.all_reduce(result, dist.ReduceOp.MIN)
    return result


@torch.no_grad()
def joint(x: Tensor) -> Tensor:
    """Rows of all processes (equally many each), in their order and without gradients."""
    if not processes.several():
        return x.detach()
    own = (x.to(torch.uint8) if x.dtype == torch.bool else x).detach().contiguous()
    parts = [torch.empty_like(own) for _ in range(processes.count())]
    dist.all_gather(parts, own)
    return torch.cat(parts).to(x.dtype)


def shared(network: nn.Module, device: torch.device) -> nn.Module:
    """The network as it is called in a training: its gradients are averaged over the processes."""
    if not processes.several():
        return network
    places = [device] if device.type == "cuda" else None
    # The network has no buffers, so nothing else is sent: it may be called twice before the gradient is computed.
    return nn.parallel.DistributedDataParallel(network, device_ids=places)


@torch.no_grad()
def average_gradients(network: nn.Module) -> None:
    """Average the gradients of a small network over the processes, where it is not wrapped by :func:`shared`."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if not processes.several() or not gradients:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= processes.count()
    for gradient, value in zip(gradients, flat.split([gradient.numel() for gradient in gradients])):
        gradient.copy_(value.view_as(gradient))
