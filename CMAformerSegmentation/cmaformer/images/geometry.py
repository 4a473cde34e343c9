"""Where the voxels of an image lie in the patient, to the last bit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK

from ..door.errors import ImageError

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Geometry:
    """Grid of a volume in ITK's patient coordinates (LPS, mm).

    ``size_ijk`` counts voxels along i, j, k; ``spacing`` is their distance in mm along i, j, k; ``origin`` the center
    of voxel (0, 0, 0); ``direction`` nine numbers row by row, whose columns are the unit vectors of i, j and k.
    Two geometries are equal only if every bit is.
    """

    size_ijk: tuple[int, int, int]
    spacing: Triple
    origin: Triple
    direction: tuple[float, ...]

    @classmethod
    def of_image(cls, image: SimpleITK.Image | SimpleITK.ImageFileReader) -> Geometry:
        """Geometry of a 3-D SimpleITK image (or of a reader that has read its header)."""
        return cls(
            tuple(int(n) for n in image.GetSize()),  # type: ignore[arg-type,no-untyped-call]
            tuple(float(v) for v in image.GetSpacing()),  # type: ignore[arg-type,no-untyped-call]
            tuple(float(v) for v in image.GetOrigin()),  # type: ignore[arg-type,no-untyped-call]
            tuple(float(v) for v in image.GetDirection()),  # type: ignore[no-untyped-call]
        )

    def apply_to(self, image: SimpleITK.Image) -> None:
        """Give a SimpleITK image of the same size this geometry."""
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)

    @property
    def shape_kji(self) -> tuple[int, int, int]:
        """Shape of the voxel array, (K, J, I)."""
        i, j, k = self.size_ijk
        return k, j, i

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in milliliters (the axes are orthogonal)."""
        return math.prod(self.spacing) / 1000.0


@dataclass(frozen=True)
class Volume:
    """Voxels (K, J, I) with their geometry.

    ``notes`` are remarks about the source that its user should read; ``others`` further images on the same grid, for
    models that look at several (see ``images/channels.py``); ``modality`` is that of DICOM ("CT", "MR"), else empty;
    ``patient`` tells those of DICOM apart, and says nothing else of them.
    """

    array: np.ndarray
    geometry: Geometry
    notes: tuple[str, ...] = ()
    others: tuple[np.ndarray, ...] = ()
    modality: str = ""
    patient: str = ""

    def __post_init__(self) -> None:
        for array in self.arrays:
            if tuple(array.shape) != self.geometry.shape_kji:
                raise ValueError(f"array {array.shape} does not fit the geometry {self.geometry.shape_kji} (K, J, I)")

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The voxels of all its images, each (K, J, I)."""
        return self.array, *self.others

    @classmethod
    def of_image(cls, image: SimpleITK.Image, name: str) -> Volume:
        """A scalar 3-D SimpleITK image, its number type kept; ``name`` is for messages. Raises ImageError."""
        if min(image.GetSize()) < 1:
            raise ImageError("empty-image", f"{name} has no voxels.")
        array = SimpleITK.GetArrayFromImage(image)
        if array.dtype.kind not in "iuf":
            raise ImageError("not-scalar", f"{name} holds {array.dtype} values; real numbers are needed.")
        return cls(array, Geometry.of_image(image))
