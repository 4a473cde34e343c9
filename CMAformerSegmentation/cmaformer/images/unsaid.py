"""What the header of a file does not say, and readers make up without a word: the size of voxels, and how the patient
lies. DICOM has a check of its own (`dicom.py`)."""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from pathlib import Path

from ..door.names import suffix_of

# Longer headers are none.
LONGEST = 1 << 16
NO_SIZE = (
    "The file does not say how large its voxels are: they count as cubes of 1 mm, and if they are not, the result, "
    "volumes and distances are wrong."
)
NO_ORIENTATION = "The file does not say how the patient lies: left and right may be exchanged, and up and down."


def unsaid(path: Path, spacing: tuple[float, ...]) -> tuple[str, ...]:
    """Remarks about what is missing in the header of an image file; none where all is there, or it cannot be read.

    ``spacing`` is what was read, mm.
    """
    suffix = suffix_of(path.name).lower()
    try:
        if suffix.startswith(".nii"):
            return () if _nifti_has_orientation(path) else (NO_ORIENTATION,)
        if suffix in (".nrrd", ".nhdr"):
            fields = _fields(path, ":")
            size = {"spacings", "space directions"} & fields
            orientation = "space" in fields
        elif suffix in (".mha", ".mhd"):
            fields = _fields(path, "=")
            size = {"elementspacing", "elementsize"} & fields
            orientation = bool({"transformmatrix", "rotation", "orientation"} & fields)
        else:  # pictures
            return (*([NO_SIZE] if all(math.isclose(mm, 1.0, rel_tol=1e-3) for mm in spacing) else []), NO_ORIENTATION)
    except (OSError, EOFError, zlib.error):  # told where all of the file is read
        return ()
    return (*([] if size else [NO_SIZE]), *([] if orientation else [NO_ORIENTATION]))


def _nifti_has_orientation(path: Path) -> bool:
    with open(path, "rb") as plain:
        packed = plain.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if packed else open(path, "rb") as file:
        header = file.read(348)
    if len(header) < 348:
        return True
    order = next((order for order in "<>" if struct.unpack(order + "i", header[:4])[0] == 348), "")
    return not order or any(code > 0 for code in struct.unpack(order + "2h", header[252:256]))


def _fields(path: Path, mark: str) -> set[str]:
    """Names of the fields of a header of lines, which ends with an empty one or with the name of the data."""
    with open(path, "rb") as file:
        text = file.read(LONGEST).decode("latin-1")
    fields = set()
    for line in text.splitlines():
        name = line.partition(mark)[0].strip().lower()
        if not line.strip() or (mark == "=" and name == "elementdatafile"):
            break
        if re.fullmatch(r"[a-z][a-z ]*", name):
            fields.add(name)
    return fields
