"""Write a ``cases.json`` for the hippocampus data (Medical Segmentation Decathlon, Task04).

    python Testing/benchmarks/hippocampus_cases.py ../shared/data/hippocampus_mr cases.json [--labeled 8]

Of the 200 volumes, sorted by name, every fourth is held out (50); of the other 150, ``--labeled`` ones at even
distances are labeled and the others unlabeled. Which volumes are of one person, the data do not tell.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

# Hippocampus, and which part of it (DICOM PS3.16, CID 7153 and CID 2); the side is not known.
CATEGORY, TYPE = ["SCT", "123037004", "Anatomical Structure"], ["SCT", "5366008", "Hippocampus"]
STRUCTURES = {
    "1": {
        "name": "anterior hippocampus",
        "color": [230, 145, 65],
        "terminology": {"category": CATEGORY, "type": TYPE, "modifier": ["SCT", "255549009", "Anterior"]},
    },
    "2": {
        "name": "posterior hippocampus",
        "color": [75, 135, 200],
        "terminology": {"category": CATEGORY, "type": TYPE, "modifier": ["SCT", "255551008", "Posterior"]},
    },
}


def write_cases(data: Path, output: Path, labeled: int) -> None:
    """Write the list; paths in it are relative to it."""
    images = sorted((data / "images").glob("*.nii.gz"))
    held_out = set(images[3::4])
    training = [image for image in images if image not in held_out]
    chosen = {training[number * len(training) // labeled] for number in range(labeled)}
    cases = []
    for image in images:
        role = "held-out" if image in held_out else "labeled" if image in chosen else "unlabeled"
        labels = data / "labels" / image.name
        cases.append(
            {
                "name": image.name.split(".")[0],
                "image": os.path.relpath(image, output.parent),
                "labels": None if role == "unlabeled" else os.path.relpath(labels, output.parent),
                "role": role,
            }
        )
    output.write_text(json.dumps({"classes": STRUCTURES, "cases": cases}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--labeled", type=int, default=8)
    arguments = parser.parse_args()
    write_cases(arguments.data, arguments.output, arguments.labeled)
