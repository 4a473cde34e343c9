"""The images of a case, as one volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .case_list import Case, CaseList, CasesError

if TYPE_CHECKING:
    from ..images.geometry import Volume


def read_images(case: Case, case_list: CaseList, wanted: Sequence[str] | None = None) -> Volume:
    """All images of a case on the voxels of the first.

    Args:
        case: its files.
        case_list: names its images.
        wanted: names of the images in the order in which a model looks at them; None: as the list has them.

    Raises:
        CasesError: the list has other images than are wanted ("other-images").
        ImageError: a file cannot be read, or one shows another part of the body ("other-place").
    """
    # Reading images needs SimpleITK, which a computer that trains a prepared job may not have.
    from ..images import channels

    order = list(range(len(case.images))) if wanted is None else order_of(case_list.images, wanted)
    volume = channels.read_images(case.images[0] if not case.others else case.images, case_list.images)
    if order == sorted(order):
        return volume
    first, *others = (volume.arrays[place] for place in order)
    return replace(volume, array=first, others=tuple(others))


def order_of(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Places of the wanted images among those of a list. Raises CasesError ("other-images") if it has others."""
    places = {name.casefold(): place for place, name in enumerate(names)}
    if sorted(places) != sorted(name.casefold() for name in wanted):
        looks = f"looks at {', '.join(wanted)}" if wanted else "looks at one image"
        has = f"the cases have {', '.join(names)}" if names else "the cases have one image"
        raise CasesError("other-images", f"The model {looks}, and {has}.", "Name the images of the list as the model.")
    return [places[name.casefold()] for name in wanted]
