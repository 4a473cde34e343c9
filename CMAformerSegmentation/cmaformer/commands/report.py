"""The command ``report``: a page about a segmentation or a training, to hand on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..door.errors import EngineError
from ..models.installed import open_model
from .console import USAGE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m cmaformer report``."""
    parser.add_argument("files", nargs="*", metavar="FILE", help="an image and its label map, perhaps corrected")
    parser.add_argument("--job", type=Path, help="the job folder of a training, instead of an image")
    parser.add_argument("--model", metavar="MODEL", help="id or folder of the model that made the label map")
    parser.add_argument("--models", action="append", default=[], metavar="DIR", help="further folder of model folders")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="an HTML file")
    parser.add_argument("--title", default="", help="of the page, such as a name: nothing else in it names a patient")
    parser.add_argument("--corrected", action="store_true", help="say that a person has corrected the label map")
    parser.add_argument("--no-pictures", action="store_true", help="of a training, show no cases")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps")
    parser.add_argument("--json", action="store_true", help="print errors as JSON")


def run(options: argparse.Namespace) -> int:
    """Run the command; EngineErrors go to the caller. Returns the exit code."""
    from ..images.volume import quiet

    quiet()
    if options.job is not None and not options.files:
        from ..reports.training import write_training_report

        write_training_report(
            options.output, options.job, options.title, options.device, pictures=not options.no_pictures
        )
        return 0
    if options.job is not None or len(options.files) != 2 or not options.model:
        print("Give an image, its label map and --model; or --job of a training.", file=sys.stderr)
        return USAGE
    import numpy as np

    from ..images.reorder import in_order_of
    from ..images.volume import read_volume
    from ..reports.segmentation import write_report

    model = open_model(options.model, options.models)
    volume, found = (read_volume(path) for path in options.files)
    labels = in_order_of(found, volume.geometry)
    if labels is None:
        raise EngineError("other-grid", "The label map does not lie on the voxels of the image.", "Resample it first.")
    values = {structure.value for structure in model.description.classes}
    unknown = [value for value in np.unique(labels).tolist() if value not in values | {0}]
    if unknown:
        raise EngineError("other-values", f"The label map has values that are no structures of {model.id}: {unknown}.")
    notes = ["A person has corrected the label map."] if options.corrected else []
    write_report(options.output, volume, labels.astype("uint8"), model, title=options.title, notes=notes)
    return 0
