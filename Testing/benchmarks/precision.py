"""How long this processor takes for a network in float32 and in bfloat16: a training step, and an answer.

    python Testing/benchmarks/precision.py cardiac-cine-mr-1.4.0 hippocampus-mr-1.3.0 --threads 1

The two take turns, so that other work on the computer slows both; medians of seconds, and their ratio.
`cmaformer/device.py` chooses between them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from cmaformer.models.installed import open_model

PATCHES = 4
TURNS = 9


def seconds(function: Callable[[bool], None], reduced: bool) -> float:
    """Of one call."""
    begin = time.perf_counter()
    function(reduced)
    return time.perf_counter() - begin


def compare(name: str) -> None:
    """Measure and print the rows of one model."""
    model = open_model(name, [])
    source = model.description.input
    network = model.network(torch.device("cpu")).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    side = source.patch or 128
    images = torch.randn(PATCHES, source.channels, side, side).contiguous(memory_format=torch.channels_last)

    def step(reduced: bool) -> None:
        network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            logits, sdm, _deep = network(images)
        (logits.float().square().mean() + sdm.float().square().mean()).backward()

    def answer(reduced: bool) -> None:
        network.eval()
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            network(images)

    for what, work in (("training step", step), ("answer", answer)):
        times: dict[bool, list[float]] = {False: [], True: []}
        for _turn in range(TURNS):
            for reduced, found in times.items():
                found.append(seconds(work, reduced))
        single, half = (statistics.median(times[reduced]) for reduced in (False, True))
        print(f"| {name}, {PATCHES} patches of {side} | {what} | {single:.3f} | {half:.3f} | {half / single:.2f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="ids or folders")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| | | float32 s | bfloat16 s | ratio |\n|---|---|---|---|---|")
    for each in options.models:
        compare(each)
