"""Whether a graphics card computes what the processor computes, and how fast: needs torch, numpy and scipy alone.

    python Testing/benchmarks/gpu.py [--device cuda] [--parts hearts volumes steps profile]

Segments synthetic hearts with the bundled model on both devices (the whole engine but reading and writing) and compares
the label maps with each other and with the truth; times volumes of everyday sizes, cold and warm, with the share of the
network and the memory; times the network and steps of a training, launched one by one and as recorded graphs. Borrowed
machines have no SimpleITK, which nothing here calls.
"""

from __future__ import annotations

import argparse
import sys
import time
import types
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "CMAformerSegmentation"))
if find_spec("SimpleITK") is None:  # only its types are named by what runs here
    sys.modules["SimpleITK"] = types.ModuleType("SimpleITK")

# Model, voxels (K, J, I) and spacing in mm (I, J, K) of everyday volumes.
VOLUMES = [
    ("cardiac-cine-mr", (10, 256, 216), (1.4, 1.4, 8.0)),
    ("hippocampus-mr", (36, 50, 35), (1.0, 1.0, 1.0)),
    ("abdomen-ct", (100, 512, 512), (0.8, 0.8, 4.0)),
    ("abdomen-ct", (400, 512, 512), (0.8, 0.8, 1.0)),
]
PARTS = ("hearts", "volumes", "steps", "profile")


def hearts(device: torch.device) -> None:
    """The bundled model on two synthetic hearts, on both devices."""
    from cmaformer.images.geometry import Geometry, Volume
    from cmaformer.models.installed import open_model
    from cmaformer.segmenting.metrics import dice
    from cmaformer.segmenting.segment import segment
    from CMAformerSegmentationLib.scene.syntheticHeart import shortAxisHeart

    model = open_model("cardiac-cine-mr")
    for seed in (7, 8):
        heart = shortAxisHeart(seed=seed)
        k, row, column = heart.image.shape
        volume = Volume(heart.image, Geometry((column, row, k), heart.spacing, heart.origin, heart.direction))
        results = {}
        for where in ("cpu", str(device), str(device)):
            start = time.perf_counter()
            results[where] = segment(volume, model, device=where).labels
            scores = np.round(dice(results[where], heart.labels, 4), 4)
            print(f"heart {seed} {heart.image.shape} on {where}: {time.perf_counter() - start:.2f} s, Dice {scores}")
        both = dice(results["cpu"], results[str(device)], 4)
        differ = np.mean(results["cpu"] != results[str(device)])
        print(f"  between them: Dice {np.round(both, 4)}, {differ:.1e} of the voxels differ")


def volumes(device: torch.device) -> None:
    """Smooth noise in everyday sizes: what matters for the time is how much there is of it."""
    from cmaformer.images.geometry import Geometry, Volume
    from cmaformer.models.installed import open_model
    from cmaformer.network.cmaformer import CMAformer
    from cmaformer.segmenting.segment import segment

    seconds = [0.0]

    def before(module: Any, _: Any) -> None:
        if isinstance(module, CMAformer):
            _synchronize(device)
            seconds[0] -= time.perf_counter()

    def after(module: Any, _: Any, __: Any) -> None:
        if isinstance(module, CMAformer):
            _synchronize(device)
            seconds[0] += time.perf_counter()

    everywhere = torch.nn.modules.module
    hooks = [everywhere.register_module_forward_pre_hook(before), everywhere.register_module_forward_hook(after)]
    rng = np.random.default_rng(0)
    for name, shape, spacing in VOLUMES:
        coarse = torch.from_numpy(rng.normal(40, 80, (1, 1, 8, 8, 8)).astype(np.float32))
        image = torch.nn.functional.interpolate(coarse, size=shape, mode="trilinear")[0, 0].numpy().astype(np.int16)
        straight = tuple(np.eye(3).ravel().tolist())
        volume = Volume(image, Geometry(shape[::-1], spacing, (0.0, 0.0, 0.0), straight))
        model = open_model(name)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        for kind in ("cold", "warm", "warm"):
            seconds[0], start = 0.0, time.perf_counter()
            result = segment(volume, model, device=str(device))
            total = time.perf_counter() - start
            peak = torch.cuda.max_memory_reserved() / 2**30 if device.type == "cuda" else 0.0
            steps = ", ".join(f"{step} {value:.2f}" for step, value in result.steps.items())
            print(
                f"{name} {shape} {kind}: {total:.2f} s, network {seconds[0]:.2f} s ({seconds[0] / total:.0%}), "
                f"{peak:.1f} GiB; {steps}",
                flush=True,
            )
    for hook in hooks:
        hook.remove()


