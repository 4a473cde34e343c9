"""Several processes that do one training: how they begin, agree, and end; ``torchrun`` starts them.

Everything here does nothing in a single process. The first process alone writes to the job folder, and every decision
that could differ is its. What is decided goes through a group of its own, which waits as long as the work of the first
process takes; the tensors of a step go through the default group (see ``distributed.py``).
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
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
import torch.distributed as dist

from ..door.errors import CancelledError, EngineError
from .launcher import own_place

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

T = TypeVar("T")
# How long a process waits for the others within a step, and for the first process where that prepares slices.
STEP, WORK = timedelta(minutes=30), timedelta(hours=48)
# How long a process that has failed waits to see whether the first one has, too.
LEAVING_S = 5.0
# What processes tell each other when they fail.
FAILURE, ENDING = "failure", "ending"
PROCESS_LOST = "process-lost"
# Words of the errors that a process gets when another one is gone.
LOST = ("connection", "gloo", "nccl", "peer", "timed out", "socket")


class _Session:
    """What this process knows of the others; there is one session at most."""

    def __init__(self, store: Store, control: dist.ProcessGroup) -> None:
        self.store, self.control = store, control

    def ask(self, question: Callable[[Store], T]) -> T | None:
        """An answer of the store, None where it has gone."""
        try:
            return question(self.store)
        except RuntimeError:
            return None


_session: _Session | None = None


def several() -> bool:
    """Whether other processes do the same training."""
    return _session is not None


def number() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if several() else 0


def count() -> int:
    """How many processes do the training."""
    return dist.get_world_size() if several() else 1


def is_rank_zero() -> bool:
    """Whether this process is the one that writes to the job folder."""
    return number() == 0


# --- decisions --------------------------------------------------------------------------------------------------------


def on_rank_zero(function: Callable[[], T]) -> T:
    """What the function returns in the first process, for all of them; the others wait.

    Raises:
        EngineError: whatever the first process raised of this kind, in every process; other errors of the first
            process are such an error (code ``first-process``) in the others.
    """
    if _session is None:
        return function()
    outcome: list[Any] = [None]
    problem: Exception | None = None
    if is_rank_zero():
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
    values: list[Any] = [None] * count()
    dist.all_gather_object(values, value, _session.control)
    return values


# --- beginning and end ------------------------------------------------------------------------------------------------


@contextmanager
def session(device: str = "auto") -> Iterator[str]:
    """Join the other processes, if ``torchrun`` started this one with others; gives the device to use.

    A session within a session does nothing. Where the first process ends with an error, the others end without a word
    (SystemExit): it tells.

    Raises:
        EngineError: this computer has fewer GPUs than processes, or they cannot share the device.
    """
    global _session
    if own_place()[1] < 2 or several():
        yield device
        return
    device = local_device(device)
    if device.startswith("cuda"):
        torch.cuda.set_device(torch.device(device))
    # Not at the top: a build of PyTorch without these trains in one process.
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    store, rank, size = next(rendezvous("env://", timeout=STEP))
    groups = PrefixStore("groups", store)
    backend = "nccl" if device.startswith("cuda") else "gloo"
    dist.init_process_group(backend, store=groups, rank=rank, world_size=size, timeout=STEP)
    control = dist.new_group(backend="gloo", timeout=WORK)
    _session = _Session(PrefixStore("training", store), control)
    try:
        yield device
        dist.barrier(control)
        dist.destroy_process_group()
    except (Exception, KeyboardInterrupt) as error:
        # The groups are left to the end of the process: another one may be waiting in them, and must notice.
        if _first_ends() and rank:
            raise SystemExit(3 if isinstance(error, (CancelledError, KeyboardInterrupt)) else 1) from None
        raise
    finally:
        _session = None


def local_device(name: str) -> str:
    """The device of one of several processes: the GPU with its number on this computer, or the processor.

    Raises:
        EngineError: there are fewer GPUs, or the processes cannot share the device.
    """
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "mps":
        raise EngineError("bad-device", "Several processes cannot share Apple's GPU.", "Train with one process.")
    if name != "cuda":
        return name
    if local >= torch.cuda.device_count():
        raise EngineError(
            "no-device",
            f"There are more processes on this computer than GPUs that PyTorch can use ({torch.cuda.device_count()}).",
            "Start as many processes as there are GPUs, or train with --device cpu.",
        )
    return f"cuda:{local}"


def _first_ends() -> bool:
    """After an error: the first process says that it ends, and the others wait for that: torchrun ends all with one.

    Returns whether the first process ends, too.
    """
    if _session is None:
        return False
    if is_rank_zero():
        _session.ask(lambda store: store.set(ENDING, "1"))
        return True
    until = time.monotonic() + LEAVING_S
    while time.monotonic() < until:
        if _session.ask(lambda store: store.check([ENDING])):
            return True
        time.sleep(0.05)
    return False


def fails_alone(error: EngineError) -> bool:
    """Whether this process, not the first, fails while the first does not: then it must tell the error itself."""
    if _session is None or is_rank_zero() or error.code == PROCESS_LOST:
        return False
    told = json.dumps([error.code, error.message, error.hint])
    _session.ask(lambda store: store.set(FAILURE, told))
    return not _first_ends()


def failure_elsewhere() -> EngineError | None:
    """Why the first process is interrupted: the error that another process had, and has told."""
    if _session is None or not is_rank_zero():
        return None
    _mute()
    told = _session.ask(lambda store: store.get(FAILURE) if store.check([FAILURE]) else b"")
    return EngineError(*json.loads(told)) if told else None


def lost(error: BaseException) -> EngineError | None:
    """The error that says that another process has gone, if this is why this one fails."""
    if _session is None:
        return None
    _mute()
    causes = [error, error.__context__]
    if any(isinstance(e, RuntimeError) and any(word in str(e).lower() for word in LOST) for e in causes):
        return EngineError(
            PROCESS_LOST,
            "Another process of this training has ended or does not answer.",
            "Look at its messages; --resume goes on from the last checkpoint.",
        )
    return None


def _mute() -> None:
    """When one process fails, torchrun ends the others; before they end, they tell what has happened."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
