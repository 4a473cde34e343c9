"""Checkpoints: tensors and plain values in a file that is written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..door.errors import JobError
from ..door.files import write_whole
from ..parallel import processes


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values to a file, whole or not at all.

    The bytes are on the disk before the name changes, so that not even a power failure leaves half a file.
    """
    write_whole(path, lambda file: torch.save(state, file), flush=True)


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What :func:`save_atomically` wrote, without running any code from it.

    Raises:
        JobError: the file is damaged.
        OSError: it cannot be read.
    """
    try:
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
