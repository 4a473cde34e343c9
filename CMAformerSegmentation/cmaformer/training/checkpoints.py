"""Checkpoints: tensors and plain values in a file that is written whole or not at all."""

from __future__ import annotations

import errno
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..door.errors import JobError
from ..door.files import write_whole
from ..parallel import processes


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values to a file, whole or not at all.

    The bytes are on the disk before the name changes, so that not even a power failure leaves half a file.

    Raises:
        JobError: the disk is full; what was there before stays.
        OSError: it cannot be written for another reason.
    """
    try:
        write_whole(path, lambda file: torch.save(state, file), flush=True)
    except (OSError, RuntimeError) as error:  # PyTorch has an error of its own for a short write
        free = shutil.disk_usage(path.parent).free
        needed = _size(state)
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or free < needed:
            raise JobError(
                "disk-full",
                f"The disk of the job folder is full: {max(1, round(needed / 1e6))} MB are needed for a checkpoint.",
                "Free some space, then resume: the last checkpoint is kept.",
            ) from None
        if isinstance(error, RuntimeError):
            text = f"The file {path.name} of the training cannot be written."
            raise JobError("file-error", text, "Is the disk full, or the file too large for it?") from None
        raise


def _size(state: Any) -> int:
    """Bytes of the tensors in nested values, about what a checkpoint of them takes."""
    if isinstance(state, torch.Tensor):
        return state.numel() * state.element_size()
    entries = state.values() if isinstance(state, Mapping) else state if isinstance(state, (list, tuple)) else ()
    return sum(_size(entry) for entry in entries)


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What :func:`save_atomically` wrote, without running any code from it.

    Raises:
        JobError: the file is damaged.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # PyTorch does not look at the checksums itself
            if archive.testzip() is not None:
                raise ValueError("checksum")
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a zip, pickle or key error, whatever the damage hits
        raise JobError(
            "bad-checkpoint",
            f"The file {path.name} of the training is damaged ({type(error).__name__}).",
            "Copy the job folder once more, or start the training again.",
        ) from None
    return state


def load_for_all(path: Path) -> dict[str, Any] | None:
    """Like :func:`load`, None if there is no such file; the first of several processes reads it for all of them.

    Never onto the device, which may have no room for two of everything.
    """
    return processes.on_rank_zero(lambda: load(path) if path.exists() else None)
