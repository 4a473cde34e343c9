"""The command ``function``: volumes over a cycle and cardiac function, from a cine or from its label maps."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..door import cardiac_function as function
from ..door.errors import EngineError
from ..door.files import replaced
from ..door.job import Events
from ..models.installed import open_model
from .console import USAGE, ProgressBar, positive, print_line

if TYPE_CHECKING:
    from ..images.phases import ImagePart
    from ..models.model import Model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m cmaformer function``."""
    parser.add_argument(
        "image", nargs="+", metavar="IMAGE", help="a cine, or one file a phase in the order of time (two will do)"
    )
    parser.add_argument("--model", default="cardiac-cine-mr", metavar="MODEL", help="id or folder (cardiac-cine-mr)")
    parser.add_argument("--models", action="append", default=[], metavar="DIR", help="further folder of model folders")
    parser.add_argument(
        "--labels", action="store_true", help="the files are label maps of the model, perhaps corrected"
    )
    parser.add_argument("--end-diastole", type=positive, metavar="N", help="phase, from 1 (default: the largest)")
    parser.add_argument("--end-systole", type=positive, metavar="N", help="phase, from 1 (default: the smallest)")
    parser.add_argument("--height", type=float, metavar="CM", help="of the patient, for indexed values")
    parser.add_argument("--weight", type=float, metavar="KG", help="of the patient, for indexed values")
    parser.add_argument("--csv", type=Path, help="write the volumes of each phase into a CSV file")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(options: argparse.Namespace) -> int:
    """Run the command; EngineErrors go to the caller. Returns the exit code."""
    from ..images.volume import quiet
    from ..segmenting.many import images_of

    if (options.height is None) != (options.weight is None):
        print("--height and --weight belong together.", file=sys.stderr)
        return USAGE
    quiet()
    model = open_model(options.model, options.models)
    if function.NAME not in model.description.measurements:
        raise EngineError(
            "no-function", f"The model {model.id} offers no cardiac function.", "Choose one of the heart."
        )
    parts = images_of(options.image, "all")
    with ProgressBar(enabled=not options.json, unit="phases") as bar:
        phases = _volumes(parts, model, options, bar)
    body = None if options.height is None else (options.height, options.weight)
    found = function.cardiac_function(phases, options.end_diastole, options.end_systole, body)
    if options.csv:
        names = [structure.name for structure in model.description.classes]
        with replaced(options.csv) as part, open(part, "w", newline="", encoding="utf-8") as file:
            rows = [[n, *(f"{phase[name]:.3f}" for name in names)] for n, phase in enumerate(phases, 1)]
            csv.writer(file).writerows([["phase", *(f"{name} (ml)" for name in names)], *rows])
    if options.json:
        Events(print_line).emit("function", **found.to_dict(), volumes_ml=phases)
        return 0
    for name, value, unit in function.rows(found):
        shown = "?" if value is None else f"{value:.0f}" if unit == "phase" else f"{value:.1f}"
        print(f"{name:<34} {shown:>8} {unit}")
    return 0


def _volumes(
    parts: list[ImagePart], model: Model, options: argparse.Namespace, bar: ProgressBar
) -> list[dict[str, float]]:
    """The volume in ml of each structure in each phase."""
    import numpy as np

    from ..images.volume import read_volume
    from ..segmenting.network_cache import NetworkCache
    from ..segmenting.segment import segment

    cache, phases = NetworkCache(), []
    device: Any = None
    for number, part in enumerate(parts, 1):
        volume = read_volume(part.path, part.phase)
        if options.labels:
            ml = float(np.prod(volume.geometry.spacing)) / 1000
            known = {0, *(s.value for s in model.description.classes)}
            strange = sorted(set(np.unique(volume.array).tolist()) - known)
            if strange:
                raise EngineError(
                    "other-values",
                    f"Label map {number} has the value {strange[0]:g}, which is no structure of {model.id}.",
                    "Give label maps with the values that the model has for its structures.",
                )
            counts = {s.name: np.count_nonzero(volume.array == s.value) for s in model.description.classes}
            phases.append({name: float(count * ml) for name, count in counts.items()})
        else:
            if device is None:
                from ..network.device import choose_device

                device = choose_device(options.device)
            result = segment(volume, model, device=device, network=cache.get(model, device))
            phases.append({entry["name"]: float(entry["volume_ml"]) for entry in result.structures})
        bar.show(number, len(parts), None)
    return phases
