"""What `Testing/benchmarks/ship.py` does to the weights of a model that is bundled."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "ship.py"
BUNDLED = sorted((SCRIPT.parents[2] / "Resources" / "Models").glob("*/weights.pt"))


@pytest.fixture(scope="module")
def ship():
    specification = importlib.util.spec_from_file_location("ship", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_weights_are_rounded_to_the_nearest(ship):
    weights = torch.cat(
        [torch.randn(10000, generator=torch.Generator().manual_seed(0)), torch.tensor([0.0, 1.0, 1e-7])]
    )
    weights = torch.cat([weights, -weights]).half()
    found = ship.rounded(weights)
    normal = weights.float().abs() > 6.2e-5  # smaller ones have fewer bits
    assert found.dtype == torch.float16
    relative = ((found.float() - weights.float()) / weights.float())[normal]
    assert 0.01 < relative.abs().max() <= 1 / 64 and abs(relative.mean()) < 1e-3
    assert torch.equal(found[: len(weights) // 2], -found[len(weights) // 2 :])
    assert torch.equal(ship.rounded(found), found)
    counts = torch.arange(3)
    assert ship.rounded(counts) is counts
    with pytest.raises(ValueError, match="too large"):
        ship.rounded(torch.tensor([65504.0]).half())


def test_packed_weights_are_read_like_others_and_are_smaller(ship):
    state = {"a.weight": ship.rounded(torch.randn(64, 300).half()), "b.count": torch.tensor(7)}
    plain = io.BytesIO()
    torch.save(state, plain)
    packed = ship.packed(state)
    assert len(packed) < 0.75 * len(plain.getvalue()) and packed == ship.packed(state)
    read = torch.load(io.BytesIO(packed), weights_only=True)
    assert read.keys() == state.keys() and all(torch.equal(read[name], state[name]) for name in state)


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.parent.name)
def test_bundled_weights_are_rounded(ship, path):
    state = torch.load(path, weights_only=True)
    assert all(torch.equal(ship.rounded(value), value) for value in state.values())
    assert path.stat().st_size < 6e6
