"""What the command ``computer`` tells, and a GPU that PyTorch finds but cannot compute on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tinymodel import save_tiny

from cmaformer import __main__ as cli
from cmaformer.door.errors import EngineError
from cmaformer.models.model import load_model
from cmaformer.network.device import choose_device, gpu_problem
from cmaformer.segmenting.computer import examine


@pytest.fixture
def broken_card(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A graphics card that PyTorch finds and that fails when something is computed: this build has no CUDA."""
    if torch.cuda.is_available():
        pytest.skip("this computer has a graphics card that works")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    gpu_problem.cache_clear()
    yield
    gpu_problem.cache_clear()


def test_facts_and_speed_of_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_tiny(tmp_path / "tiny-1.0.0")
    assert cli.main(["computer", "--json", "--model", str(tmp_path / "tiny-1.0.0"), "--device", "cpu"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["type"] == "computer" and facts["torch"] == torch.__version__ and facts["device"] == "cpu"
    assert facts["memory_mb"] > 500 and facts["cores"] >= 1 and facts["gpu_problem"] == ""
    assert facts["model"] == "tiny-1.0.0" and 0 < facts["megapixel_s"] < 600 and 0 < facts["load_s"] < 60
    assert cli.main(["computer", "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    assert f"PyTorch {torch.__version__}" in told and "cores" in told


def test_a_card_that_fails_its_test_is_not_used(broken_card: None) -> None:
    assert choose_device("auto").type == "cpu"
    facts = examine()
    assert facts["device"] == "cpu" and "CUDA" in facts["gpu_problem"]
    with pytest.raises(EngineError, match="does not compute with this version of PyTorch") as caught:
        choose_device("cuda")
    assert caught.value.code == "no-device" and "cpu" in caught.value.hint


def test_a_card_whose_memory_is_full_is_not_broken(broken_card: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_options: object) -> torch.Tensor:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch.Tensor, "to", full)
    assert gpu_problem("cuda") == ""


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["computer", "--json", "--model", "nothing-1.0.0"]) == 1
    assert json.loads(capsys.readouterr().out)["type"] == "error"


def test_no_time_without_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tiny(tmp_path / "tiny-1.0.0")

    def short(*_arguments: object) -> object:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("cmaformer.network.sliding_window.predict", short)
    assert examine(load_model(tmp_path / "tiny-1.0.0"), "cpu")["megapixel_s"] is None
