"""Cardiac function of the validation patients: what the model measures against the reference label maps.

    python Testing/benchmarks/cardiac_function.py ../shared/data/cardiac_cine_mr [--model cardiac-cine-mr]

Two frames a patient (end-diastole and end-systole). Voxel sizes of these data are nominal, so volumes are, too;
ejection fractions are not concerned. Prints mean error, its spread, and the limits of agreement (mean ± 1.96 SD;
Bland and Altman, Lancet 1986).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from cmaformer.door.cardiac_function import cardiac_function
from cmaformer.images.volume import read_volume
from cmaformer.models.installed import open_model
from cmaformer.segmenting.segment import segment


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="cardiac-cine-mr")
    args = parser.parse_args()
    model = open_model(args.model)
    names = {structure.value: structure.name for structure in model.description.classes}
    errors: dict[str, list[float]] = {}
    patients = json.loads((args.data / "split.json").read_text())["validation"]
    for patient in patients:
        frames = sorted((args.data / "images").glob(f"{patient}_*.nrrd"))
        found, truth = [], []
        for frame in frames:
            labels = read_volume(args.data / "labels" / frame.name)
            ml = float(np.prod(labels.geometry.spacing)) / 1000
            truth.append({name: float((labels.array == value).sum() * ml) for value, name in names.items()})
            result = segment(frame, model, device="cpu")
            found.append({entry["name"]: float(entry["volume_ml"]) for entry in result.structures})
        one, two = cardiac_function(found), cardiac_function(truth)
        same = (one.end_diastole, one.end_systole) == (two.end_diastole, two.end_systole)
        print(f"{patient}: phases {'as' if same else 'not as'} in the reference", flush=True)
        for side in ("left", "right"):
            a, b = getattr(one, side), getattr(two, side)
            for key in ("edv_ml", "esv_ml", "ejection_fraction"):
                errors.setdefault(f"{side} {key}", []).append(getattr(a, key) - getattr(b, key))
        errors.setdefault("mass_g", []).append((one.mass_g or 0) - (two.mass_g or 0))
    print("\n| measurement | mean error | SD | limits of agreement |\n|---|---|---|---|")
    for key, values in errors.items():
        mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
        low, high = mean - 1.96 * deviation, mean + 1.96 * deviation
        print(f"| {key} | {mean:+.1f} | {deviation:.1f} | {low:+.1f} to {high:+.1f} |")


if __name__ == "__main__":
    main()
