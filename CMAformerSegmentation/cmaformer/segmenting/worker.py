"""The warm engine process: takes job folders, one a line, and keeps the last network on its device between them."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..door.errors import CancelledError, EngineError, JobError
from ..door.files import write_json
from ..door.job import UNWRITABLE, Events, Job, cancel_requested, has_result, new_result, read_job, state, throttled
from ..door.lock import Lock
from ..door.log import log_traceback
from ..door.names import LABELS, SUMMARY, UNCERTAINTY
from ..door.watcher import Watcher
from ..models.model import find_model
from .network_cache import NetworkCache

if TYPE_CHECKING:
    import torch

    from .region import Region
    from .segment import Segmentation


@dataclass(frozen=True)
class _Parameters:
    device: str
    batch_size: int | None
    cleanup: bool
    region: Region | None
    uncertainty: bool

    @classmethod
    def of(cls, job: Job) -> _Parameters:
        device = job.parameters.get("device", "auto")
        batch = job.parameters.get("batch_size")
        cleanup = job.parameters.get("cleanup", True)
        uncertainty = job.parameters.get("uncertainty", False)
        good = isinstance(device, str) and isinstance(cleanup, bool) and isinstance(uncertainty, bool)
        if not good or not (batch is None or (isinstance(batch, int) and batch >= 1)):
            raise JobError(
                "bad-job", "job.json: device, batch_size, cleanup or uncertainty has a value of the wrong kind."
            )
        from .region import Region

        return cls(device, batch, cleanup, Region.of_job(job.parameters.get("region")), uncertainty)


def run_job(folder: str | os.PathLike[str], models: Sequence[str | os.PathLike[str]], cache: NetworkCache) -> str:
    """Do one job and return its state afterwards: finished, failed or cancelled.

    Failures become events of the job. Raises JobError only if the job cannot be touched: no such folder, another worker
    has it, or it has ended already.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise JobError("bad-job", "There is no such job folder.")
    with Lock(folder):
        # The state without this process' own lock: what earlier workers left.
        if has_result(folder) or state(folder) in ("finished", "failed", "cancelled"):
            raise JobError("ended", "The job has ended already.")
        events = Events.of_job(folder)
        try:
            if cancel_requested(folder):
                raise CancelledError()
            _segment(read_job(folder), models, cache, events)
        except CancelledError:
            events.emit("cancelled")
            return "cancelled"
        except EngineError as error:
            events.error(error)
        except MemoryError:
            events.error(EngineError("out-of-memory", "The memory of this computer is not sufficient for this volume."))
        except OSError as error:
            log_traceback(folder)
            reason = f": {error.strerror}" if error.strerror else ""
            events.error(EngineError("file-error", f"The job folder cannot be read or written{reason}."))
        except KeyboardInterrupt:
            events.emit("cancelled")
            raise
        except Exception as error:
            log_traceback(folder)
            events.error(
                EngineError(
                    "internal",
                    f"Unexpected failure inside the engine ({type(error).__name__}).",
                    "The log has the details.",
                )
            )
        else:
            return "finished"
        return "failed"


def _segment(job: Job, models: Sequence[str | os.PathLike[str]], cache: NetworkCache, events: Events) -> None:
    if job.kind != "segment":
        raise JobError("bad-job", f"This worker segments; it does not do jobs of the kind {job.kind}.")
    parameters = _Parameters.of(job)
    first, *further = job.input("image"), *job.input_list("others")
    name, sha256 = job.model.get("id"), job.model.get("sha256")
    if not isinstance(name, str) or not (sha256 is None or isinstance(sha256, str)):
        raise JobError("bad-job", 'job.json: "model" needs an "id" and may have a "sha256".')
    start = time.perf_counter()
    from ..images.volume import write_label_map
    from ..network.device import release, with_fallback
    from .segment import segment

    model = find_model(models, name, sha256)

    def work(device: torch.device) -> Segmentation:
        events.emit("started", device=device.type)
        loading = time.perf_counter()
        network = cache.get(model, device)
        loaded = time.perf_counter()
        try:
            result = segment(
                [first, *further] if further else first,
                model,
                device=device,
                batch_size=parameters.batch_size,
                cleanup=parameters.cleanup,
                region=parameters.region,
                uncertainty=parameters.uncertainty,
                network=network,
                watcher=Watcher(throttled(events), events.warning, lambda: cancel_requested(job.folder)),
            )
        finally:
            release(device)
        result.steps["model"] = loaded - loading
        return result

    result = with_fallback(parameters.device, work, events.warning)
    with new_result(job.folder) as out:
        with result.steps.time("write"):
            write_label_map(out / LABELS, result.labels, result.geometry)
            if result.uncertainty is not None:
                write_label_map(out / UNCERTAINTY, result.uncertainty.percent, result.geometry)
        result.seconds = time.perf_counter() - start
        write_json(out / SUMMARY, result.summary(), indent=2)
        if cancel_requested(job.folder):
            raise CancelledError()
    events.emit("finished", seconds=round(result.seconds, 3), steps=result.steps.rounded())


def serve(models: Sequence[str | os.PathLike[str]], idle_minutes: float = 10.0, descriptor: int = 0) -> int:
    """Do the jobs whose folders arrive on a file descriptor, one path (UTF-8) a line; returns 0 when told to leave.

    It leaves at the end of input, when the jobs received are done, and after some idle minutes. A job that fails does
    not end it; one whose folder cannot be locked or written does, with UNWRITABLE.
    """
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read_lines, args=(descriptor, lines), daemon=True).start()
    from . import segment  # noqa: F401 - loads PyTorch now, while the first job is being prepared

    cache = NetworkCache()
    print(f"cmaformer {__version__} waits for jobs", file=sys.stderr, flush=True)
    while True:
        try:
            line = lines.get(timeout=60 * idle_minutes)
        except queue.Empty:
            return 0
        if line is None:
            return 0
        try:
            outcome = run_job(line, models, cache)
        except JobError as error:
            outcome = f"not done: {error}"
            if error.code in ("busy", "bad-job") and Path(line).is_dir():  # only by leaving does Slicer notice
                print(f"job {outcome}", file=sys.stderr, flush=True)
                return UNWRITABLE
        except OSError as error:
            if Path(line).is_dir():  # nothing can be told in it
                log_traceback(Path(line))
                print(f"job not done: its folder cannot be written: {error.strerror}", file=sys.stderr, flush=True)
                return UNWRITABLE
            outcome = "not done: its folder is gone"
        print(f"job {outcome}", file=sys.stderr, flush=True)


def _read_lines(descriptor: int, lines: queue.Queue[str | None]) -> None:
    """Put the lines of a file descriptor into a queue, None at its end.

    Reads the descriptor and not ``sys.stdin``: a thread that waits inside a buffered reader holds its lock, and
    the interpreter aborts when it wants to leave.
    """
    rest = b""
    while True:
        try:
            data = os.read(descriptor, 65536)
        except OSError:
            data = b""
        if not data:
            break
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            if line.strip():
                lines.put(line.decode("utf-8", "surrogateescape").strip("\r\n"))
    if rest.strip():
        lines.put(rest.decode("utf-8", "surrogateescape").strip("\r\n"))
    lines.put(None)
