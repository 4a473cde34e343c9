"""What a NIfTI header says twice, and whether it says the same both times."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from ..door.errors import ImageError

# Sizes of a voxel may differ by this part: headers hold single precision, and rotations are rounded.
SAME = 1e-2


def check_sizes(path: Path) -> None:
    """Refuse a file whose matrix (sform) has other voxels than its pixel sizes (pixdim).

    Readers take one or the other, so lengths and volumes would depend on the program.

    Raises:
        ImageError: code ``two-sizes``. A file that is no NIfTI-1 is left to its reader.
    """
    try:
        with open(path, "rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else open(path, "rb") as file:
            header = file.read(348)
    except (OSError, EOFError, zlib.error):  # told where all of the file is read
        return
    if len(header) < 348:
        return
    order = next((order for order in "<>" if struct.unpack(order + "i", header[:4])[0] == 348), "")
    if not order or struct.unpack(order + "h", header[254:256])[0] <= 0:
        return
    sizes = np.abs(struct.unpack(order + "3f", header[80:92]))
    matrix = np.array(struct.unpack(order + "12f", header[280:328])).reshape(3, 4)[:, :3]
    columns = np.linalg.norm(matrix, axis=0)
    if not columns.all() or np.allclose(columns, sizes, rtol=SAME):
        return
    one, two = (" x ".join(f"{value:.4g}" for value in values) for values in (sizes, columns))
    raise ImageError(
        "two-sizes",
        f"{path.name} says two things of its voxels: {one} mm (pixel sizes) and {two} mm (matrix).",
        "Write it again with a program that corrects the header.",
    )
