"""What the tests of the engine share."""

from __future__ import annotations

import importlib

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tiny networks are faster on one thread, and repeat themselves to the last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def busy_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer with a graphics card whose memory is taken."""
    from cmaformer import device
    from cmaformer.model import Model

    segment = importlib.import_module("cmaformer.segment")  # the package's `segment` is its function
    real = segment.prepare

    def prepare(model: Model, where: torch.device) -> torch.nn.Module:
        if where.type == "cuda":
            raise device.out_of_memory(where)
        return real(model, where)

    monkeypatch.setattr(device, "choose_device", lambda name: torch.device("cuda" if name == "auto" else name))
    monkeypatch.setattr(device, "release", lambda where: None)
    monkeypatch.setattr(segment, "prepare", prepare)
