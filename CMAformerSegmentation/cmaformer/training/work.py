"""Train a model from cases: the job folder, and the model folder that comes out.

``plan.create`` writes the job; ``work`` prepares its slices, trains, and leaves ``result/<model id>/``. Once
the slices are prepared, the job folder can be carried to another computer. The loop itself is in ``loop.py``.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cases.case_list import CaseList
from ..cases.reading import read_cases
from ..door import job as jobs
from ..door.errors import CancelledError, EngineError, JobError
from ..door.lock import Lock
from ..door.names import CANCEL, CASES
from ..parallel import processes
from . import leave_one_out, schedule
from .parameters import TrainParameters
from .plan import create

if TYPE_CHECKING:
    from ..models.model import Model


def train(
    cases: str | os.PathLike[str] | CaseList,
    job: str | os.PathLike[str],
    name: str,
    base: Model | None = None,
    device: str = "auto",
    events: jobs.Events | None = None,
    **settings: Any,
) -> Path:
    """Train a model and return its folder (inside the job folder).

    Args:
        cases: a ``cases.json`` or what :func:`cmaformer.cases.reading.read_cases` made of one.
        job: a new folder for the work.
        name: name of the new model; its id is made of it.
        base: a model to start from, or None for a fresh network.
        device: "auto", "cpu", "cuda" or "mps".
        events: where to tell what happens; the job's ``events.jsonl`` if None.
        settings: further arguments of :func:`cmaformer.training.plan.Choices`.

    Raises:
        CasesError, ImageError, JobError: bad input, before any work.
        CancelledError: the job was cancelled; its checkpoint is there.
    """
    case_list = cases if isinstance(cases, CaseList) else read_cases(cases)
    create(case_list, Path(job), name, base, **settings)
    return work(Path(job), device, events)


def work(
    folder: Path,
    device: str = "auto",
    events: jobs.Events | None = None,
    prepare_only: bool = False,
    minutes: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Path:
    """Prepare (if need be) and train the job of a folder, from its last checkpoint if there is one.

    Args:
        folder: of the job.
        device: "auto", "cpu", "cuda" or "mps".
        events: where to tell what happens; the job's ``events.jsonl`` if None.
        prepare_only: do not train.
        minutes: for what is left of the training, whatever was decided before; None leaves that as it is.
        clock: seconds of any origin; ``time.process_time`` makes minutes of a training those of a processor.

    Returns:
        The folder of the new model (of the slices with ``prepare_only``).

    Raises:
        JobError: the folder holds no training, another process works on it, it is done, or it cannot be written.
    """
    with processes.session(device) as device, _locked(folder) as (job, taken_over):
        if not processes.is_rank_zero():
            events = jobs.Events(lambda line: None)  # the first process tells for all
        events = events or jobs.Events.of_job(folder)
        try:
            if taken_over:
                message = "Another computer had this training and no longer works on it; it goes on here."
                events.warning("taken-over", message)
            return _work(job, device, events, prepare_only, minutes, clock)
        except (Exception, KeyboardInterrupt) as error:
            problem = _report_end(error, folder, events)
            if problem is error:
                raise
            raise problem from None


@contextmanager
def _locked(folder: Path) -> Iterator[tuple[jobs.Job, bool]]:
    """The job, locked by this process, or by the first of several; and whether it was that of another computer."""
    lock = Lock(folder)

    def take() -> jobs.Job:
        job = jobs.read_job(folder)
        if job.kind != "train":
            raise JobError("bad-job", "This job folder holds no training.", "Give the --job folder of a training.")
        if jobs.has_result(folder):
            raise JobError("job-done", "This training is done; its model is in result/.")
        lock.__enter__()
        (folder / CANCEL).unlink(missing_ok=True)  # a request to stop an earlier run
        return job

    job = processes.on_rank_zero(take)
    try:
        yield job, lock.taken_over
    finally:
        if processes.is_rank_zero():
            lock.__exit__()


def _report_end(error: BaseException, folder: Path, events: jobs.Events) -> BaseException:
    """Tell why the training ends; returns the error to raise."""
    if not isinstance(error, EngineError):
        elsewhere = processes.failure_elsewhere()
        if elsewhere is not None:
            return elsewhere
        error = processes.lost(error) or error
    if isinstance(error, (CancelledError, KeyboardInterrupt)):
        events.emit("cancelled")
        return error
    assert isinstance(error, Exception)
    problem = error if isinstance(error, EngineError) else _explained(error, folder)
    if processes.fails_alone(problem):
        events = jobs.Events.of_job(folder)
    events.error(problem)
    return problem


def _explained(error: Exception, folder: Path) -> EngineError:
    """The error to show for one that is not the engine's own; the traceback of a fault of ours goes to the log."""
    from ..door.log import log_traceback
    from ..network.device import is_out_of_memory

    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return JobError(
            "disk-full", "The disk of the job folder is full.", "Free some space, then resume: nothing is lost."
        )
    if isinstance(error, OSError):
        reason = f" ({error.strerror})" if error.strerror else ""
        return JobError("file-error", f"The job folder cannot be read or written{reason}.", "Is the disk full?")
    log_traceback(folder)
    if is_out_of_memory(error):
        return EngineError(
            "out-of-memory", "The memory is not sufficient for this training.", "Close other programs, then resume it."
        )
    return EngineError(
        "unexpected",
        f"The training stopped because of an unexpected failure ({type(error).__name__}).",
        "The log has the details; resume the training from its last checkpoint.",
    )


def _work(
    job: jobs.Job,
    device: str,
    events: jobs.Events,
    prepare_only: bool,
    anew: float | None,
    clock: Callable[[], float],
) -> Path:
    from ..data.slices import INDEX, prepare, verify

    begun = clock()
    slices = job.folder / job.inputs["slices"]
    watcher = events.watcher(job.folder, "cases")

    def ready() -> None:
        if (slices / INDEX).exists():
            return verify(slices, watcher)
        from ..preflight.check import check_job

        check_job(job, events)
        prepare(
            read_cases(job.folder / CASES),
            TrainParameters.of(job).input,
            slices,
            watcher,
        )
        return None

    processes.on_rank_zero(ready)
    if prepare_only:
        return slices
    import torch

    from ..network.device import choose_device
    from ..network.processor import processor_prefers_bfloat16, settle
    from .loop import Trainer
    from .result import finish
    from .timing import plan
    from .warm_start import tell_warm_start

    chosen = torch.device(choose_device(device))
    if processes.several() and chosen.type == "cpu":
        settle(processes.on_rank_zero(processor_prefers_bfloat16))
    initial = torch.load(job.input("initial"), weights_only=True) if "initial" in job.inputs else None
    trainer = Trainer(job, events, chosen, initial, clock=clock)
    resumed = trainer.load_checkpoint()
    at = trainer.state.iteration if resumed else None
    events.emit("started", device=chosen.type, processes=processes.count(), resumed_at=at)
    if not resumed:
        tell_warm_start(job, events)
    minutes = anew
    if minutes is None and not processes.on_rank_zero(lambda: schedule.kept(job.folder)) and not at:
        minutes = TrainParameters.of(job).minutes
    each = minutes / processes.on_rank_zero(lambda: leave_one_out.trainings(job)) if minutes else None
    decided, estimate = plan(trainer, each, clock() - begun)
    events = leave_one_out.run(job, events, chosen, initial, clock)
    trainer.run(decided, events, estimate)
    return finish(trainer)
