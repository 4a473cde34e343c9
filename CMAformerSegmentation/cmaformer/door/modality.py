"""Whether an image is of another modality than a model was made for, as DICOM calls them."""

from __future__ import annotations

# Models may say in words of their own what they are made for; nothing follows from those.
KNOWN = ("CT", "MR", "PT", "US")


def is_other(image: str, model: str) -> bool:
    """Whether the modality of an image (empty: unknown) is another than the known one of a model."""
    return bool(image) and model.upper() in KNOWN and image.upper() != model.upper()
