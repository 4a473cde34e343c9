"""Job folders with a small image."""

from __future__ import annotations

from pathlib import Path

from geometries import GRIDS, blobs

from cmaformer.door import job as jobs
from cmaformer.images.volume import write_label_map

GRID = GRIDS["flipped oblique"]


def make_job(folder: Path, model_id: str = "tiny-1.0.0", grid=GRID, **changes) -> Path:
    folder.mkdir(parents=True)
    write_label_map(folder / "input.mha", blobs(grid), grid)
    data = {
        "schema": 1,
        "kind": "segment",
        "id": jobs.new_id(),
        "inputs": {"image": "input.mha"},
        "model": {"id": model_id},
        "parameters": {"device": "cpu", "batch_size": None, "cleanup": True},
        "seed": 0,
        "engine_version": "0.1.0",
    }
    jobs.write_job(folder, {**data, **changes})
    return folder
