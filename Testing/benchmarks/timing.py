"""Time and peak memory of whole ``segment`` commands: a real volume, and a synthetic one of 512x512x200.

    python Testing/benchmarks/timing.py cardiac-cine-mr-1.4.0 [IMAGE ...]

Prints for each image the seconds of the whole command (interpreter, imports, reading, network, writing), the seconds of
the network alone, and the largest resident memory. Linux and macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK

ENGINE = Path(__file__).resolve().parents[2] / "CMAformerSegmentation"
# On Linux the kernel counts kilobytes, on macOS bytes.
MEGABYTE = 1024 * 1024 if sys.platform == "darwin" else 1024


def large_volume(path: Path) -> None:
    """Write 200 slices of 512x512 at 0.8 x 0.8 x 2 mm: smooth int16 shapes with noise."""
    rng = np.random.default_rng(0)
    j, i = np.indices((512, 512))
    slices = np.empty((200, 512, 512), np.int16)
    for k in range(200):
        disc = np.hypot(j - 256, i - 256) < 60 + 0.3 * k
        slices[k] = 200 + 600 * disc + rng.normal(0, 40, disc.shape)
    image = SimpleITK.GetImageFromArray(slices)
    image.SetSpacing((0.8, 0.8, 2.0))
    SimpleITK.WriteImage(image, str(path))


def measure(image: Path, model: str, device: str) -> tuple[float, dict, float]:
    """Seconds of the whole command, its own summary, and its peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cmaformer", "segment", str(image), "--model", model, "--device", device]
        command += ["-o", str(Path(folder) / "labels.nrrd"), "--json"]
        environment = {**os.environ, "PYTHONPATH": str(ENGINE)}
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        output = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
    if status:
        raise SystemExit(f"the command failed: {output.splitlines()[-1:]}")
    return seconds, json.loads(output.splitlines()[-1]), usage.ru_maxrss / MEGABYTE


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("images", nargs="*", type=Path)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}")
    print(f"{'voxels':>14}  {'command s':>9}  {'network s':>9}  {'peak MB':>8}  device")
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.nrrd"
        large_volume(large)
        for image in [*arguments.images, large]:
            reader = SimpleITK.ImageFileReader()
            reader.SetFileName(str(image))
            reader.ReadImageInformation()
            size = "x".join(str(n) for n in reader.GetSize())
            seconds, summary, peak = measure(image, arguments.model, arguments.device)
            network = summary["steps"]["network"]
            device = f"{summary['device']}, {summary['precision']}"
            print(f"{size:>14}  {seconds:9.1f}  {network:9.1f}  {peak:8.0f}  {device}")


if __name__ == "__main__":
    main()
