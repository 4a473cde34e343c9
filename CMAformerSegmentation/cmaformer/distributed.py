"""Several processes train one model, each on its rows of the joint batch; ``torchrun`` starts them.

Everything here does nothing in a single process. With more, a training gives what one process with the joint batch
would give: random numbers are those of the joint batch, losses are joint (:func:`total`), and so is every decision.
The first process alone writes to the job folder.

Tensors go through the default group, NCCL on GPUs and Gloo on processors. Everything else (results of the first
process, the request to stop, the Dice of held-out cases) goes through a second group, which waits as long as it takes.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .errors import EngineError
from .rows import Rows

T = TypeVar("T")
# How long a process waits for the others within a step, and for the first process where that prepares slices.
STEP, WORK = timedelta(minutes=30), timedelta(hours=48)
# How long a process that failed waits to see whether all failed alike.
LEAVING_S = 5.0
FAILURE, ENDING = "failure", "ending"


class _Session:
    """What this process knows of the others; there is one session at most."""

    def __init__(self, store: dist.Store, control: dist.ProcessGroup) -> None:
        self.store, self.control = store, control


_session: _Session | None = None


def several() -> bool:
    """Whether other processes train along."""
    return _session is not None


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if several() else 0


def processes() -> int:
    """How many processes train one model."""
    return dist.get_world_size() if several() else 1


def is_first() -> bool:
    """Whether this process is the one that writes to the job folder."""
    return rank() == 0


# --- the joint batch --------------------------------------------------------------------------------------------------


def rows(size: int, multiple: int = 1) -> Rows:
    """The rows of this process in a joint batch.

    Args:
        size: of the joint batch.
        multiple: the rows of each process must be a multiple of this.

    Raises:
        EngineError: code ``batch-size``: the batch cannot be divided so.
    """
    count = processes()
    if several() and size % (count * multiple):
        least = count * multiple
        raise EngineError(
            "batch-size",
            f"A batch of {size} patches cannot be shared by {count} processes"
            + (f" with a multiple of {multiple} for each." if multiple > 1 else "."),
            f"Choose a --batch-size that is a multiple of {least}, or another number of processes.",
        )
    each = size // count
    return Rows(rank() * each, (rank() + 1) * each, size)


class _Total(torch.autograd.Function):
    """Sum over the processes. Its gradient is that of the sum, times their number: gradients are then averaged."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        result = x.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * processes()


def total(x: Tensor) -> Tensor:
    """Sum of a tensor over all processes; in a single process the tensor itself.

    Where every process computes the same loss from such sums, the average of their gradients (which is what
    DistributedDataParallel takes) is the gradient of that joint loss.
    """
    return cast(Tensor, _Total.apply(x)) if several() else x


def mean(x: Tensor) -> Tensor:
    """Mean of a tensor over all processes, with gradients like :func:`total`; for means over equally many rows."""
    return total(x) / processes() if several() else x


@torch.no_grad()
def lowest(x: Tensor) -> Tensor:
    """The lowest value of each element over all processes, without gradients."""
    result = x.detach()
    if several():
        result = result.clone()
        dist.all_reduce(result, dist.ReduceOp.MIN)
    return result


@torch.no_grad()
def joint(x: Tensor) -> Tensor:
    """Rows of all processes (equally many each), in their order and without gradients."""
    if not several():
        return x.detach()
    own = (x.to(torch.uint8) if x.dtype == torch.bool else x).detach().contiguous()
    parts = [torch.empty_like(own) for _ in range(processes())]
    dist.all_gather(parts, own)
    return torch.cat(parts).to(x.dtype)


def shared(network: nn.Module, device: torch.device) -> nn.Module:
    """The network as it is called in a training: its gradients are averaged over the processes."""
    if not several():
        return network
    places = [device] if device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(network, device_ids=places, broadcast_buffers=False)


