"""What this computer can do: device and memory, and the speed of a model."""

from __future__ import annotations

import os
import platform
import sys
import time
from typing import TYPE_CHECKING, Any

import torch

from ..network.device import choose_device, gpu_problem, is_out_of_memory, precision, release, synchronize

if TYPE_CHECKING:
    from ..models.model import Model

# Side in pixels of the slice on which a model is timed; larger ones are seen in windows, too.
TIMED_SIDE = 256


def examine(model: Model | None = None, device: str = "auto") -> dict[str, Any]:
    """What this computer can do for a model.

    Args:
        model: timed on one slice of noise; None times nothing.
        device: as for :func:`cmaformer.network.device.choose_device`.

    Returns:
        "python", "torch" (versions); "device" ("cpu", "cuda" or "mps"), "name" and "memory_mb" of what the network
        runs on (None where it is not known); "cores"; "precision"; "gpu_problem" (why a GPU that PyTorch finds is not
        used, else ""); with a model "model" (its id), "load_s" (seconds until it is ready) and "megapixel_s" (seconds
        for a million pixels of its grid; None where the memory is short at the moment).

    Raises:
        EngineError: ``bad-device`` or ``no-device``, and what loading the model raises.
    """
    found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else ""
    where = choose_device(device)
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": where.type,
        "name": device_name(where),
        "memory_mb": memory_mb(where),
        "cores": os.cpu_count(),
        "precision": str(precision(where)).rpartition(".")[2],
        "gpu_problem": gpu_problem(found) if found and where.type == "cpu" and device == "auto" else "",
    }
    if model is not None:
        start = time.perf_counter()
        network = _ready(model, where)
        facts.update(model=model.id, load_s=round(time.perf_counter() - start, 3))
        facts["megapixel_s"] = None if network is None else _megapixel_seconds(network, model, where)
    return facts


def device_name(device: torch.device) -> str | None:
    """What people call the device; None where nobody knows."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    return None


def memory_mb(device: torch.device) -> int | None:
    """Memory in MB of a graphics card, or of the computer for other devices; None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory >> 20)
    if sys.platform == "win32":
        return _windows_memory_mb()
    try:
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20)
    except (ValueError, OSError):
        return None


def _windows_memory_mb() -> int | None:
    import ctypes

    kilobytes = ctypes.c_ulonglong()
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    known = kernel.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes))
    return int(kilobytes.value >> 10) if known else None


def _ready(model: Model, device: torch.device) -> torch.nn.Module | None:
    from ..door.errors import EngineError
    from .segment import prepare

    try:
        return prepare(model, device)
    except EngineError as error:
        if error.code != "out-of-memory":
            raise
        return None


@torch.inference_mode()
def _megapixel_seconds(network: torch.nn.Module, model: Model, device: torch.device) -> float | None:
    """Seconds for a million pixels of the model's grid: the second of two slices, as the first one sets things up."""
    from ..network.sliding_window import predict

    source, kind = model.description.input, precision(device)
    generator = torch.Generator().manual_seed(0)
    shape = (1, source.channels, TIMED_SIDE, TIMED_SIDE)
    noise = torch.randn(shape, generator=generator)
    seconds = 0.0
    try:
        for _ in range(2):
            start = time.perf_counter()
            x = noise.to(device).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, kind, enabled=kind != torch.float32):
                predict(network, x, source.patch)
            synchronize(device)
            seconds = time.perf_counter() - start
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        release(device)
        return None
    return round(seconds / (TIMED_SIDE**2 / 1e6), 4)
