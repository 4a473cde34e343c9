"""The command ``segment``: one volume into a file, or many into a folder."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..door.errors import JobError
from ..door.job import Events, throttled
from ..door.watcher import Watcher
from ..models.installed import open_model
from .console import FAILED, USAGE, ProgressBar, cohort_table, positive, print_line, structure_table

if TYPE_CHECKING:
    from ..segmenting.segment import Segmentation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m cmaformer segment``."""
    parser.add_argument(
        "image", nargs="+", metavar="IMAGE", help="NRRD, NIfTI or MetaImage files, DICOM folders, or folders of files"
    )
    parser.add_argument("--model", required=True, metavar="MODEL", help="id of an installed model, or a model folder")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="label map (.nrrd, .nii.gz, .nii, .mha; .dcm for a DICOM SEG of a DICOM series), or a folder for many",
    )
    parser.add_argument("--dicom", action="store_true", help="of many DICOM series, write DICOM SEG into the folder")
    parser.add_argument(
        "--sr", type=Path, metavar="DCM", help="write the volumes as a DICOM structured report, too; with -o x.dcm"
    )
    parser.add_argument("--skip-done", action="store_true", help="of many, leave those alone whose label map is in OUT")
    parser.add_argument(
        "--phase", dest="phases", type=positive, metavar="N", help="of an image with several phases (a cine), this one"
    )
    parser.add_argument("--phases", choices=("all",), help="all phases of such images, a label map each, into a folder")
    parser.add_argument(
        "--channels", action="store_true", help="the images are those of one patient, in the order of the model"
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps")
    parser.add_argument("--batch-size", type=positive, metavar="N", help="slices at a time (default: by device)")
    parser.add_argument("--no-cleanup", action="store_true", help="keep the network's answer as it is")
    parser.add_argument(
        "--region",
        type=int,
        nargs=6,
        metavar=("I0", "I1", "J0", "J1", "K0", "K1"),
        help="segment only these voxels, first and last along i, j and k; of one image",
    )
    parser.add_argument(
        "--uncertainty",
        action="store_true",
        help="write, too, where the model is unsure: NAME-uncertainty beside the label map, in percent",
    )
    parser.add_argument("--report", type=Path, metavar="HTML", help="write a page about the result, too; of one image")
    parser.add_argument("--models", action="append", default=[], metavar="DIR", help="further folder of model folders")
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line, instead of text")


def run(options: argparse.Namespace) -> int:
    """Segment one volume, or many; EngineErrors go to the caller. Returns the exit code."""
    from ..door.names import LABEL_SUFFIXES
    from ..images.dicom_seg import SUFFIX
    from ..images.volume import quiet

    quiet()
    one = (len(options.image) == 1 or options.channels) and options.output.lower().endswith((*LABEL_SUFFIXES, SUFFIX))
    if one and options.phases == "all":
        print("--phases all writes a label map each; OUT is then a folder.", file=sys.stderr)
        return USAGE
    if options.channels and (options.phases is not None or not one):
        print("With --channels, OUT is a file, and there is no --phase.", file=sys.stderr)
        return USAGE
    return _segment_one(options) if one else _segment_many(options)


def _segment_one(options: argparse.Namespace) -> int:
    """Segment one volume; its label map appears whole or not at all."""
    from ..images.channels import read_images
    from ..images.dicom_seg import SUFFIX, check_dicom_seg, write_dicom_seg
    from ..images.volume import read_volume, write_label_map
    from ..network.device import choose_device
    from ..segmenting.many import beside
    from ..segmenting.segment import segment

    output = Path(options.output)
    wrong = _wrong_files(options, output)
    if wrong:
        print(wrong, file=sys.stderr)
        return USAGE
    as_dicom = output.name.lower().endswith(SUFFIX)
    if as_dicom:
        check_dicom_seg(options.image[0])
    events = Events(print_line if options.json else lambda line: None)
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

        given = read_volume(options.image[0], options.phases) if options.phases else options.image
        result = segment(
            given,
            model,
            device=options.device,
            batch_size=options.batch_size,
            cleanup=not options.no_cleanup,
            region=options.region,
            uncertainty=options.uncertainty,
            watcher=Watcher(progress, warning),
        )
    with result.steps.time("write"):
        if as_dicom:
            write_dicom_seg(output, result.labels, result.geometry, options.image[0], model.description, options.phases)
            if options.sr is not None:
                from ..images.dicom_sr import write_dicom_sr

                source = options.image[0], model.description, options.phases
                write_dicom_sr(options.sr, output, result.structures, *source)
        else:
            write_label_map(output, result.labels, result.geometry)
        if result.uncertainty is not None:
            write_label_map(beside(output), result.uncertainty.percent, result.geometry)
    result.seconds += result.steps["write"]
    if options.report is not None:
        from ..reports.segmentation import write_report

        write_report(
            options.report,
            read_images(given, model.description.input.names),
            result.labels,
            model,
            result.summary(),
            notes=[message for _code, message in result.warnings],
        )
    events.emit("finished", **result.summary())
    if not options.json:
        print(structure_table(result.structures))
        if result.uncertainty is not None:
            print(uncertainty_lines(result))
        network = result.steps.get("network", 0.0)
        print(f"{result.seconds:.1f} s, of which network {network:.1f} s ({result.device}, {result.precision})")
    return 0


def _wrong_files(options: argparse.Namespace, output: Path) -> str:
    """What is wrong with the files to write for one image, in words; empty where nothing is."""
    from ..door.names import LABEL_SUFFIXES
    from ..images.dicom_seg import SUFFIX

    if not output.absolute().parent.is_dir():
        return f"OUT must be a file {', '.join(LABEL_SUFFIXES)} in a folder that exists."
    if output.exists() and any(Path(image).exists() and output.samefile(image) for image in options.image):
        return "OUT is the image itself, which is never overwritten; give another name."
    if options.sr is None:
        return ""
    if not all(path.name.lower().endswith(SUFFIX) for path in (output, options.sr)):
        return "--sr names a file .dcm, and refers to a DICOM SEG: OUT must be a file .dcm, too."
    place = options.sr.absolute().parent
    taken = output.absolute() == options.sr.absolute() or place == Path(options.image[0]).absolute()
    if taken or not place.is_dir():
        return "--sr must be another file than OUT, in a folder that exists and is not the series."
    return ""


def uncertainty_lines(result: Segmentation) -> str:
    """How good the answer is by the model's own probabilities, and the slices to look at first, as text."""
    assert result.uncertainty is not None
    summary = result.uncertainty.summary([structure["name"] for structure in result.structures])
    each = ", ".join(f"{name} {value:.2f}" for name, value in summary["expected_dice"].items() if value is not None)
    worst = ", ".join(str(index) for index in summary["worst_slices"])
    axis = summary["slice_axis"]
    return (
        f"Expected Dice, by the model's own probabilities: {each or 'nothing was found'}\n"
        f"Slices to look at first, along {axis} from 0: {worst or 'none'}"
    )


def _segment_many(options: argparse.Namespace) -> int:
    """Segment several volumes into a folder; one that fails does not stop the others."""
    from ..door.names import LABEL_SUFFIXES
    from ..images.dicom_seg import SUFFIX
    from ..segmenting.many import Outcome, images_of, segment_all

    if options.region is not None or options.report is not None or options.sr is not None:
        print("--region, --report and --sr belong to one image; OUT is then a file.", file=sys.stderr)
        return USAGE
    folder = Path(options.output)
    if folder.is_file() or (folder.suffix and not folder.is_dir()):
        print(f"OUT must be a file {', '.join(LABEL_SUFFIXES)} for one image, or a folder for many.", file=sys.stderr)
        return USAGE
    events = Events(print_line if options.json else lambda line: None)
    model = open_model(options.model, options.models)
    images = images_of(options.image, options.phases, model.description.input.names)
    start, done, kept = time.monotonic(), 0, 0
    events.emit("started", total=len(images))
    with ProgressBar(enabled=not options.json, unit="images") as bar:

        def report(outcome: Outcome) -> None:
            nonlocal done, kept
            done += 1
            kept += outcome.kept
            eta_s = (time.monotonic() - start) / (done - kept) * (len(images) - done) if done > kept else None
            bar.show(done, len(images), eta_s)
            if outcome.error is not None:  # by its number: names stay on the screen of the user
                error = outcome.error
                message = error.message
                for name in (outcome.image.name, *(path.name for path in outcome.image.others)):
                    message = message.replace(name, "it")
                message = f"Image {done}: {message}"
                events.emit("warning", code=error.code, message=message, hint=error.hint, image=done)
            if outcome.kept:
                events.emit("kept", image=done)
            events.progress(done, len(images), eta_s, unit="images")

        settings = {"batch_size": options.batch_size, "cleanup": not options.no_cleanup, "skip_done": options.skip_done}
        settings |= {"uncertainty": options.uncertainty, "suffix": SUFFIX if options.dicom else ".nrrd"}
        if options.json:
            settings["watcher"] = Watcher(throttled(events))  # of the slices of one image, between those of the images
        try:
            outcomes = segment_all(images, model, folder, options.device, report=report, **settings)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise JobError("file-error", f"The folder OUT cannot be written ({reason}).", "Is the disk full?") from None
    failed = sum(outcome.error is not None for outcome in outcomes)
    events.emit("finished", done=len(outcomes) - failed, failed=failed, kept=kept)
    if not options.json:
        print(cohort_table(outcomes, [structure.name for structure in model.description.classes]))
    return FAILED if failed else 0
