"""What the tests of the engine share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from segmentcases import WINDOW
from tinymodel import save_tiny


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
    from cmaformer.models.model import Model
    from cmaformer.network import device
    from cmaformer.segmenting import segment

    real = segment.prepare

    def prepare(model: Model, where: torch.device) -> torch.nn.Module:
        if where.type == "cuda":
            raise device.out_of_memory(where)
        return real(model, where)

    monkeypatch.setattr(device, "choose_device", lambda name: torch.device("cuda" if name == "auto" else name))
    monkeypatch.setattr(device, "release", lambda where: None)
    monkeypatch.setattr(segment, "prepare", prepare)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny models: their normalization makes the gray values of `segmentcases.image_of` known."""
    folder = tmp_path_factory.mktemp("models")
    save_tiny(folder / "plain", input={**WINDOW, "spacing_mm": None})
    save_tiny(folder / "axial", input={**WINDOW, "slicing": "axial", "spacing_mm": [0.6, 0.55]})
    save_tiny(folder / "context", context=2, input={**WINDOW, "spacing_mm": None})
    save_tiny(folder / "random", id="random")
    return folder
