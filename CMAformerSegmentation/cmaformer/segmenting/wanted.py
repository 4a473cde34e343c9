"""What is wanted of a volume beside its label map."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from ..door.errors import EngineError
from .region import Ranges, Region

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    class Options(TypedDict, total=False):
        """The fields of :class:`Wanted`, as callers of ``segment`` name them."""

        batch_size: int | None
        cleanup: bool
        region: Region | Ranges | None
        uncertainty: bool


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a volume.

    Attributes:
        batch_size: slices at a time; None chooses by the memory of the device.
        cleanup: whether the model's clean-up follows.
        region: the part that is segmented; None is the whole volume.
        uncertainty: whether to look, too, at how sure the model is; of a whole volume.
    """

    batch_size: int | None = None
    cleanup: bool = True
    region: Region | None = None
    uncertainty: bool = False

    @classmethod
    def of(cls, **options: Unpack[Options]) -> Wanted:
        """From the words of a caller; a region may be six voxel indices (I0, I1, J0, J1, K0, K1), inclusive.

        Raises:
            TypeError: a word is none of the fields.
            EngineError: ``bad-batch-size``, or ``bad-options`` for uncertainty of a region.
            ImageError: the region is none.
        """
        unknown = set(options) - {known.name for known in fields(cls)}
        if unknown:
            raise TypeError(f"segment() knows no {', '.join(sorted(unknown))}")
        region = Region.of(options.get("region"))
        batch, cleanup = options.get("batch_size"), options.get("cleanup", True)
        wanted = cls(batch, cleanup, region, options.get("uncertainty", False))
        if wanted.batch_size is not None and wanted.batch_size < 1:
            raise EngineError("bad-batch-size", f"The batch size must be at least 1, not {wanted.batch_size}.")
        if wanted.uncertainty and region is not None:
            raise EngineError("bad-options", "How sure the model is can be told of a whole volume, not of a region.")
        return wanted
