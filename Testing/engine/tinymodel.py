"""A model folder with a tiny random network, for the tests of everything around the network."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import torch

from cmaformer.models.model import Model, save_model
from cmaformer.network.cmaformer import CMAformer, NetworkConfig, configuration

NAMES = ["right ventricle", "myocardium", "left ventricle"]
COLORS = [[0, 80, 200], [220, 180, 0], [200, 30, 30]]


def describe(structures: int = 3, context: int = 0, images: tuple[str, ...] = (), **changes) -> dict:
    """Content of a model.json with that many structures and tiny widths; `input` changes are merged."""
    channels = (2 * context + 1) * max(1, len(images))
    percentiles = {"type": "percentile", "low": 0.5, "high": 99.5}
    named = [{"name": name, "normalization": percentiles} for name in images]
    network = configuration(
        "small", in_channels=channels, classes=structures + 1, widths=(8, 8, 8, 16, 16, 16), heads=2, depth=1, pooled=4
    )
    data = {
        "schema": 1,
        "id": "tiny-1.0.0",
        "version": "1.0.0",
        "title": "Tiny",
        "description": "Random weights, for tests",
        "task": "heart",
        "modality": "MR",
        "classes": [
            {"value": n + 1, "name": NAMES[n % 3], "color": COLORS[n % 3], "terminology": None}
            for n in range(structures)
        ],
        "input": {
            "channels": channels,
            "context_slices": context,
            "spacing_mm": [1.5, 1.5],
            "slicing": "acquired",
            "normalization": percentiles,
            **({"images": named} if images else {}),
            **changes.pop("input", {}),
        },
        "postprocessing": {"largest_component": [], "fill_holes": []},
        "network": network.to_dict(),
        "training": {"cases": 0},
        "metrics": {},
        "license": "CC0-1.0",
        "parent": None,
    }
    return {**data, **changes}


def save_tiny(folder: Path, seed: int = 0, **changes) -> Model:
    """Write a tiny model folder."""
    data = describe(**changes)
    torch.manual_seed(seed)
    network = CMAformer(NetworkConfig.from_dict(data["network"]))
    return save_model(folder, data, network.state_dict(), "# Tiny\n\nA card for people.\n")


class Thresholds:
    """A network whose answer is known: class c where the middle channel lies above the c-th threshold."""

    def __init__(self, *thresholds: float, fits: int = 10**9) -> None:
        self.thresholds, self.fits, self.batches = thresholds, fits, []

    def __call__(self, x: torch.Tensor) -> SimpleNamespace:
        if len(x) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.batches.append(len(x))
        middle = x[:, x.shape[1] // 2]
        level = sum((middle > t).long() for t in self.thresholds)
        logits = torch.nn.functional.one_hot(level, len(self.thresholds) + 1).permute(0, 3, 1, 2).float() * 20
        return SimpleNamespace(logits=logits)
