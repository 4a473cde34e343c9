"""What the engine costs, side by side with the bare network and with networks of MONAI: ratios, on this computer.

    make bench                                  # or: python Testing/benchmarks/bench.py --rounds 3 --out bench.md

Everything is computed in float32 with one thread, on synthetic images (no patient). The rows of a table take turns, and
ratios are medians over the rounds. Peers are those of the Python package monai (which needs einops), untrained:
their time does not depend on their weights. nnU-Net is not among them: it wants an environment of its own.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "CMAformerSegmentation"), str(ROOT / "CMAformerSegmentation" / "CMAformerSegmentationLib")]

from cmaformer.images.geometry import Geometry, Volume  # noqa: E402
from cmaformer.images.grid import SliceGrid  # noqa: E402
from cmaformer.images.intensity import Normalization  # noqa: E402
from cmaformer.images.volume import write_label_map  # noqa: E402
from cmaformer.models.installed import open_model  # noqa: E402
from cmaformer.segmenting.segment import prepare, segment  # noqa: E402

# Name of the model, and shape (K, J, I) and spacing (I, J, K) in mm of an image that it is made for.
IMAGES = {
    "cardiac-cine-mr": ((10, 256, 216), (1.5, 1.5, 10.0)),
    "abdomen-ct": ((40, 512, 512), (0.78, 0.78, 3.0)),
    "hippocampus-mr": ((35, 50, 36), (1.0, 1.0, 1.0)),
}


def image(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Volume:
    """Smooth shapes with noise; what is in it does not matter for the time."""
    rng = np.random.default_rng(0)
    j, i = np.indices(shape[1:])
    disc = np.hypot(j - shape[1] / 2, i - shape[2] / 2) < min(shape[1:]) / 4
    array = (200 + 600 * disc + rng.normal(0, 40, shape)).astype(np.float32)
    return Volume(array, Geometry(shape[::-1], spacing, (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1)))


def peers(classes: int, channels: int) -> dict[str, tuple[torch.nn.Module, int | None]]:
    """Networks of MONAI in their usual sizes, and the side of their windows; None: whole slices."""
    from monai.networks.nets import UNETR, BasicUNet, SwinUNETR, UNet

    usual = (16, 32, 64, 128, 256)
    return {
        "MONAI UNet (1.6 M), whole slices": (UNet(2, channels, classes, usual, (2, 2, 2, 2), num_res_units=2), None),
        "MONAI BasicUNet, whole slices": (BasicUNet(2, channels, classes), None),
        "SwinUNETR, windows of 96": (SwinUNETR(channels, classes, feature_size=24, spatial_dims=2), 96),
        "UNETR, windows of 96": (UNETR(channels, classes, (96, 96), spatial_dims=2), 96),
    }


@torch.inference_mode()
def peer_run(network: torch.nn.Module, slices: torch.Tensor, side: int | None) -> None:
    """All slices through a network, four at a time, as MONAI's own inference does it."""
    from monai.inferers import sliding_window_inference

    for start in range(0, len(slices), 4):
        part = slices[start : start + 4]
        if side is None:
            rows, columns = (-(-n // 16) * 16 for n in part.shape[-2:])
            grown = torch.nn.functional.pad(part, (0, columns - part.shape[-1], 0, rows - part.shape[-2]))
            network(grown)
        else:
            sliding_window_inference(part, (side, side), 4, network, overlap=0.5)


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of this process."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def inference(name: str, rounds: int) -> list[str]:
    """The table of one model."""
    model, volume = open_model(name, []), image(*IMAGES[name])
    about = model.description
    network = prepare(model, torch.device("cpu")).eval()
    bare = getattr(network, "network", network)
    axis = about.input.slicing if about.input.slicing != "orthogonal" else "axial"
    grid = SliceGrid(volume.geometry, axis, about.input.spacing_mm)
    plain = torch.from_numpy(Normalization(about.input.normalization, volume.array)(
        grid.to_model(volume.array, np.arange(grid.count))
    ))[:, None]  # fmt: skip
    slices = plain.expand(-1, about.input.channels, -1, -1).contiguous()
    frames = torch.tensor([[-1.0, -1.0, 1.0, 1.0]])

    def once() -> None:
        with torch.inference_mode():
            for start in range(0, len(slices), 4):
                part = slices[start : start + 4]
                rows, columns = (-(-n // 32) * 32 for n in part.shape[-2:])
                grown = torch.nn.functional.pad(part, (0, columns - part.shape[-1], 0, rows - part.shape[-2]))
                bare(grown, frames.expand(len(part), -1))

    work: dict[str, Callable[[], object]] = {
        "the whole slices once through the bare network": once,
        f"**segment, {model.id}**": lambda: segment(volume, model, device=torch.device("cpu"), network=network),
    }
    for peer, (other, side) in peers(len(about.classes) + 1, about.input.channels).items():
        work[peer] = lambda other=other, side=side: peer_run(other.eval(), slices, side)
    times: dict[str, list[float]] = {key: [] for key in work}
    for number in range(rounds + 1):
        for key, function in work.items():
            spent = seconds(function)
            if number:  # the first round warms up
                times[key].append(spent)
    own = times[f"**segment, {model.id}**"]
    base = times["the whole slices once through the bare network"]
    shape = " x ".join(str(n) for n in volume.geometry.size_ijk)
    lines = [f"{name}, {shape} voxels:", "", "| | CPU s | / whole slices once | theirs / ours |", "|---|---|---|---|"]
    for key, spent in times.items():
        whole = statistics.median(a / b for a, b in zip(spent, base))
        ratio = statistics.median(a / b for a, b in zip(spent, own))
        lines.append(f"| {key} | {statistics.median(spent):.2f} | {whole:.2f} | {ratio:.2f} |")
    return [*lines, ""]


def commands(rounds: int) -> list[str]:
    """Whole commands: cold, two at once, and with four times the slices."""
    folder = Path(tempfile.mkdtemp())
    shape, spacing = IMAGES["cardiac-cine-mr"]
    for factor in (1, 4):
        volume = image((factor * shape[0], *shape[1:]), spacing)
        write_label_map(folder / f"{factor}.nrrd", (volume.array / 8).clip(0, 255).astype(np.uint8), volume.geometry)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "CMAformerSegmentation"), "OMP_NUM_THREADS": "1"}

    def start(file: str, number: int = 0) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "cmaformer", "segment", str(folder / file), "--device", "cpu"]
        command += ["--model", "cardiac-cine-mr", "-o", str(folder / f"out{number}.nrrd")]
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wall(files: list[str]) -> float:
        begin = time.perf_counter()
        for process in [start(file, number) for number, file in enumerate(files)]:
            process.wait()
        return time.perf_counter() - begin

    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch, scipy, SimpleITK"], env=environment, check=True)
    imports = time.perf_counter() - begin
    alone, both, four = [], [], []
    for _round in range(rounds):
        alone.append(wall(["1.nrrd"]))
        both.append(wall(["1.nrrd", "1.nrrd"]))
        four.append(wall(["4.nrrd"]))
    one = statistics.median(alone)
    net = statistics.median((b - imports) / (a - imports) for a, b in zip(alone, four))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))
    return [
        "The command with the model of the heart (one thread each):", "",
        "| | |", "|---|---|",
        f"| command, cold | {one:.1f} s, of which {imports:.1f} s are imports |",
        f"| two at once / one | {statistics.median(b / a for a, b in zip(alone, both)):.2f} |",
        f"| four times the slices / one, without the imports | {net:.2f} |",
        f"| largest resident memory | {peak:.0f} MB |", "",
    ]  # fmt: skip


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="*", default=list(IMAGES), choices=list(IMAGES))
    parser.add_argument("--out", type=Path, help="write the tables into this file, too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    lines = [f"{processor}, {os.cpu_count()} cores, PyTorch {torch.__version__}, {options.rounds} rounds.", ""]
    for name in options.models:
        lines += inference(name, options.rounds)
        print("\n".join(lines[-9:]), flush=True)
    lines += commands(options.rounds)
    text = "\n".join(lines)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
