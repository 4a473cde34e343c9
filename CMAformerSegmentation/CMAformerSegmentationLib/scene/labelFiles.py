"""Label maps as NRRD, NIfTI and MetaImage files, written in a thread without blocking Slicer (see metaimage.py).

Formats: https://teem.sourceforge.net/nrrd/format.html, https://nifti.nimh.nih.gov/nifti-1. Label maps are uint8
(K, J, I); geometries are in RAS, lengths in mm.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from cmaformer.door.files import replaced
from cmaformer.door.names import LABEL_SUFFIXES, suffix_of
from cmaformer.door.nrrd import nrrd_vector

from .metaimage import Geometry, writeMetaImage

_level = 4


def writeLabelMap(path: Path, labels: np.ndarray, geometry: Geometry) -> None:
    """Write a label map whole or not at all; the format follows from the name.

    Read by ITK the grid is the given one: to the last bit in .mha, and in .nrrd wherever it came from such a file; in
    .nii and .nii.gz in the single precision that the format has.

    :raises ValueError: for another suffix.
    :raises OSError: when the disk is full or not writable.
    """
    path = Path(path)
    suffix = suffix_of(path.name, LABEL_SUFFIXES).lower()
    if suffix == ".mha":
        writeMetaImage(path, labels, geometry.flippedXY())
    elif suffix == ".nrrd":
        _write(path, _nrrdHeader(geometry), labels, isPacked=True, isHeaderPacked=False)
    elif suffix:
        _write(path, _niftiHeader(geometry), labels, isPacked=suffix == ".nii.gz", isHeaderPacked=True)
    else:
        raise ValueError(path.name)


def _write(path: Path, header: bytes, labels: np.ndarray, isPacked: bool, isHeaderPacked: bool) -> None:
    def write(temporary: Path) -> None:
        packer = zlib.compressobj(_level, zlib.DEFLATED, 31)  # 31: as gzip does, without name and date
        with open(temporary, "wb") as file:
            file.write(packer.compress(header) if isPacked and isHeaderPacked else header)
            for plane in labels:
                voxels = np.ascontiguousarray(plane).data
                file.write(packer.compress(voxels) if isPacked else voxels)
            if isPacked:
                file.write(packer.flush())

    with replaced(path) as temporary:
        write(temporary)


def _nrrdHeader(geometry: Geometry) -> bytes:
    lps = geometry.flippedXY()
    vectors = [nrrd_vector(lps.spacing[axis], np.array(lps.direction)[axis::3]) for axis in range(3)]

    def numbers(values) -> str:
        return "(" + ",".join(repr(float(v)) for v in values) + ")"

    lines = [
        "NRRD0004",
        "type: uint8",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(str(n) for n in lps.size)}",
        f"space directions: {' '.join(numbers(vector) for vector in vectors)}",
        "kinds: domain domain domain",
        "encoding: gzip",
        f"space origin: {numbers(lps.origin)}",
    ]
    return ("\n".join(lines) + "\n\n").encode("ascii")


def _niftiHeader(geometry: Geometry) -> bytes:
    """The 348 bytes of the header and four that say that nothing follows before the voxels. Its space is RAS, too."""
    directions = np.array(geometry.direction).reshape(3, 3)
    flip = -1.0 if np.linalg.det(directions) < 0 else 1.0
    quaternion = _quaternion(directions * [1, 1, flip])
    rows = np.column_stack([directions * geometry.spacing, geometry.origin])
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *geometry.size, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)  # uint8
    struct.pack_into("<8f", header, 76, flip, *geometry.spacing, 1, 1, 1, 1)
    struct.pack_into("<3f", header, 108, 352, 1, 0)  # where the voxels begin, and that values are as they are
    header[123] = 2  # mm
    struct.pack_into("<2h", header, 252, 1, 1)  # both descriptions of the space, of the scanner
    struct.pack_into("<6f", header, 256, *quaternion, *geometry.origin)
    struct.pack_into("<12f", header, 280, *rows.ravel())
    header[344:348] = b"n+1\0"
    return bytes(header)


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    """b, c and d of the unit quaternion of a rotation matrix, with a >= 0."""
    # The symmetric matrix whose largest eigenvector is the quaternion (b, c, d, a); no case of a rotation is special.
    r = rotation
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], r[1, 0] + r[0, 1], r[2, 0] + r[0, 2], r[2, 1] - r[1, 2]],
            [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], r[2, 1] + r[1, 2], r[0, 2] - r[2, 0]],
            [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r.trace()],
        ]
    )
    quaternion = np.linalg.eigh(k)[1][:, -1]
    return quaternion[:3] * (-1 if quaternion[3] < 0 else 1)
