"""A label map as a DICOM segmentation object (DICOM SEG) of the series that was segmented.

It is written with highdicom (C. Bridge *et al.*, Journal of Digital Imaging 35, 2022), which Slicer ships; for the
engine alone it is the extra ``cmaformer[dicom]``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..door.description import Description, Structure
from ..door.errors import ImageError
from ..door.files import replaced
from .dicom import ordered_frames
from .dicom_headers import Frame
from .geometry import Geometry

SUFFIX = ".dcm"
ANATOMY = ("SCT", "123037004", "Anatomical Structure")
# Of patient and study, repeated in the object.
MAY_BE_EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime"),
    *("AccessionNumber", "ReferringPhysicianName"),
)
# What a structure is called that has no code of its own.
TISSUE = ("SCT", "85756007", "Tissue")


def check_dicom_seg(source: str | os.PathLike[str]) -> None:
    """Whether a DICOM SEG can be written for an image, before anything is computed.

    Raises:
        ImageError: ``no-highdicom``; or the image is no folder of DICOM images (``no-dicom``).
    """
    highdicom_or_refuse()
    if not Path(source).is_dir():
        raise ImageError(
            "no-dicom",
            "A DICOM SEG belongs to a DICOM series, and the image is none.",
            "Give the folder of the series, or write another format.",
        )


def write_dicom_seg(
    path: str | os.PathLike[str],
    labels: np.ndarray,
    geometry: Geometry,
    source: str | os.PathLike[str],
    model: Description,
    phase: int | None = None,
) -> None:
    """Write the label map of a series; the file appears whole or not at all.

    Patient and study are those of the series, as the standard wants it: the file names the patient.

    Args:
        path: of the file, ending in ``.dcm``.
        labels: uint8 (K, J, I) on the grid as which :func:`cmaformer.images.volume.read_volume` gives the folder.
        geometry: that grid.
        source: the folder of the series.
        model: what made it; it names the structures and their codes.
        phase: that was segmented, from 1, of a series with several.

    Raises:
        ImageError: highdicom is not there (``no-highdicom``), the series cannot be referred to (``no-reference``), or
            the file cannot be written (``unwritable``).
    """
    frames = ordered_frames(Path(source), phase)
    numbers = np.zeros(256, np.uint8)  # segments are numbered 1, 2, 3, ... whatever the values of the labels
    for number, structure in enumerate(model.classes, 1):
        numbers[structure.value] = number
    try:
        datasets = _datasets(frames, geometry)
        segmentation = _object(datasets, _as_stored(numbers[labels], frames, datasets), model)
        with replaced(Path(path)) as temporary:
            segmentation.save_as(temporary)
    except ImageError:
        raise
    except OSError:
        raise ImageError(
            "unwritable", f"{Path(path).name} cannot be written.", "Is the folder there, writable, and not full?"
        ) from None
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        # The words of other errors may quote what the file says of a patient.
        missing = re.search(r"has no attribute '(\w+)'", str(error))
        raise ImageError(
            "no-reference",
            "The DICOM series lacks what a DICOM SEG must repeat of it "
            f"({missing[1] if missing else type(error).__name__}).",
            "Use the images as the scanner wrote them, or write another format.",
        ) from None


def _datasets(frames: Sequence[Frame], geometry: Geometry) -> list[Any]:
    """The files of the images in the order of the slices, with what must be repeated of them."""
    import pydicom

    datasets = [pydicom.dcmread(path) for path in dict.fromkeys(frame.path for frame in frames)]
    for data in datasets:  # what the standard lets be empty, scanners leave out
        for keyword in MAY_BE_EMPTY:
            if keyword not in data:
                setattr(data, keyword, "")
        if len(datasets) == len(frames) and not data.get("SliceThickness"):
            data.SliceThickness = geometry.spacing[2]
    return datasets


def _as_stored(pixels: np.ndarray, frames: Sequence[Frame], datasets: Sequence[Any]) -> np.ndarray:
    """The numbers of segments in the order of the frames of a multi-frame file, as highdicom takes them.

    Raises:
        ImageError: the file holds other frames, too ("no-reference").
    """
    if len(datasets) == len(frames):
        return pixels
    if len(datasets) > 1 or int(datasets[0].NumberOfFrames) != len(frames):
        raise ImageError(
            "no-reference",
            "The DICOM series keeps several phases in one file, of which a DICOM SEG cannot name one here.",
            "Write another format.",
        )
    stored = np.empty_like(pixels)
    stored[[frame.number for frame in frames]] = pixels
    return stored


def _object(datasets: Sequence[Any], pixels: np.ndarray, model: Description) -> Any:
    """The segmentation object, not yet written."""
    highdicom = highdicom_or_refuse()
    return highdicom.seg.Segmentation(
        source_images=datasets,
        pixel_array=pixels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(n, structure, model) for n, structure in enumerate(model.classes, 1)],
        series_instance_uid=highdicom.UID(),
        series_number=100,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="SlicerCMAformer",
        manufacturer_model_name=model.id[:64],
        software_versions=__version__,
        device_serial_number="0",
        content_label="SEGMENTATION",
        content_description=model.title[:64],
        series_description=f"CMAformer {model.title}"[:64],
    )


def _segment(number: int, structure: Structure, model: Description) -> Any:
    """The description of a segment: name, codes, color, and what made it."""
    highdicom = highdicom_or_refuse()
    codes = structure.terminology or {}
    description = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=structure.name[:64],
        segmented_property_category=code_of(codes.get("category") or ANATOMY),
        segmented_property_type=code_of(codes.get("type") or TISSUE),
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=f"CMAformer {model.id}"[:64],
            version=model.version[:64],
            family=code_of(("DCM", "123109", "Artificial Intelligence")),
        ),
        display_color=highdicom.color.CIELabColor.from_rgb(*structure.color),
    )
    if codes.get("modifier"):
        description.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [
            code_of(codes["modifier"])
        ]
    return description


def code_of(parts: Sequence[str]) -> Any:
    """A code of scheme, value and meaning as highdicom takes it."""
    scheme, value, meaning = parts
    return highdicom_or_refuse().sr.CodedConcept(value=value, scheme_designator=scheme, meaning=meaning[:64])


def highdicom_or_refuse() -> Any:
    """The package highdicom. Raises ImageError (``no-highdicom``) where it is not installed."""
    try:
        import highdicom
    except ImportError:
        raise ImageError(
            "no-highdicom",
            "Writing DICOM SEG needs the Python package highdicom.",
            "Install it: pip install cmaformer[dicom]. Slicer has it.",
        ) from None
    return highdicom
