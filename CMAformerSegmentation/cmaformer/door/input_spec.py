"""What a network eats: the ``input`` part of a ``model.json``, read and checked once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from . import checks
from .bounds import fault
from .errors import ModelError
from .slicing import SLICINGS

# Directions in which a network may see mirror images, and the dimension of (B, C, H, W) that each turns around.
MIRRORS = {"rows": 2, "columns": 3}
# More images of one case than these are frames of a film, and no channels.
MOST_IMAGES = 16
# What is done with the intensities of an image where nothing else is chosen.
PERCENTILES: Mapping[str, Any] = {"type": "percentile", "low": 0.5, "high": 99.5}


@dataclass(frozen=True)
class ImageSpec:
    """One of the images of a case that a network sees together, such as T1 and FLAIR.

    Attributes:
        name: what people call it; empty where there is but one.
        normalization: see :class:`cmaformer.images.intensity.Normalization`.
    """

    name: str = ""
    normalization: Mapping[str, Any] = field(default_factory=lambda: dict(PERCENTILES))


@dataclass(frozen=True)
class InputSpec:
    """What a network eats.

    Attributes:
        images: of each case, in the order of the network's channels.
        context_slices: neighbors on each side of a slice that are channels, too.
        spacing_mm: (row, column) distance of pixels in mm; None keeps those of each image, or, in a plan, is open.
        slicing: one of :data:`cmaformer.door.slicing.SLICINGS`.
        patch: side in pixels of the patches that it was trained on (see ``network/sliding_window.py``); None: whole
            slices.
        mirror: directions in which it sees mirror images, too (see ``network/mirroring.py``).
    """

    images: tuple[ImageSpec, ...] = (ImageSpec(),)
    context_slices: int = 0
    spacing_mm: tuple[float, float] | None = None
    slicing: str = "oriented"
    patch: int | None = None
    mirror: tuple[str, ...] = ()

    @classmethod
    def fresh(cls, names: Sequence[str] = (), **chosen: Any) -> InputSpec:
        """What a new model eats where nothing else is chosen; ``names`` of several images, ``chosen`` other fields."""
        return cls(tuple(map(ImageSpec, names)) or (ImageSpec(),), **chosen)

    @property
    def channels(self) -> int:
        """Of the network: each image with its neighboring slices, one image after the other."""
        return len(self.images) * (2 * self.context_slices + 1)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images; empty where there is but one."""
        return tuple(image.name for image in self.images) if len(self.images) > 1 else ()

    @property
    def normalization(self) -> Mapping[str, Any]:
        """Of the first image."""
        return self.images[0].normalization

    def along(self, axis: str) -> InputSpec:
        """The same, sliced in one direction."""
        return replace(self, slicing=axis)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, as in ``model.json``; :meth:`of` reads them."""
        content: dict[str, Any] = {
            "channels": self.channels,
            "context_slices": self.context_slices,
            "spacing_mm": None if self.spacing_mm is None else list(self.spacing_mm),
            "slicing": self.slicing,
            "normalization": dict(self.normalization),
            "patch": self.patch,
        }
        if self.mirror:
            content["mirror"] = list(self.mirror)
        if len(self.images) > 1:
            content["images"] = [
                {"name": image.name, "normalization": dict(image.normalization)} for image in self.images
            ]
        return content

    @classmethod
    def of(cls, entry: Any) -> InputSpec:
        """Check the ``input`` part of a ``model.json``. Raises ModelError that names field and fault."""
        where = "input."
        if not checks.is_object(entry):
            raise fault(f'"input" must be an object, not {checks.kind(entry)}')
        context = checks.field(
            entry,
            "context_slices",
            lambda v: checks.is_whole(v) and 0 <= v <= 32,
            "a whole number from 0 to 32",
            where,
        )
        channels = checks.field(entry, "channels", checks.is_whole, "a whole number", where)
        images = _images(entry)
        each = 2 * context + 1
        if channels != len(images) * each:
            of = f" of {len(images)} images" if len(images) > 1 else ""
            raise fault(
                f'"input.channels" is {channels}, but {context} context slices on each side{of} make '
                f"{len(images) * each}"
            )
        spacing = entry.get("spacing_mm")
        if spacing is not None and not (
            checks.is_list(spacing)
            and len(spacing) == 2
            and all(checks.is_number(v) and 1e-3 <= v <= 1e3 for v in spacing)
        ):
            raise fault(f'"input.spacing_mm" must be two positive numbers (mm) or null, not {spacing!r}')
        known = ", ".join(SLICINGS)
        slicing = checks.field(
            entry, "slicing", lambda v: checks.is_text(v) and v in SLICINGS, f"one of {known}", where
        )
        patch = entry.get("patch")
        if patch is not None and not (checks.is_whole(patch) and 32 <= patch <= 8192):
            raise fault(f'"input.patch" must be a whole number of at least 32 pixels or null, not {patch!r}')
        mirror = entry.get("mirror", [])
        if not checks.is_list(mirror) or len(set(mirror)) != len(mirror) or not set(mirror) <= set(MIRRORS):
            raise fault(f'"input.mirror" must be a list of {" and ".join(MIRRORS)}, or empty, not {mirror!r}')
        pixel = None if spacing is None else (float(spacing[0]), float(spacing[1]))
        return cls(images, context, pixel, slicing, patch, tuple(mirror))


def _images(entry: Mapping[str, Any]) -> tuple[ImageSpec, ...]:
    if "images" not in entry:
        return (ImageSpec("", _normalization(entry, "input.")),)
    listed = checks.field(
        entry,
        "images",
        lambda v: checks.is_list(v) and 2 <= len(v) <= MOST_IMAGES and all(map(checks.is_object, v)),
        f"a list of 2 to {MOST_IMAGES} images",
        "input.",
    )
    images = []
    for number, image in enumerate(listed):
        where = f"input.images[{number}]."
        name = checks.field(image, "name", checks.is_text, "a non-empty text", where)
        images.append(ImageSpec(name, _normalization(image, where)))
    if len({image.name.casefold() for image in images}) != len(images):
        raise fault('"input.images" names two images alike')
    return tuple(images)


def _normalization(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    spec = checks.field(entry, "normalization", checks.is_object, "an object", where)
    try:
        check_normalization(spec)
    except ModelError as error:
        raise fault(f'"{where}normalization": {error.message}') from None
    return dict(spec)


def check_normalization(spec: Mapping[str, Any]) -> None:
    """Raise ModelError if a normalization of a model is not "window" or "percentile"."""
    kind = spec.get("type")
    if kind not in ("window", "percentile"):
        raise ModelError("bad-normalization", f"Unknown normalization {kind!r}; known are window and percentile.")
    low, high = spec.get("low"), spec.get("high")
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in (low, high))
    if not numbers or not low < high:  # type: ignore[operator]
        raise ModelError("bad-normalization", f"Normalization {kind} needs two numbers low < high, got {low}, {high}.")
    if kind == "percentile" and not 0 <= low < high <= 100:  # type: ignore[operator]
        raise ModelError("bad-normalization", f"Percentiles must lie in 0..100, got {low}, {high}.")
