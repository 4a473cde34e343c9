"""The commands: ``python -m cmaformer segment | check | train | evaluate | inspect | computer | run | worker``.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 cancelled.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from . import __version__
from .console import ProgressBar, model_facts, structure_table
from .errors import CancelledError, EngineError
from .installed import model_folders, open_model

DONE, FAILED, USAGE, CANCELLED = 0, 1, 2, 3
# Subcommands whose module is imported only when they are asked for, with its `add_arguments` and `run`.
MODULES = {
    "check": "look at the cases of a training before it starts",
    "train": "train a model from labeled (and unlabeled) cases",
    "evaluate": "compare label maps with the truth",
    "computer": "tell what this computer can do",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that lacks a letter shows another instead of failing
    parser = _parser(next((word for word in arguments if not word.startswith("-")), ""))
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        return int(options.run(options) or DONE)
    except (KeyboardInterrupt, CancelledError):
        _tell(options, "cancelled", "Stopped.")
        return CANCELLED
    except EngineError as error:
        _tell(options, "error", str(error), code=error.code, message=error.message, hint=error.hint)
        return FAILED
    except BrokenPipeError:
        # The reader left (`| head`); keep the interpreter from failing once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _tell(options: argparse.Namespace, kind: str, text: str, **values: str) -> None:
    from .job import Events

    if getattr(options, "json", False):
        Events(_print_line).emit(kind, **values)
    else:
        print(text, file=sys.stderr)


def _print_line(line: str) -> None:
    print(line, flush=True)


def _parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cmaformer", description="Medical image segmentation with CMAformer.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    add = commands.add_parser(
        "segment", help="segment a volume, or many", description="Segment volumes and write label maps."
    )
    add.add_argument(
        "image", nargs="+", metavar="IMAGE", help="NRRD, NIfTI or MetaImage files, DICOM folders, or folders of files"
    )
    add.add_argument("--model", required=True, metavar="MODEL", help="id of an installed model, or a model folder")
    add.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="label map (.nrrd, .nii.gz, .nii, .mha), or a folder for many",
    )
    add.add_argument("--skip-done", action="store_true", help="of many, leave those alone whose label map is in OUT")
    add.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps")
    add.add_argument("--batch-size", type=_positive, metavar="N", help="slices at a time (default: by device)")
    add.add_argument("--no-cleanup", action="store_true", help="keep the network's answer as it is")
    add.add_argument(
        "--region",
        type=int,
        nargs=6,
        metavar=("I0", "I1", "J0", "J1", "K0", "K1"),
        help="segment only these voxels, first and last along i, j and k; of one image",
    )
    _common(add, segment_command)

    add = commands.add_parser("inspect", help="show the card of a model", description="Show what a model is.")
    add.add_argument("model", nargs="?", metavar="MODEL", help="id or folder; without it, the installed models")
    _common(add, inspect_command)

    add = commands.add_parser("run", help="do one job folder", description="Do one job folder and leave.")
    add.add_argument("job", metavar="JOB", help="folder with a job.json")
    add.add_argument("--models", action="append", default=[], metavar="DIR", help="folder of model folders")
    add.set_defaults(run=run_command)

    add = commands.add_parser(
        "worker", help="do job folders given on standard input", description="Do job folders, one path a line."
    )
    add.add_argument("--models", action="append", default=[], metavar="DIR", help="folder of model folders")
    add.add_argument("--idle-minutes", type=float, default=10.0, help="leave after so long without a job (default 10)")
    add.set_defaults(run=worker_command)

    for name, text in MODULES.items():
        add = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == command:
            module = import_module(f".{name}", __package__)
            module.add_arguments(add)
            add.set_defaults(run=module.run)
    return parser


def _common(parser: argparse.ArgumentParser, run: Any) -> None:
    parser.add_argument("--models", action="append", default=[], metavar="DIR", help="further folder of model folders")
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line, instead of text")
    parser.set_defaults(run=run)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def segment_command(options: argparse.Namespace) -> int:
    """Segment one volume, or many; a label map appears whole or not at all."""
    from .volume import WRITABLE

    if len(options.image) > 1 or not options.output.lower().endswith(WRITABLE):
        return _segment_many(options)
    from .device import choose_device
    from .job import Events
    from .segment import segment
    from .volume import quiet, write_label_map
    from .worker import throttled

    output = Path(options.output)
    if not output.name.lower().endswith(WRITABLE) or not output.absolute().parent.is_dir():
        print(f"OUT must be a file {', '.join(WRITABLE)} in a folder that exists.", file=sys.stderr)
        return USAGE
    quiet()
    events = Events(_print_line if options.json else lambda line: None)
    device = choose_device(options.device)  # a wrong one is told before anything is read
    model = open_model(options.model, options.models)
    events.emit("started", device=device.type)
    with ProgressBar(enabled=not options.json) as bar:
        report = throttled(events)

        def progress(done: int, total: int, eta_s: float | None) -> None:
            bar.show(done, total, eta_s)
            report(done, total, eta_s)

        def warning(code: str, message: str, hint: str) -> None:
            events.warning(code, message, hint)
            if not options.json:
                bar.line(f"Note: {message} {hint}".rstrip())

        result = segment(
            options.image[0],
            model,
            device=options.device,
            batch_size=options.batch_size,
            cleanup=not options.no_cleanup,
            region=options.region,
            progress=progress,
            warning=warning,
        )
    with result.steps.time("write"):
        write_label_map(output, result.labels, result.geometry)
    result.seconds += result.steps["write"]
    events.emit("finished", **result.summary())
    if not options.json:
        print(structure_table(result.structures))
        network = result.steps.get("network", 0.0)
        print(f"{result.seconds:.1f} s, of which network {network:.1f} s ({result.device}, {result.precision})")
    return DONE


def _segment_many(options: argparse.Namespace) -> int:
    """Segment several volumes into a folder; one that fails does not stop the others."""
    from .cohort import Outcome, images_of, segment_all
    from .console import cohort_table
    from .errors import JobError
    from .job import Events
    from .volume import WRITABLE, quiet
    from .worker import throttled

    if options.region is not None:
        print("--region belongs to one image; OUT is then a file.", file=sys.stderr)
        return USAGE
    folder = Path(options.output)
    if folder.is_file() or (folder.suffix and not folder.is_dir()):
        print(f"OUT must be a file {', '.join(WRITABLE)} for one image, or a folder for many.", file=sys.stderr)
        return USAGE
    quiet()
    events = Events(_print_line if options.json else lambda line: None)
    model = open_model(options.model, options.models)
    images = images_of(options.image)
    start, done, kept = time.monotonic(), 0, 0
    events.emit("started", total=len(images))
    with ProgressBar(enabled=not options.json, unit="images") as bar:

        def told(outcome: Outcome) -> None:
            nonlocal done, kept
            done += 1
            kept += outcome.kept
            eta_s = (time.monotonic() - start) / (done - kept) * (len(images) - done) if done > kept else None
            bar.show(done, len(images), eta_s)
            if outcome.error is not None:  # by its number: names stay on the screen of the user
                error = outcome.error
                message = f"Image {done}: {error.message.replace(outcome.image.name, 'it')}"
                events.emit("warning", code=error.code, message=message, hint=error.hint, image=done)
            events.progress(done, len(images), eta_s, unit="images")

        settings = {"batch_size": options.batch_size, "cleanup": not options.no_cleanup, "skip_done": options.skip_done}
        if options.json:
            settings["progress"] = throttled(events)  # of the slices of one image, between those of the images
        try:
            outcomes = segment_all(images, model, folder, options.device, told=told, **settings)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise JobError("file-error", f"The folder OUT cannot be written ({reason}).", "Is the disk full?") from None
    failed = sum(outcome.error is not None for outcome in outcomes)
    events.emit("finished", done=len(outcomes) - failed, failed=failed, kept=kept)
    if not options.json:
        print(cohort_table(outcomes, [structure.name for structure in model.description.classes]))
    return FAILED if failed else DONE


def inspect_command(options: argparse.Namespace) -> int:
    """Show a model's facts and card, or list the installed models."""
    from .model import find_models

    if options.model is not None:
        model = open_model(options.model, options.models)
        print(json.dumps(model.description.to_dict()) if options.json else model_facts(model))
        return DONE
    models, problems = find_models(model_folders(options.models))
    for model in models:
        about = model.description
        print(json.dumps(about.to_dict()) if options.json else f"{model.id}  {about.title}: {about.description}")
    for problem in problems:
        print(f"{problem.folder.name}: {problem.error}", file=sys.stderr)
    return DONE


def run_command(options: argparse.Namespace) -> int:
    """Do one job folder."""
    from .volume import quiet
    from .worker import NetworkCache, run_job

    quiet()
    outcome = run_job(options.job, model_folders(options.models), NetworkCache())
    return {"finished": DONE, "cancelled": CANCELLED}.get(outcome, FAILED)


def worker_command(options: argparse.Namespace) -> int:
    """Serve job folders from standard input."""
    from .volume import quiet
    from .worker import serve

    quiet()
    return serve(model_folders(options.models), options.idle_minutes)


if __name__ == "__main__":
    sys.exit(main())
