"""Whether a file holds all the voxels that its header promises; some readers fill up what is missing without a word."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..door.errors import ImageError

CHUNK = 1 << 20
NIFTI_HEADER = 352  # bytes
# Bytes of a voxel by MetaImage's name of its type.
META_BYTES = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "LONG": 4, "ULONG": 4}
META_BYTES.update(LONG_LONG=8, ULONG_LONG=8, FLOAT=4, DOUBLE=8)


def check_nifti(path: Path) -> None:
    """Refuse a NIfTI file with fewer voxels than its header says, or whose compressed bytes are damaged.

    Raises:
        ImageError: code ``cut-short``. A file that is no NIfTI is left to its reader.
    """
    try:
        with open(path, "rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        if packed:
            with gzip.open(path, "rb") as file:  # its checksum is looked at where it ends
                header = file.read(352)
                size = len(header) + sum(map(len, _chunks(file)))
        else:
            with open(path, "rb") as file:
                header = file.read(352)
            size = path.stat().st_size
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise _cut_short(path) from None
    except OSError:
        return  # the reader tells why
    wanted = _nifti_bytes(header)
    if wanted is not None and size < wanted:
        raise _cut_short(path)


def holds(path: Path, size: int) -> bool:
    """Whether a label map that was just written (.nrrd, .nii, .nii.gz, .mha) holds so many bytes of voxels."""
    try:
        if path.name.endswith(".nii.gz"):
            with gzip.open(path, "rb") as file:
                return sum(map(len, _chunks(file))) >= NIFTI_HEADER + size
        if not path.name.endswith(".nrrd"):
            return path.stat().st_size >= size + (NIFTI_HEADER if path.name.endswith(".nii") else 0)
        with open(path, "rb") as plain:
            while line := plain.readline():
                if not line.strip():  # the header ends with an empty line
                    with gzip.GzipFile(fileobj=plain) as file:
                        return sum(map(len, _chunks(file))) == size
    except (EOFError, zlib.error, gzip.BadGzipFile):
        pass
    return False


def check_meta_image(path: Path) -> None:
    """The same of a compressed MetaImage file (.mha, or .mhd with its data beside it)."""
    try:
        with open(path, "rb") as file:
            header: dict[str, str] = {}
            while "ElementDataFile" not in header:
                line = file.readline(4096)
                match = re.match(rb"\s*(\w+)\s*=\s*(.*?)\s*$", line)
                if not match:
                    return  # the reader tells
                header[match[1].decode()] = match[2].decode("utf-8", "replace")
            if header.get("CompressedData", "").lower() != "true":
                return
            voxels = 1
            for n in header.get("DimSize", "").split():
                voxels *= int(n)
            each = META_BYTES.get(header.get("ElementType", "").removeprefix("MET_"))
            wanted = None if each is None else voxels * each * int(header.get("ElementNumberOfChannels", 1))
            name = header["ElementDataFile"]
            if name.upper() == "LOCAL":
                size = _inflated(file)
            else:
                with open(path.parent / name, "rb") as data:
                    size = _inflated(data)
    except (OSError, ValueError):
        return
    except zlib.error:
        raise _cut_short(path) from None
    if wanted is not None and size < wanted:
        raise _cut_short(path)


def _inflated(file: BinaryIO) -> int:
    """Bytes of a zlib stream, of which the checksum is looked at. Raises zlib.error where it is damaged."""
    stream, size = zlib.decompressobj(), 0
    for chunk in _chunks(file):
        size += len(stream.decompress(chunk))
    return size + len(stream.flush()) if stream.eof else -1


def _chunks(file: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _nifti_bytes(header: bytes) -> int | None:
    """Bytes that a file needs by its header; None where it is none of NIfTI 1 or 2."""
    for order in "<>":
        if len(header) < 348:
            return None
        kind = struct.unpack(order + "i", header[:4])[0]
        if kind == 348:
            dims, bits = struct.unpack(order + "8h", header[40:56]), struct.unpack(order + "h", header[72:74])[0]
            start = struct.unpack(order + "f", header[108:112])[0] if header[344:347] == b"n+1" else 0
        elif kind == 540:
            dims, bits = struct.unpack(order + "8q", header[16:80]), struct.unpack(order + "h", header[14:16])[0]
            start = struct.unpack(order + "q", header[168:176])[0]
        else:
            continue
        count = 1
        for n in dims[1 : 1 + max(0, min(7, dims[0]))]:
            count *= max(1, n)
        return int(start) + -(-count * bits // 8)
    return None


def _cut_short(path: Path) -> ImageError:
    return ImageError(
        "cut-short",
        f"{path.name} is cut short or damaged: voxels are missing.",
        "Copy, download or export it again.",
    )
