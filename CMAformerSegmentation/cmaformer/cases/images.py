"""The images of a case, as one volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .case_list import Case, CaseList

if TYPE_CHECKING:
    from ..images.geometry import Volume


def read_images(case: Case, case_list: CaseList) -> Volume:
    """All images of a case on the voxels of the first.

    Raises:
        ImageError: a file cannot be read, or one shows another part of the body ("other-place").
    """
    # Reading images needs SimpleITK, which a computer that trains a prepared job may not have.
    from ..images import channels

    return channels.read_images(case.images[0] if not case.others else case.images, case_list.images)
