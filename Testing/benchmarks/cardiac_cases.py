"""Write a ``cases.json`` for the cardiac cine MR data: which patients are labeled, unlabeled and held out.

    python Testing/benchmarks/cardiac_cases.py ../shared/data/cardiac_cine_mr cases.json [--labeled 1|3|7|14|70]

The 10 validation patients are held out; of the 70 training patients those of the published setting are labeled and the
others unlabeled. 1 is the first of the published 3; each of these lists contains the shorter ones.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

STRUCTURES = {
    "1": {"name": "right ventricle", "color": [64, 120, 220], "terminology": ["53085002", "Right ventricle"]},
    "2": {"name": "myocardium", "color": [235, 180, 80], "terminology": ["74281007", "Myocardium"]},
    "3": {"name": "left ventricle", "color": [214, 50, 45], "terminology": ["87878005", "Left ventricle"]},
}


def write_cases(data: Path, output: Path, labeled: int) -> None:
    """Write the list; paths in it are relative to it."""
    split = json.loads((data / "split.json").read_text(encoding="utf-8"))
    lists = {1: split["labeled_3"][:1], **{n: split[f"labeled_{n}"] for n in (3, 7, 14)}, 70: split["train"]}
    cases = []
    for image in sorted((data / "images").glob("*.nrrd")):
        patient = image.name.split("_")[0]
        role = "held-out" if patient in split["validation"] else "labeled" if patient in lists[labeled] else "unlabeled"
        labels = data / "labels" / image.name
        cases.append(
            {
                "name": image.stem,
                "patient": patient,
                "image": os.path.relpath(image, output.parent),
                "labels": None if role == "unlabeled" else os.path.relpath(labels, output.parent),
                "role": role,
            }
        )
    classes = {
        value: {
            **entry,
            "terminology": {
                "category": ["SCT", "123037004", "Anatomical Structure"],
                "type": ["SCT", *entry["terminology"]],
                "modifier": None,
            },
        }
        for value, entry in STRUCTURES.items()
    }
    output.write_text(json.dumps({"classes": classes, "cases": cases}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--labeled", type=int, default=70, choices=(1, 3, 7, 14, 70))
    arguments = parser.parse_args()
    write_cases(arguments.data, arguments.output, arguments.labeled)
