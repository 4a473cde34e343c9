"""What the headers of DICOM files say of their images: where each lies, how large its pixels are, what it belongs to.

Tags are read with pydicom, which Slicer ships; pixels are decoded by SimpleITK (``dicom.py``), which also turns images
around in which small values are bright (MONOCHROME1). Standard: DICOM PS3.3, C.7.6.2 (image plane) and C.7.6.16
(multi-frame functional groups).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..door.errors import ImageError

Numbers = tuple[float, ...]
# Objects with pixels that are no images: segmentations, dose, presentation of other images.
NO_IMAGES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.481.2", "1.2.840.10008.5.1.4.1.1.11.")
# Functional groups of a frame in which its time and kind may stand.
FRAME_PARTS = ("FrameContentSequence", "CardiacSynchronizationSequence", "MREchoSequence", "MRDiffusionSequence")
# The functional group with slope and intercept, and the kinds of objects of which the decoder looks at it: enhanced and
# converted CT, MR and PET, X-ray in three dimensions.
VALUES = "PixelValueTransformationSequence"
_STORAGE = "1.2.840.10008.5.1.4.1.1."
DECODED = {_STORAGE + kind for kind in ("2.1", "2.2", "4.1", "4.4", "130", "128.1", "13.1.1")}
UNDEFINED = 0xFFFFFFFF
# How old files begin, which have no preamble: with a tag of group 2 or 8, in either byte order.
BEGINNINGS = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")


# Tags that order images at one place in time, the best first; and tags in which images of one volume are alike.
TIMES = (
    *("TemporalPositionIdentifier", "TemporalPositionIndex", "TriggerTime", "NominalCardiacTriggerDelayTime"),
    *("FrameReferenceDateTime", "AcquisitionTime", "ContentTime", "InstanceNumber"),
)
KINDS = ("EchoTime", "EffectiveEchoTime", "DiffusionBValue", "ComplexImageComponent")


@dataclass(frozen=True)
class Frame:
    """One image of a file.

    Attributes:
        path: of the file.
        number: of the image in it, from 0.
        size: rows and columns.
        position: of the center of the first pixel, in mm, LPS; None if the file does not say.
        orientation: unit vectors along a row and along a column, six numbers; likewise.
        pixel_mm: distance of rows and of columns in mm; likewise.
        when: what may order images at one place in time (TIMES), None for what the file does not say.
        kind: what else may differ between images at one place (KINDS).
        rescale: slope and intercept that the decoder leaves out; None where it leaves out none.
    """

    path: Path
    number: int
    size: tuple[int, int]
    position: Numbers | None
    orientation: Numbers | None
    pixel_mm: Numbers | None
    when: tuple[float | None, ...] = ()
    kind: tuple[str, ...] = ()
    rescale: tuple[float, float] | None = None


@dataclass(frozen=True)
class Header:
    """What one file says.

    Attributes:
        path: of the file.
        uid: of the object; two files with the same are copies.
        series, patient: identifiers, for comparison alone; they go into no message.
        scout: whether it is a localizer.
        samples: values per pixel.
        rescale: slope and intercept from stored values to the ones that count, as the decoder applies them.
        frames: its images.
        modality: "CT", "MR" and so on; empty where it is not said.
    """

    path: Path
    uid: str
    series: str
    patient: str
    scout: bool
    samples: int
    rescale: tuple[float, float]
    frames: tuple[Frame, ...]
    modality: str = ""


def is_dicom(path: Path) -> bool:
    """Whether a file says that it is DICOM (old ones without a preamble do not)."""
    try:
        with open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def headers_of(paths: Sequence[Path]) -> list[Header]:
    """The headers of the files that are DICOM images, without copies of the same object.

    Raises:
        ImageError: the pixels of a file are cut short, or a file cannot be opened.
    """
    found: dict[str, Header] = {}
    for path in paths:
        header = read_header(path)
        if header is not None:
            found.setdefault(header.uid or str(path), header)
    return list(found.values())


def read_header(path: Path) -> Header | None:
    """The header of a file; None if it is no DICOM image.

    Raises:
        ImageError: the pixels are cut short, or the file cannot be opened.
    """
    import pydicom

    try:
        with open(path, "rb") as file:
            begin = file.read(132)
            if begin[128:] != b"DICM" and begin[:2] not in BEGINNINGS:
                return None
            file.seek(0)
            data = pydicom.dcmread(file, stop_before_pixels=True, force=True)
            if not _is_image(data):
                return None
            _check_pixels(file, data, path)
        return _header(data, path)
    except OSError as error:
        reason = error.strerror or "no reason given"
        raise ImageError("unreadable-image", f"{path.name} cannot be opened ({reason}).") from None
    except ImageError:
        raise
    except Exception:  # pydicom raises many kinds for a file that is none
        return None


def _is_image(data: Any) -> bool:
    kind = str(data.get("SOPClassUID", ""))
    return "Rows" in data and "Columns" in data and "SOPInstanceUID" in data and not kind.startswith(NO_IMAGES)


def _check_pixels(file: BinaryIO, data: Any, path: Path) -> None:
    """Raise ImageError where there are fewer bytes of pixels than the header promises.

    ``file`` is where the reader has stopped: before the pixels, if there are any.
    """
    count = int(data.get("NumberOfFrames", 1) or 1)
    bits = data.Rows * data.Columns * int(data.get("SamplesPerPixel", 1)) * int(data.get("BitsAllocated", 16)) * count
    # pydicom 2 has other names for it.
    implicit, little = getattr(data, "original_encoding", None) or (data.is_implicit_VR, data.is_little_endian)
    head = file.read(12)
    if len(head) < 8:
        raise _cut(path)
    order = "<" if little or little is None else ">"
    if implicit:
        length, start = struct.unpack(order + "I", head[4:8])[0], file.tell() - len(head) + 8
    else:
        length, start = struct.unpack(order + "I", head[8:12])[0], file.tell()
    file.seek(0, 2)
    left = file.tell() - start
    if length == UNDEFINED:  # compressed: the decoder sees what is missing inside
        if left < 8:
            raise _cut(path)
    elif length > left or length < -(-bits // 8):
        raise _cut(path)


def _cut(path: Path) -> ImageError:
    return ImageError(
        "cut-short", f"The DICOM file {path.name} is cut short: pixels are missing.", "Export or copy it again."
    )


def _header(data: Any, path: Path) -> Header:
    kinds = [str(kind).upper() for kind in _values(data, "ImageType")]
    return Header(
        path=path,
        uid=str(data.get("SOPInstanceUID", "")),
        series=str(data.get("SeriesInstanceUID", "")),
        patient=str(data.get("PatientID", "") or ""),
        scout="LOCALIZER" in kinds,
        samples=int(data.get("SamplesPerPixel", 1) or 1),
        rescale=_decoded(data),
        frames=tuple(_frames(data, path)),
        modality=str(data.get("Modality", "") or "").upper(),
    )


def _decoded(data: Any) -> tuple[float, float]:
    """Slope and intercept that the decoder applies to a file: two files with others are no stack for it."""
    groups = data.get("PerFrameFunctionalGroupsSequence")
    if groups and str(data.get("SOPClassUID", "")) in DECODED:
        shared = (data.get("SharedFunctionalGroupsSequence") or [None])[0]
        return _rescale(_part(groups[0], shared, VALUES))
    return float(data.get("RescaleSlope", 1) or 1), float(data.get("RescaleIntercept", 0) or 0)


def _frames(data: Any, path: Path) -> list[Frame]:
    size = (int(data.Rows), int(data.Columns))
    groups = data.get("PerFrameFunctionalGroupsSequence")
    count = int(data.get("NumberOfFrames", 1) or 1)
    if not groups:
        where = _plane(data) if count == 1 else (None, None, _numbers(data, "PixelSpacing", 2))
        return [Frame(path, number, size, *where, *_told([data])) for number in range(count)]
    shared = (data.get("SharedFunctionalGroupsSequence") or [None])[0]
    left_out = _left_out(groups, shared, str(data.get("SOPClassUID", "")))
    frames = []
    for number, group in enumerate(groups):
        position = _numbers(_part(group, shared, "PlanePositionSequence"), "ImagePositionPatient", 3)
        orientation = _numbers(_part(group, shared, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
        pixel_mm = _numbers(_part(group, shared, "PixelMeasuresSequence"), "PixelSpacing", 2)
        items = [group, shared, *(_part(group, shared, name) for name in FRAME_PARTS)]
        frames.append(Frame(path, number, size, position, orientation, pixel_mm, *_told(items), left_out[number]))
    return frames


def _left_out(groups: Sequence[Any], shared: Any, kind: str) -> list[tuple[float, float] | None]:
    """Slope and intercept of each frame, as far as the decoder leaves them out.

    As GDCM 3.0 was tried: of DECODED objects it applies those of all frames, or those of the first frame to all; of
    others none.
    """
    scales = [_rescale(_part(group, shared, VALUES)) for group in groups]
    slope, intercept = scales[0] if kind in DECODED and scales else (1.0, 0.0)
    left = [(own / slope, offset - intercept * own / slope) for own, offset in scales]
    return [None if scale == (1.0, 0.0) else scale for scale in left]


def _rescale(values: Any) -> tuple[float, float]:
    slope, intercept = (_numbers(values, name, 1) for name in ("RescaleSlope", "RescaleIntercept"))
    return (slope or (1.0,))[0] or 1.0, (intercept or (0.0,))[0]


def _told(sources: Sequence[Any]) -> tuple[tuple[float | None, ...], tuple[str, ...]]:
    """What a frame says of its time and of its kind, in the first of some data sets that does."""

    def value(name: str) -> Any:
        return next((found for source in sources if source is not None and (found := source.get(name))), None)

    return tuple(_time(value(name)) for name in TIMES), tuple(str(value(name) or "") for name in KINDS)


def _time(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _plane(data: Any) -> tuple[Numbers | None, Numbers | None, Numbers | None]:
    return (
        _numbers(data, "ImagePositionPatient", 3),
        _numbers(data, "ImageOrientationPatient", 6),
        _numbers(data, "PixelSpacing", 2),
    )


def _part(group: Any, shared: Any, name: str) -> Any:
    """The one item of a functional group: of the frame itself, or of all frames."""
    for source in (group, shared):
        found = source.get(name) if source is not None else None
        if found:
            return found[0]
    return None


def _values(data: Any, name: str) -> list[Any]:
    value = data.get(name) if data is not None else None
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)


def _numbers(data: Any, name: str, count: int) -> Numbers | None:
    """Numbers of a tag; None where it is missing, incomplete, or no numbers."""
    try:
        values = tuple(float(value) for value in _values(data, name))
    except (TypeError, ValueError):
        return None
    return values if len(values) == count else None
