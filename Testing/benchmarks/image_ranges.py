"""Print what the images of a model's training are like, for ``training.images`` of a model that was made without it.

python Testing/benchmarks/image_ranges.py runs/cases.json Resources/Models/cardiac-cine-mr-1.4.0
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cmaformer.cases.reading import read_cases
from cmaformer.images.grid import grids_of
from cmaformer.images.intensity import Normalization
from cmaformer.images.likeness import facts_of, ranges
from cmaformer.images.volume import finite, read_volume
from cmaformer.models.model import load_model


def main() -> None:
    """Print the ranges over the labeled and unlabeled cases of a list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("model", type=Path)
    options = parser.parse_args()
    source = load_model(options.model).description.input
    found = []
    for case in read_cases(options.cases).cases:
        if case.role != "held-out":
            volume, _ = finite(read_volume(case.image))
            grid = grids_of(volume.geometry, source.slicing, source.spacing_mm)[0]
            found.append(facts_of([volume.array], grid, [Normalization(source.normalization, volume.array)]))
    print(json.dumps(ranges(found)))


if __name__ == "__main__":
    main()
