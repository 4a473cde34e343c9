"""A list of cases in which a model has labeled the unlabeled ones: self-training in two commands.

    python Testing/benchmarks/taught_cases.py runs/cardiac-7.json MODEL runs/taught --times 5
    python -m cmaformer train --cases runs/taught/cases.json ...

Labeled cases are listed several times, so that they are not outnumbered. Prints how good the model's labels are where
the data set has the true ones beside its images.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

import cmaformer
from cmaformer.images.volume import read_volume
from cmaformer.segmenting.metrics import dice


def teach(cases: Path, model_folder: Path, folder: Path, times: int) -> float:
    """Write the label maps and ``cases.json`` into a folder; returns the Dice of the maps against the true ones."""
    content = json.loads(cases.read_text(encoding="utf-8"))
    model = cmaformer.load_model(model_folder)
    folder.mkdir(parents=True, exist_ok=True)
    entries, scores = [], []
    for case in content["cases"]:
        image = (cases.parent / case["image"]).resolve()
        entry = {**case, "image": str(image)}
        if case.get("labels"):
            entry["labels"] = str((cases.parent / case["labels"]).resolve())
        copies = times if case["role"] == "labeled" else 1
        if case["role"] == "unlabeled":
            path = folder.resolve() / image.name
            result = cmaformer.segment(image, model, device="cpu")
            cmaformer.write_label_map(path, result.labels, result.geometry)
            entry.update(labels=str(path), role="labeled")
            truth = image.parents[1] / "labels" / image.name
            if truth.exists():
                scores.append(dice(result.labels, read_volume(truth).array, len(content["classes"]) + 1))
        entries += [{**entry, "name": entry["name"] + (f" #{n + 1}" if n else "")} for n in range(copies)]
    (folder / "cases.json").write_text(json.dumps({**content, "cases": entries}), encoding="utf-8")
    return float(np.nanmean(np.array(scores))) if scores else float("nan")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    print(f"Dice of the labels: {teach(options.cases, options.model, options.folder, options.times):.3f}")