@torch.no_grad()
def average_gradients(network: nn.Module) -> None:
    """Average the gradients of a small network that is part of the loss, outside :func:`shared`."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if not several() or not gradients:
        return
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= processes()
    for gradient, value in zip(gradients, flat.split([g.numel() for g in gradients])):
        gradient.copy_(value.view_as(gradient))


# --- decisions --------------------------------------------------------------------------------------------------------


def first(function: Callable[[], T]) -> T:
    """What the function returns in the first process, for all of them; the others wait.

    Raises:
        EngineError: whatever the first process raised of this kind, in every process.
    """
    if _session is None:
        return function()
    outcome: list[Any] = [None]
    problem: BaseException | None = None
    if is_first():
        try:
            outcome = [(True, function())]
        except Exception as error:
            problem = error
            known = isinstance(error, EngineError)
            outcome = [(False, error if known else EngineError("first-process", "The first process has failed."))]
    dist.broadcast_object_list(outcome, 0, _session.control)
    if problem is not None:
        raise problem
    fine, value = outcome[0]
    if not fine:
        raise value
    return cast(T, value)


def agreed(flag: bool) -> bool:
    """The flag of the first process."""
    if _session is None:
        return flag
    value = torch.tensor(int(flag))
    dist.broadcast(value, 0, _session.control)
    return bool(value)


def collected(value: T) -> list[T]:
    """The values of all processes, in their order."""
    if _session is None:
        return [value]
    values: list[Any] = [None] * processes()
    dist.all_gather_object(values, value, _session.control)
    return values


# --- beginning and end ------------------------------------------------------------------------------------------------


@contextmanager
def session(device: str = "auto") -> Iterator[str]:
    """Join the other processes, if ``torchrun`` started this one with others; gives the device to use.

    A session within a session does nothing.

    Raises:
        EngineError: this computer has fewer GPUs than processes, or the device cannot be shared.
    """
    global _session
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count < 2 or several() or not {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= set(os.environ):
        yield device
        return
    device = _device(device)
    backend = "nccl" if device.startswith("cuda") else "gloo"
    if backend == "nccl":
        torch.cuda.set_device(torch.device(device))
    store, number, count = next(dist.rendezvous("env://", timeout=STEP))
    groups = dist.PrefixStore("groups", store)
    dist.init_process_group(backend, store=groups, rank=number, world_size=count, timeout=STEP)
    control = dist.new_group(backend="gloo", timeout=WORK)
    _session = _Session(dist.PrefixStore("training", store), control)
    try:
        yield device
        dist.barrier(control)
        dist.destroy_process_group()
    except BaseException:
        # The groups are left to the end of the process: another one may be waiting in them, which must notice.
        _leave()
        raise
    finally:
        _session = None


def _device(name: str) -> str:
    """The device of this process: the GPU with its number on this computer, or the processor."""
    number = int(os.environ.get("LOCAL_RANK", "0"))
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "mps":
        raise EngineError("bad-device", "Several processes cannot share Apple's GPU.", "Train with one process.")
    if name != "cuda":
        return name
    if number >= torch.cuda.device_count():
        raise EngineError(
            "no-device",
            f"This computer has {torch.cuda.device_count()} GPUs that PyTorch can use, fewer than processes.",
            "Start as many processes as there are GPUs, or train with --device cpu.",
        )
    return f"cuda:{number}"


def _leave() -> bool:
    """After an error: the first process says that it ends, the others wait for it, because torchrun ends all with one.

    Returns whether the first process ends, too.
    """
    if is_first():
        _ask(lambda store: store.set(ENDING, "1"))
        return True
    until = time.monotonic() + LEAVING_S
    while time.monotonic() < until:
        if _ask(lambda store: store.check([ENDING])):
            return True
        time.sleep(0.05)
    return False


def fails_alone(error: EngineError) -> bool:
    """Whether this process, not the first, fails while the first does not: then it must tell the error itself."""
    if _session is None or is_first():
        return False
    _ask(lambda store: store.set(FAILURE, json.dumps([error.code, error.message, error.hint])))
    return not _leave()


def failure_elsewhere(error: BaseException) -> EngineError | None:
    """Why the first process was interrupted, if another one failed: the error that it has told, or that it is lost."""
    if _session is None or not is_first():
        return None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun ends the others, and this is to be told first
    if _ask(lambda store: store.check([FAILURE])):
        told = _ask(lambda store: store.get(FAILURE))
        return EngineError(*json.loads(told)) if told else None
    words = ("connection", "gloo", "nccl", "peer", "timed out")
    if isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words):
        return EngineError(
            "process-lost",
            "Another process of this training has ended or does not answer.",
            "Look at its messages; --resume goes on from the last checkpoint.",
        )
    return None


def _ask(question: Callable[[dist.Store], T]) -> T | None:
    """An answer of the store, None where it has gone."""
    assert _session is not None
    try:
        return question(_session.store)
    except RuntimeError:
        return None
