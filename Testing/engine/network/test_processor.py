"""Which number type a processor is faster with: timed once, remembered, and never guessed."""

from __future__ import annotations

import json

import pytest
import torch

from cmaformer.door.errors import EngineError
from cmaformer.network import processor


@pytest.fixture
def timed(monkeypatch, tmp_path):
    """A processor that has the instructions; gives the number of times that it was timed, and sets the verdict."""
    calls = []
    monkeypatch.delenv(processor.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr(processor, "cache_folder", lambda: tmp_path / "cmaformer")
    monkeypatch.setattr(processor, "_has_instructions", lambda: True)
    monkeypatch.setattr(processor, "faster_with_bfloat16", lambda: calls.append(1) or verdict[0])
    verdict = [True]

    def ask(answer=True):
        verdict[0] = answer
        processor.processor_prefers_bfloat16.cache_clear()
        return processor.processor_prefers_bfloat16()

    yield ask, calls
    monkeypatch.undo()
    processor.processor_prefers_bfloat16.cache_clear()


def test_the_verdict_is_remembered(timed, tmp_path, monkeypatch):
    ask, calls = timed
    assert ask(True) and ask(False) and len(calls) == 1
    (key,) = json.loads((tmp_path / "cmaformer" / "precision.json").read_text())
    assert torch.__version__ in key
    monkeypatch.setattr(processor, "_name", lambda: "another processor")
    assert not ask(False) and len(calls) == 2
    assert len(json.loads((tmp_path / "cmaformer" / "precision.json").read_text())) == 2


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 7}'])
def test_a_damaged_memory_is_timed_anew(timed, tmp_path, content):
    ask, calls = timed
    (tmp_path / "cmaformer").mkdir()
    (tmp_path / "cmaformer" / "precision.json").write_text(content)
    assert not ask(False) and len(calls) == 1 and not ask(True) and len(calls) == 1


def test_a_memory_that_cannot_be_written_is_no_error(timed, tmp_path):
    ask, calls = timed
    (tmp_path / "cmaformer").write_text("a file in the way")
    assert ask(True) and not ask(False) and len(calls) == 2


def test_who_wants_one_number_type_has_it(timed, monkeypatch):
    ask, calls = timed
    for wanted, expected in (("float32", False), ("BFloat16", True)):
        monkeypatch.setenv(processor.VARIABLE, wanted)
        assert ask() is expected
    monkeypatch.setenv(processor.VARIABLE, "float8")
    with pytest.raises(EngineError, match="float32 or bfloat16"):
        ask()
    assert calls == []


def test_without_instructions_nothing_is_timed(timed, monkeypatch):
    ask, calls = timed
    monkeypatch.setattr(processor, "_has_instructions", lambda: False)
    assert not ask(True) and calls == []


def test_timing_is_short_and_leaves_random_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with torch.inference_mode():
        assert processor.faster_with_bfloat16() in (True, False)
    assert torch.equal(torch.rand(4), expected)
    assert torch.is_grad_enabled()


def test_the_fastest_turns_decide(monkeypatch):
    """Of a processor on which bfloat16 takes half of the time, but for one slow turn."""
    now, reduced = [0.0], [False]
    real = torch.autocast

    def clock():
        return now[0]

    class Autocast(real):
        def __init__(self, device, dtype, enabled):
            reduced[0] = enabled
            super().__init__(device, dtype, enabled)

        def __exit__(self, *error):
            now[0] += (0.5 if reduced[0] else 1.0) * (9 if now[0] < 4 else 1)
            return super().__exit__(*error)

    monkeypatch.setattr(processor.torch, "autocast", Autocast)
    monkeypatch.setattr(processor.time, "perf_counter", clock)
    assert processor.faster_with_bfloat16()
