"""Where the network runs, in which number type, and how many slices at a time."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F

from ..door.errors import EngineError
from .processor import processor_prefers_bfloat16

Result = TypeVar("Result")

CHOICES = ("auto", "cpu", "cuda", "mps")
# Pixels per batch. On a processor larger batches gain nothing but memory (measured: 4 slices of 256x256 are enough).
CPU_PIXELS = 4 * 256 * 256
# Bytes that one input pixel needs at the peak of the network on a GPU, estimated generously; an out-of-memory error
# halves the batch anyway.
GPU_BYTES_PER_PIXEL = 3000
GPU_SLICES = 32


def choose_device(name: str = "auto") -> torch.device:
    """``auto`` takes CUDA, else Apple's MPS, if they compute, else the processor; ``cuda:1`` is understood too.

    Raises EngineError: ``bad-device`` for an unknown name, ``no-device`` if this computer does not have it or PyTorch
    cannot compute on it.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise EngineError("bad-device", f"Unknown device {name!r}; known are {', '.join(CHOICES)}.")
    mps = bool(getattr(torch.backends, "mps", None)) and torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
        name = "cpu" if gpu_problem(name) else name
    device = torch.device(name)
    missing = (device.type == "mps" and not mps) or (
        device.type == "cuda" and (device.index or 0) >= (torch.cuda.device_count() if torch.cuda.is_available() else 0)
    )
    if missing:
        raise EngineError(
            "no-device", f"This computer has no device {name} that PyTorch can use.", "Choose auto or cpu."
        )
    problem = gpu_problem(name)
    if problem:
        raise EngineError(
            "no-device", f"The GPU does not compute with this version of PyTorch ({problem}).", "Choose auto or cpu."
        )
    return device


@functools.cache
def gpu_problem(name: str) -> str:
    """Why PyTorch cannot compute on a GPU that it finds, found out with one small tensor; empty where it can.

    A card may be too old or too new for the PyTorch that is installed, or its driver may be broken: that shows only
    when something is computed.

    Args:
        name: "cuda", "cuda:N" or "mps"; the processor ("cpu") has no problem.
    """
    if name == "cpu":
        return ""
    try:
        small = torch.arange(16, dtype=torch.float32).reshape(1, 1, 4, 4)
        found = F.conv2d(small.to(name), torch.ones(1, 1, 3, 3, device=name)).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        # A full card is not a broken one.
        return "" if is_out_of_memory(error) else (str(error).strip().splitlines() or ["unknown error"])[0]
    return "" if torch.equal(found, F.conv2d(small, torch.ones(1, 1, 3, 3))) else "it computes wrong numbers"


def synchronize(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def precision(device: torch.device) -> torch.dtype:
    """Number type of the network: bfloat16 where the hardware is faster so, float16 on older GPUs, float32 else."""
    if device.type == "cuda":
        if torch.version.hip:  # AMD: capability numbers mean something else
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        major, _ = torch.cuda.get_device_capability(device)
        return torch.bfloat16 if major >= 8 else torch.float16 if major >= 7 else torch.float32
    if device.type == "cpu" and processor_prefers_bfloat16():
        return torch.bfloat16
    return torch.float32


def batch_size(device: torch.device, model_shape: tuple[int, int], source_shape: tuple[int, int], classes: int) -> int:
    """Slices at a time, bounded by the network's maps (model pixels) and the probabilities (source pixels)."""
    # Probabilities and their copy take 8 bytes a class and pixel; a pixel inside the network takes some hundred bytes.
    pixels = max(model_shape[0] * model_shape[1], source_shape[0] * source_shape[1] * classes // 32, 1)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return max(1, min(GPU_SLICES, int(0.5 * free / (GPU_BYTES_PER_PIXEL * pixels))))
    if device.type == "mps":
        return max(1, min(GPU_SLICES, 4 * CPU_PIXELS // pixels))
    return max(1, min(GPU_SLICES, CPU_PIXELS // pixels))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of PyTorch means that a device, or the computer, has no memory left."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    # The processor's allocator, Apple's back end and CUDA's libraries tell it in words only.
    words = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def out_of_memory(device: torch.device | None = None) -> EngineError:
    """The error of a device that cannot hold a single slice, or (None) of a computer that cannot hold the result."""
    if device is None:
        return EngineError(
            "out-of-memory",
            "The memory of this computer is not sufficient for this volume.",
            "Close other programs, crop the volume, or choose a region.",
        )
    if device.type == "cpu":
        return EngineError(
            "out-of-memory",
            "The memory of this computer is not sufficient, not even for one slice at a time.",
            "Close other programs, or crop the volume.",
        )
    return EngineError(
        "out-of-memory",
        "The memory of the graphics card is not sufficient, not even for one slice at a time.",
        "Choose the CPU as device, or close other programs that use the graphics card.",
    )


def with_fallback(
    name: str | torch.device, work: Callable[[torch.device], Result], warn: Callable[[str, str, str], None]
) -> Result:
    """Do ``work`` on a device; on the processor where the device was chosen by itself and its memory is short.

    So a volume is segmented while a training has the graphics card. ``warn(code, message, hint)`` tells of it.

    Raises EngineError: ``bad-device`` or ``no-device`` as :func:`choose_device`, and what ``work`` raises.
    """
    device = name if isinstance(name, torch.device) else choose_device(name)
    try:
        return work(device)
    except EngineError as error:
        if error.code != "out-of-memory" or name != "auto" or device.type == "cpu":
            raise
    release(device)
    warn(
        "on-processor",
        "The graphics card has not enough free memory, perhaps because a training uses it; "
        "this runs on the processor, which takes longer.",
        "",
    )
    return work(torch.device("cpu"))


def release(device: torch.device) -> None:
    """Give unused cached memory of a GPU back."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def autocast(device: torch.device, cache_enabled: bool | None = None) -> torch.autocast:
    """bf16 where the hardware computes it; fp32 elsewhere (fp16 would need loss scaling). For trainings."""
    enabled = precision(device) == torch.bfloat16
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled, cache_enabled=cache_enabled)
