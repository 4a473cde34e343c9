"""What a Slicer segmentation file (.seg.nrrd) says of its values: names, not just numbers."""

from __future__ import annotations

import re
from pathlib import Path

# The text of a header ends with an empty line; it is never longer than this.
HEADER_BYTES = 1 << 20


def segment_names(path: Path) -> dict[int, str]:
    """The name of each label value, from the header of an NRRD file; empty if it names none, or is no NRRD file.

    Slicer writes ``Segment0_Name``, ``Segment0_LabelValue`` and so on. Segments of several layers share values; such a
    file has several values per voxel and cannot be read as one label map anyway.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        if file.read(4) != b"NRRD":
            return {}
        header = file.read(HEADER_BYTES).partition(b"\n\n")[0].decode("utf-8", "replace")
    fields = dict(re.findall(r"^(Segment\d+_\w+):=(.*)$", header.replace("\r", ""), re.MULTILINE))
    names = {}
    for key, name in fields.items():
        number, _, what = key.partition("_")
        value = fields.get(f"{number}_LabelValue", "")
        if what == "Name" and value.strip().isdecimal():
            names[int(value)] = name.strip()
    return names
