"""The commands of ``python -m cmaformer``, such as ``segment``, ``check``, ``train`` and ``evaluate``.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 cancelled.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from . import __version__
from .commands.console import CANCELLED, FAILED, print_line
from .door.errors import CancelledError, EngineError
from .door.job import Events
from .door.privacy import without_files
from .parallel.launcher import leftovers

# name -> help, and what the command's own help says; its file in commands/ is imported only when it is asked for.
COMMANDS = {
    "segment": ("segment a volume, or many", "Segment volumes and write label maps."),
    "inspect": ("show the card of a model", "Show what a model is."),
    "run": ("do one job folder", "Do one job folder and leave."),
    "worker": ("do job folders given on standard input", "Do job folders, one path a line."),
    "check": ("look at the cases of a training before it starts", ""),
    "train": ("train a model from labeled (and unlabeled) cases", ""),
    "evaluate": ("compare label maps with the truth", ""),
    "next": ("choose the cases to label next", "Which unlabeled cases to label next, and why."),
    "function": ("measure how a heart works", "Volumes over a cycle, ejection fraction and mass, from a cine."),
    "export": ("write cases as a dataset for nnU-Net and others", ""),
    "report": ("write a page about a segmentation or a training", ""),
    "computer": ("tell what this computer can do", ""),
}


# Read by OpenMP when torch is loaded. Threads that wait for each other spin by default: where something else uses the
# processor, such as a training beside a segmentation, they then wait for threads that do not run (measured on 2 cores
# with two trainings: 72 s instead of 16).
WAIT_POLICY = ("OMP_WAIT_POLICY", "PASSIVE")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    os.environ.setdefault(*WAIT_POLICY)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that lacks a letter shows another instead of failing
    parser = _parser(next((word for word in arguments if not word.startswith("-")), ""))
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    ignored = leftovers()
    if ignored:
        names = " and ".join(ignored)
        print(f"Note: {names} are set, but torchrun has not started this command: they are ignored.", file=sys.stderr)
    _keep_memory()
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        return int(options.run(options))
    except (KeyboardInterrupt, CancelledError):
        _report(options, "cancelled", "Stopped.")
        return CANCELLED
    except EngineError as error:
        _report(options, "error", str(error), code=error.code, message=error.message, hint=error.hint)
        return FAILED
    except BrokenPipeError:
        # The reader left (`| head`); keep the interpreter from failing once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        what = f"{os.path.basename(error.filename)}: " if isinstance(error.filename, str) else ""
        reason = error.strerror or type(error).__name__
        text = f"A file cannot be read or written ({reason})."
        # Names of files are for the user's own screen alone.
        _report(options, "error", f"{what}{text}", code="file-error", message=text, hint="Is the disk full?")
        return FAILED


def _keep_memory() -> None:
    """Let the allocator of Linux keep what is freed: a network takes and frees the same large blocks again and again,
    and giving them back each time costs thousands of page faults a slice. The peak stays what it is.
    """
    if sys.platform != "linux":
        return
    import ctypes

    trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
    with suppress(OSError, AttributeError):  # another C library than glibc
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _report(options: argparse.Namespace, kind: str, text: str, **values: str) -> None:
    if getattr(options, "json", False):
        given = [getattr(options, name, None) for name in ("image", "files", "job", "cases", "predictions", "output")]
        paths = [path for value in given if value for path in (value if isinstance(value, list) else [value])]
        known = {os.path.basename(os.path.normpath(str(path))) for path in paths}
        texts = {name: without_files(text, known) if name != "code" else text for name, text in values.items()}
        Events(print_line).emit(kind, **texts)
    else:
        print(text, file=sys.stderr)


def _parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cmaformer", description="Medical image segmentation with CMAformer.")
    parser.add_argument("--version", action="version", version=f"cmaformer {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (short, long) in COMMANDS.items():
        added = commands.add_parser(name, help=short, description=long or f"{short[0].upper()}{short[1:]}.")
        if name == command:
            module = import_module(f".commands.{name}", __package__)
            module.add_arguments(added)
            added.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
