"""Whether this processor computes faster in bfloat16 than in float32: timed once, and remembered.

Instructions for bfloat16 say little: with AVX512-BF16 one maker's processor takes 0.6 of the time of float32, another's
1.7 times as long (Testing/benchmarks/README.md).
"""

from __future__ import annotations

import functools
import os
import platform
import sys
import time
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

from ..door.errors import EngineError
from ..door.files import read_json, write_json

# Set by who wants the same rounding on every computer: "float32" or "bfloat16".
VARIABLE = "CMAFORMER_PRECISION"
# Below this part of the time of float32 bfloat16 pays.
WORTH_IT = 0.9
TURNS = 4
_FILE = "precision.json"
_WORDS = {"amx_bf16", "avx512_bf16", "bf16"}  # of Linux, of processors that have instructions for it


@functools.cache
def processor_prefers_bfloat16() -> bool:
    """Whether bfloat16 pays on this processor.

    Raises EngineError: ``bad-precision`` where the environment asks for another number type.
    """
    wanted = os.environ.get(VARIABLE, "").strip().lower()
    if wanted:
        if wanted not in ("float32", "bfloat16"):
            raise EngineError("bad-precision", f"{VARIABLE} is {wanted!r}; it can be float32 or bfloat16.")
        return wanted == "bfloat16"
    if not _has_instructions():
        return False
    path = cache_folder() / _FILE
    key = f"{_name()}, PyTorch {torch.__version__}"
    known = read_json(path).get(key)
    if isinstance(known, bool):
        return known
    verdict = faster_with_bfloat16()
    with suppress(OSError, ValueError):  # it is timed again then
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {**read_json(path), key: verdict}, indent=1)
    return verdict


def settle(verdict: bool) -> None:
    """Compute in bfloat16, or not, from here on: several processes of one training follow the first one."""
    os.environ[VARIABLE] = "bfloat16" if verdict else "float32"
    processor_prefers_bfloat16.cache_clear()


def faster_with_bfloat16() -> bool:
    """Time both with a small network of the usual layers, forward and backward, in turns; about half a second.

    Random numbers of the caller stay as they are. Other work on the computer slows both; the fastest turns count.
    """
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for inputs, outputs, stride in ((16, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1)):
            convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
        network = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = torch.randn(2, 16, 96, 96).contiguous(memory_format=torch.channels_last)
        times: dict[bool, list[float]] = {False: [], True: []}
        for turn in range(TURNS + 1):
            for reduced, found in times.items():
                begin = time.perf_counter()
                with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
                    answer = network(images)
                answer.float().square().mean().backward()
                if turn:  # the first one allocates memory and chooses algorithms
                    found.append(time.perf_counter() - begin)
    return min(times[True]) < WORTH_IT * min(times[False])


def cache_folder() -> Path:
    """Where small things that can be found again are remembered on this computer."""
    given = os.environ.get("XDG_CACHE_HOME") if sys.platform not in ("win32", "darwin") else None
    if sys.platform == "win32":
        given = os.environ.get("LOCALAPPDATA")
    try:
        default = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    except RuntimeError:  # nobody's home
        default = Path(os.devnull)
    return (Path(given) if given else default) / "cmaformer"


def _has_instructions() -> bool:
    """Whether there is anything to time: without instructions for it, bfloat16 is several times slower."""
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)  # private, so possibly gone in another version
    if probe is not None and probe():
        return True
    if sys.platform != "linux":
        return False
    return bool(_WORDS & set(_cpuinfo().split()))


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return ""


def _name() -> str:
    """The processor, as its maker calls it."""
    for line in _cpuinfo().splitlines():
        if line.startswith(("model name", "CPU part")):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
