"""Geometry to the last bit in files that do not store spacing and direction, but their product.

NRRD and NIfTI keep, for each axis, the vector from one voxel to the next; readers take it apart into a length and a
unit vector. Multiplying these again is off by rounding, so ITK's writers return a grid that differs in the last digits.
The functions here look for the vector that readers take apart into exactly the wanted numbers. It exists whenever the
geometry was read from a file of the same format; otherwise the closest one is stored.
"""

from __future__ import annotations

import gzip
import shutil
import struct
from pathlib import Path

import numpy as np

from ..door.nrrd import lengths_of, nrrd_vector
from .geometry import Geometry

# Offset of srow_x, srow_y, srow_z in a NIfTI-1 header, four single precision numbers each, and of the header's size.
NIFTI_ROWS, NIFTI_HEADER = 280, 348
# How far the length of a NIfTI vector may lie from the spacing, in steps of single precision (about one part in 200).
NIFTI_STEPS = 40_000


def patch_nrrd(path: Path, geometry: Geometry) -> None:
    """Rewrite the field "space directions" of a NRRD file that ITK wrote."""
    header, blank, data = path.read_bytes().partition(b"\n\n")
    vectors = [nrrd_vector(geometry.spacing[axis], _column(geometry, axis)) for axis in range(3)]
    text = " ".join("(" + ",".join(f"{value:.17g}" for value in vector) + ")" for vector in vectors)
    lines = [
        b"space directions: " + text.encode() if line.startswith(b"space directions:") else line
        for line in header.split(b"\n")
    ]
    path.write_bytes(b"\n".join(lines) + blank + data)


def patch_nifti(path: Path, geometry: Geometry) -> None:
    """Rewrite the matrix (sform) of an uncompressed NIfTI file that ITK wrote; its origin column stays."""
    with open(path, "r+b") as file:
        header = file.read(NIFTI_HEADER)
        order = "<" if struct.unpack("<i", header[:4])[0] == NIFTI_HEADER else ">"
        rows = [list(struct.unpack_from(f"{order}4f", header, NIFTI_ROWS + 16 * row)) for row in range(3)]
        for axis in range(3):
            vector = _nifti_vector(geometry.spacing[axis], _column(geometry, axis))
            # NIfTI's axes point to the right and anterior, ITK's to the left and posterior.
            for row, sign in enumerate((-1.0, -1.0, 1.0)):
                rows[row][axis] = sign * float(vector[row])
        file.seek(NIFTI_ROWS)
        file.write(struct.pack(f"{order}12f", *rows[0], *rows[1], *rows[2]))


def compress(source: Path, target: Path) -> None:
    """Write a file gzip-compressed, without a name or a date in it."""
    with open(source, "rb") as raw, open(target, "wb") as out, gzip.GzipFile("", "wb", 4, out, mtime=0) as packed:
        shutil.copyfileobj(raw, packed, 1 << 20)


def _column(geometry: Geometry, axis: int) -> np.ndarray:
    return np.asarray(geometry.direction, np.float64)[axis::3]


def _nifti_vector(spacing: float, unit: np.ndarray) -> np.ndarray:
    """The single precision vector that NIfTI's reader normalizes (in double precision) to this unit vector.

    Its length may differ a little from the spacing, which is stored on its own. A vector of single precision numbers is
    known from its largest component and its direction: the component is one of the numbers near the product.
    """
    largest = int(np.abs(unit).argmax())
    start = np.float32(spacing * unit[largest])
    bits = start.view(np.int32) + np.arange(-NIFTI_STEPS, NIFTI_STEPS + 1, dtype=np.int32)
    scales = bits.view(np.float32).astype(np.float64) / unit[largest]
    candidates = (scales[:, None] * unit).astype(np.float32)
    lengths = lengths_of(candidates.astype(np.float64))
    error = np.abs(candidates / lengths[:, None] - unit).max(axis=1)
    # Of vectors that are equally good the one whose length is closest to the spacing.
    best = np.flatnonzero(error == error.min())
    return candidates[best[np.abs(lengths[best] - spacing).argmin()]]
