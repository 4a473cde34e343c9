"""What `Testing/benchmarks/ship.py` does to the weights of a model that is bundled."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "ship.py"
BUNDLED = sorted((SCRIPT.parents[2] / "Resources" / "Models").glob("*/weights.pt"))


@pytest.fixture(scope="module")
def ship():
    specification = importlib.util.spec_from_file_location("ship", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_each_channel_is_rounded_to_a_step_of_its_own(ship):
    size = torch.tensor([1e-5, 1e-3, 0.1, 3.0, 0.0]).reshape(-1, 1, 1, 1)
    weights = (size * torch.randn(5, 40, 3, 3, generator=torch.Generator().manual_seed(0))).half()
    found = ship.rounded(weights)
    assert found.dtype == torch.float16 and found.isfinite().all() and not found[4].any()
    for channel, values in zip(found[1:4], weights[1:4]):
        error = (channel.float() - values.float()).abs()
        step = 2 * error.max()
        assert 0.055 < step / values.float().square().mean().sqrt() <= 0.13
        assert len(channel.unique()) < 150 < len(values.unique())
        assert (channel.float() - values.float()).mean().abs() < 0.05 * step
    assert torch.equal(ship.rounded(-weights), -found)


def test_few_weights_are_not_rounded(ship):
    for few in (torch.randn(500).half(), torch.randn(80, 3, 3, 3).half(), torch.arange(100).reshape(2, 50)):
        assert ship.rounded(few) is few


def test_packed_weights_are_read_like_others_and_are_smaller(ship):
    state = {"a.weight": ship.rounded(torch.randn(64, 300).half()), "b.count": torch.tensor(7)}
    plain = io.BytesIO()
    torch.save(state, plain)
    packed = ship.packed(state)
    assert len(packed) < 0.6 * len(plain.getvalue()) and packed == ship.packed(state)
    read = torch.load(io.BytesIO(packed), weights_only=True)
    assert read.keys() == state.keys() and all(torch.equal(read[name], state[name]) for name in state)


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.parent.name)
def test_bundled_weights_are_rounded(ship, path):
    state = torch.load(path, weights_only=True)
    finer = 2 * ship.STEPS  # the root mean square of what has been rounded is another, a little
    assert all(torch.equal(ship.rounded(value, finer), value) for value in state.values())
    assert path.stat().st_size < 4e6
