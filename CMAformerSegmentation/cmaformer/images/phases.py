"""Images of several phases, such as a cine: a folder of DICOM, a file with a fourth axis, or a sequence of Slicer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import SimpleITK

from ..door.errors import ImageError
from ..door.names import stem_of
from .dicom import count_phases, files_of, no_phase
from .dicom_headers import is_dicom


class ImagePart(NamedTuple):
    """A file or DICOM folder, or one phase of it.

    Attributes:
        path: of the image.
        phase: its number, from 1; None for an image of one volume.
        others: further images of the same patient, which the model looks at, too.
        shared: what the names of these files share; empty where there is but one.
    """

    path: Path
    phase: int | None = None
    others: tuple[Path, ...] = ()
    shared: str = ""

    @property
    def name(self) -> str:
        """The name to show."""
        return self.path.name if self.phase is None else f"{self.path.name} phase {self.phase}"

    @property
    def stem(self) -> str:
        """The beginning of the names of what is made of it."""
        stem = self.shared or stem_of(self.path.name).removesuffix(".seq")
        return stem if self.phase is None else f"{stem}-phase{self.phase:02d}"


def phases_of(path: str | os.PathLike[str]) -> int:
    """How many phases an image has: 1 where it is one volume, or where it cannot be read (reading it tells why)."""
    path = Path(path)
    try:
        if path.is_dir():
            return count_phases(files_of(path))
        if is_dicom(path):
            return count_phases([path])
        reader = SimpleITK.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        return phases_in(reader, path)
    except (ImageError, OSError, RuntimeError, UnicodeEncodeError):
        return 1


def phases_in(reader: SimpleITK.ImageFileReader, path: Path) -> int:
    """How many phases a file has whose header was read: along its fourth axis, or in the list of each voxel."""
    size = reader.GetSize()
    if len(size) == 4 and reader.GetNumberOfComponents() == 1:
        return int(size[3])
    return int(reader.GetNumberOfComponents()) if is_list(path) and len(size) == 3 else 1


def is_list(path: Path) -> bool:
    """Whether the values of a voxel in an NRRD file are a list, as Slicer writes sequences, and no color or vector."""
    if not path.name.lower().endswith((".nrrd", ".nhdr")):
        return False
    with open(path, "rb") as file:
        for line in file:
            if not line.strip():
                return False
            if line.lower().startswith(b"kinds:"):
                return b"list" in line.lower()
    return False


def take(reader: SimpleITK.ImageFileReader, path: Path, phase: int | None) -> SimpleITK.Image:
    """One phase of a file whose header was read.

    Raises:
        ImageError: there are several and none is asked for ("not-3d"), or there is no such phase ("no-phase").
        RuntimeError: it cannot be read.
    """
    count, size = phases_in(reader, path), reader.GetSize()
    if phase is None and count > 1:
        raise ImageError(
            "not-3d",
            f"{path.name} has {count} phases {tuple(size)}; one volume is needed.",
            "Choose one with --phase, all with --phases all, or save one time point as a volume.",
        )
    if phase is not None and not 1 <= phase <= count:
        raise no_phase(path.name, phase, count)
    number = (phase or 1) - 1
    if len(size) > 3:
        reader.SetExtractSize([*size[:3], *([0] * (len(size) - 3))])
        reader.SetExtractIndex([0, 0, 0, number, *([0] * (len(size) - 4))])
        return reader.Execute()
    image = reader.Execute()
    return SimpleITK.VectorIndexSelectionCast(image, number) if count > 1 else image
