"""Whether a graphics card computes what the processor computes, and how fast: needs torch, numpy and scipy alone.

    python Testing/benchmarks/gpu.py [--device cuda]

Segments synthetic hearts with the bundled model on both devices (the whole engine but reading and writing), compares
the label maps with each other and with the truth, and times the network. Borrowed machines have no SimpleITK, which
nothing here calls.
"""

from __future__ import annotations

import argparse
import sys
import time
import types
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "CMAformerSegmentation"))
if find_spec("SimpleITK") is None:  # only its types are named by what runs here
    sys.modules["SimpleITK"] = types.ModuleType("SimpleITK")


def main() -> None:
    """Compare and time, and print a table."""
    from cmaformer.images.geometry import Geometry, Volume
    from cmaformer.models.installed import open_model
    from cmaformer.network.cmaformer import CMAformer, configuration
    from cmaformer.network.device import choose_device, precision, synchronize
    from cmaformer.segmenting.metrics import dice
    from cmaformer.segmenting.segment import segment
    from CMAformerSegmentationLib.scene.syntheticHeart import shortAxisHeart

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--model", default="cardiac-cine-mr-1.3.0")
    args = parser.parse_args()
    device = choose_device(args.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    print(f"{name}, torch {torch.__version__}, {precision(device)}")
    model = open_model(args.model)
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
    for layout in ("compact", "pyramid"):
        network = CMAformer(configuration("small", classes=9, layout=layout, norm="batch", gated=True))
        network = network.to(device, memory_format=torch.channels_last)
        for size in (1, 24):
            x = torch.randn(size, 1, 256, 256, device=device).to(memory_format=torch.channels_last)

            def step(learn: bool, network: CMAformer = network, x: torch.Tensor = x) -> None:
                enabled = precision(device) == torch.bfloat16
                with torch.autocast(device.type, torch.bfloat16, enabled), torch.set_grad_enabled(learn):
                    logits = network.train(learn)(x).logits
                if learn:
                    logits.float().square().mean().backward()

            for learn in (False, True):
                times = []
                for _ in range(8 if device.type == "cuda" else 2):
                    synchronize(device)
                    start = time.perf_counter()
                    step(learn)
                    synchronize(device)
                    times.append(time.perf_counter() - start)
                what = "forward and backward" if learn else "forward"
                print(f"{layout}, {size} x 256 x 256, {what}: {1000 * np.median(times):.1f} ms")


if __name__ == "__main__":
    main()
