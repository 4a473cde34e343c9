"""Uncompressed MetaImage (.mha) files, written and read without blocking Slicer.

Why not SimpleITK: its calls hold Python's interpreter lock for the whole file, so that even from a background thread
they freeze the application; one plain `write` or `readinto` of the voxels releases it. And numbers written by `repr`
come back to the last bit.

Format: https://itk.org/Wiki/ITK/MetaIO/Documentation. Arrays are (K, J, I), coordinates are LPS, lengths are mm.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmaformer.door.files import replaced

_elementTypes = {
    "int8": "MET_CHAR",
    "uint8": "MET_UCHAR",
    "int16": "MET_SHORT",
    "uint16": "MET_USHORT",
    "int32": "MET_INT",
    "uint32": "MET_UINT",
    "int64": "MET_LONG_LONG",
    "uint64": "MET_ULONG_LONG",
    "float32": "MET_FLOAT",
    "float64": "MET_DOUBLE",
}


@dataclass(frozen=True)
class Geometry:
    """Where a volume's voxels are: `size` (I, J, K), `spacing` (mm), `origin` (mm) and `direction`, nine numbers row
    by row, whose columns are the directions of the I, J and K axes. The frame (RAS or LPS) is the owner's to know."""

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]

    def flippedXY(self) -> Geometry:
        """The same place in the other frame (RAS <-> LPS): exact, only signs change."""
        x, y, z = self.origin
        d = self.direction
        return Geometry(self.size, self.spacing, (-x, -y, z), tuple(-v for v in d[:6]) + tuple(d[6:]))


class MetaImageError(Exception):
    """A file that is not the uncompressed MetaImage that was expected."""


def writeMetaImage(path: Path, array: np.ndarray, geometry: Geometry) -> None:
    """Write a scalar volume whole or not at all.

    :param array: voxels (K, J, I), any numeric type; not copied when contiguous.
    :param geometry: in LPS.
    :raises MetaImageError: when the voxel type or the shape does not fit.
    :raises OSError: when the disk is full or not writable.
    """
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    elementType = _elementTypes.get(array.dtype.name)
    if elementType is None:
        raise MetaImageError(f"Voxels of type {array.dtype.name} cannot be written.")
    if array.shape != tuple(reversed(geometry.size)):
        raise MetaImageError(f"The voxels have shape {array.shape} but the geometry has size {geometry.size}.")
    # MetaImage stores one row per axis: the transposed direction matrix.
    columns = [geometry.direction[3 * row + column] for column in range(3) for row in range(3)]
    header = "\n".join(
        [
            "ObjectType = Image",
            "NDims = 3",
            "BinaryData = True",
            f"BinaryDataByteOrderMSB = {sys.byteorder == 'big'}",
            "CompressedData = False",
            f"TransformMatrix = {_numbers(columns)}",
            f"Offset = {_numbers(geometry.origin)}",
            "CenterOfRotation = 0 0 0",
            f"ElementSpacing = {_numbers(geometry.spacing)}",
            f"DimSize = {' '.join(str(n) for n in geometry.size)}",
            f"ElementType = {elementType}",
            "ElementDataFile = LOCAL\n",
        ]
    )
    with replaced(Path(path)) as temporary, open(temporary, "wb") as file:
        file.write(header.encode("ascii"))
        file.write(array.data.cast("B"))


def readLabels(path: Path, out: np.ndarray) -> Geometry:
    """Read an uncompressed uint8 MetaImage straight into memory that the caller owns.

    :param out: C-contiguous uint8 array (K, J, I) that receives the voxels.
    :return: the geometry in the file (LPS).
    :raises MetaImageError: when the file is something else, truncated, or of another size.
    """
    with open(path, "rb") as file:
        header: dict[str, str] = {}
        while "ElementDataFile" not in header:
            line = file.readline(4096)
            key, separator, value = line.decode("ascii", "replace").partition("=")
            if not line or not separator:
                raise MetaImageError(f"{Path(path).name} has no MetaImage header.")
            header[key.strip()] = value.strip()
        try:
            size = tuple(int(n) for n in header["DimSize"].split())
            rows = [float(n) for n in header["TransformMatrix"].split()]
            spacing = tuple(float(n) for n in header["ElementSpacing"].split())
            origin = tuple(float(n) for n in header.get("Offset", header.get("Position", "")).split())
        except (KeyError, ValueError) as error:
            raise MetaImageError(f"{Path(path).name}: the header lacks the geometry.") from error
        plain = header.get("CompressedData", "False") == "False" and header.get("ElementDataFile") == "LOCAL"
        if not plain or header.get("ElementType") != "MET_UCHAR" or len(rows) != 9 or len(origin) != 3:
            raise MetaImageError(f"{Path(path).name} is not an uncompressed 3-D label map.")
        if size != tuple(reversed(out.shape)):
            raise MetaImageError(f"{Path(path).name} has size {size}, expected {tuple(reversed(out.shape))}.")
        view = out.data.cast("B")
        if file.readinto(view) != len(view):
            raise MetaImageError(f"{Path(path).name} is truncated.")
    direction = tuple(rows[3 * column + row] for row in range(3) for column in range(3))
    return Geometry(size, spacing, origin, direction)  # type: ignore[arg-type]


def _numbers(values) -> str:
    return " ".join(repr(float(v)) for v in values)