def steps(device: torch.device) -> None:
    """The network alone: forward, and forward and backward, launched one by one and as recorded graphs."""
    from cmaformer.network.cmaformer import configuration
    from cmaformer.network.device import autocast
    from cmaformer.network.memory import PortionedNetwork
    from cmaformer.network.recorded import RecordedNetwork

    for layout in ("compact", "pyramid"):
        settings = configuration("small", classes=9, layout=layout, norm="batch", gated=True)
        torch.manual_seed(0)
        network = PortionedNetwork(settings).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        recorded = RecordedNetwork(network, device)
        for size in (1, 24):
            x = torch.randn(size, 1, 256, 256, device=device).to(memory_format=torch.channels_last)
            frames = torch.tensor([[-1.0, -1, 1, 1]], device=device).repeat(size, 1)

            def forward(network: PortionedNetwork = network, x: Any = x, frames: Any = frames) -> None:
                with autocast(device), torch.no_grad():
                    network.eval()(x, frames)

            def step(call: Any = network, network: PortionedNetwork = network, x: Any = x, frames: Any = frames) -> Any:
                network.train().zero_grad(set_to_none=True)
                with autocast(device):
                    prediction = call(x, frames)
                (prediction.logits.float().square().mean() + prediction.sdm.float().square().mean()).backward()
                return [parameter.grad for parameter in network.parameters()]

            print(f"{layout}, {size} x 256 x 256: forward {_milliseconds(forward, device):.1f} ms", end="")
            print(f", forward and backward {_milliseconds(step, device):.1f} ms", end="", flush=True)
            if device.type == "cuda":
                before, again = _flat(step()), _flat(step())
                start = time.perf_counter()
                after = _flat(step(recorded))
                took = time.perf_counter() - start
                works = recorded.records(x)
                if not works:
                    raise SystemExit("The network could not be recorded.")
                print(
                    f", recorded ({works}, in {took:.1f} s) {_milliseconds(partial(step, recorded), device):.1f} ms",
                    end="",
                )
                apart, noise = (float((v - before).norm() / before.norm()) for v in (after, again))
                print(f", gradients differ by {apart:.1e} of them, those of two launched steps by {noise:.1e}", end="")
                if apart > 0.01 + 5 * noise:
                    raise SystemExit("The recorded network computes something else.")
            print(flush=True)


def profile(device: torch.device) -> None:
    """Where a step of the pyramid spends its time on the card."""
    from cmaformer.network.cmaformer import CMAformer, configuration
    from cmaformer.network.device import autocast

    network = CMAformer(configuration("small", classes=9, layout="pyramid", norm="batch", gated=True))
    network = network.to(device, memory_format=torch.channels_last)
    x = torch.randn(24, 1, 256, 256, device=device).to(memory_format=torch.channels_last)

    def step() -> None:
        with autocast(device):
            logits = network(x).logits
        logits.float().square().mean().backward()

    for _ in range(3):
        step()
    kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=kinds) as found:
        for _ in range(3):
            step()
        _synchronize(device)
    print(found.key_averages().table(sort_by="self_cuda_time_total", row_limit=28, max_name_column_width=60))


def _flat(gradients: list[Any]) -> torch.Tensor:
    return torch.cat([gradient.flatten().float() for gradient in gradients if gradient is not None])


def _synchronize(device: torch.device) -> None:
    from cmaformer.network.device import synchronize

    synchronize(device)


def _milliseconds(call: Callable[[], Any], device: torch.device) -> float:
    """Median of some calls."""
    times = []
    for _ in range(12 if device.type == "cuda" else 2):
        _synchronize(device)
        start = time.perf_counter()
        call()
        _synchronize(device)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def main() -> None:
    """Compare and time, and print what was found."""
    from cmaformer.network.device import choose_device, precision

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    args = parser.parse_args()
    device = choose_device(args.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    print(f"{name}, torch {torch.__version__}, {precision(device)}", flush=True)
    for part in args.parts:
        start = time.perf_counter()
        {"hearts": hearts, "volumes": volumes, "steps": steps, "profile": profile}[part](device)
        print(f"({part}: {time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
