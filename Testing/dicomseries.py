"""A small DICOM series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK


def write_series(folder: Path, positions, uid: str, direction=None, seed: int = 0, size=(30, 24)) -> np.ndarray:
    """One file a slice, at patient positions along the normal of the slices; returns the voxels (K, J, I)."""
    folder.mkdir(exist_ok=True, parents=True)
    matrix = np.eye(3) if direction is None else np.asarray(direction, float)
    voxels = np.random.default_rng(seed).integers(-1000, 2000, (len(positions), size[1], size[0])).astype(np.int16)
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    # File names in an order that is not the one of the slices.
    for number, position in enumerate(positions):
        image = SimpleITK.GetImageFromArray(voxels[number : number + 1])
        image.SetSpacing((0.8, 0.9, 3.0))
        origin = position if np.ndim(position) else matrix[:, 2] * position
        tags = {
            "0008|0060": "CT",
            "0008|0008": "ORIGINAL\\PRIMARY\\AXIAL",
            "0020|000d": "1.2.826.0.1.3680043.2.1125.1",
            "0020|000e": f"1.2.826.0.1.3680043.2.1125.{uid}",
            "0008|0018": f"1.2.826.0.1.3680043.2.1125.{uid}.{number + 1}",
            "0020|0013": str(number),
            "0020|0032": "\\".join(f"{v:.6f}" for v in origin),
            "0020|0037": "\\".join(f"{v:g}" for v in (*matrix[:, 0], *matrix[:, 1])),
            "0028|1052": "0",
            "0028|1053": "1",
        }
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{uid}-{(number * 7) % 101:03d}.dcm"))
        writer.Execute(image)
    return voxels
