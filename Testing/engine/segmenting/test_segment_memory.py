"""Segmentation where memory is short or precision is low, and on which device."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from geometries import GRIDS, blobs, geometry
from segmentcases import KNOWN, image_of
from tinymodel import Thresholds

from cmaformer import segment as segment_function
from cmaformer.door.errors import EngineError
from cmaformer.door.watcher import Watcher
from cmaformer.images.geometry import Volume
from cmaformer.network.device import (
    batch_size,
    choose_device,
    is_out_of_memory,
    out_of_memory,
    precision,
)


def test_out_of_memory_halves_the_batch_and_goes_on(models: Path) -> None:
    labels = blobs(GRIDS["standard"])
    network, warnings = Thresholds(*KNOWN, fits=3), []
    result = segment_function(
        image_of(labels, GRIDS["standard"]),
        models / "plain",
        device="cpu",
        batch_size=8,
        network=network,
        watcher=Watcher(warning=lambda *words: warnings.append(words)),
    )
    np.testing.assert_array_equal(result.labels, labels)
    assert network.batches == [2] * 6
    assert result.batch_size == 2
    assert [code for code, _, _ in warnings] == ["smaller-batch", "smaller-batch"]


def test_out_of_memory_at_one_slice_is_told(models: Path) -> None:
    image = image_of(blobs(geometry()), geometry())
    with pytest.raises(EngineError) as caught:
        segment_function(image, models / "plain", device="cpu", network=Thresholds(*KNOWN, fits=0))
    assert caught.value.code == "out-of-memory"
    assert "CPU" in out_of_memory(torch.device("cuda")).hint
    assert "CPU" not in caught.value.hint


def test_a_busy_graphics_card_leaves_the_work_to_the_processor(models: Path, busy_card: None) -> None:
    image = image_of(blobs(geometry()), geometry())
    expected = segment_function(image, models / "random", device="cpu")
    told = []
    result = segment_function(image, models / "random", watcher=Watcher(warning=lambda *words: told.append(words)))
    np.testing.assert_array_equal(result.labels, expected.labels)
    assert result.device == "cpu" and [code for code, _, _ in told] == ["on-processor"]
    assert [code for code, _ in result.warnings] == ["on-processor"]
    with pytest.raises(EngineError, match="graphics card"):  # who asks for it, gets it or is told
        segment_function(image, models / "random", device="cuda")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_has_many_words(models: Path, error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) == expected

    def fail(x: torch.Tensor) -> None:
        raise error

    image = image_of(blobs(geometry()), geometry())
    with pytest.raises(EngineError if expected else type(error)):
        segment_function(image, models / "plain", device="cpu", network=fail)


def test_a_wrong_spacing_is_told_before_it_fills_the_memory(models: Path) -> None:
    grid = geometry(spacing=(500.0, 500.0, 1000.0))
    with pytest.raises(EngineError) as caught:
        segment_function(image_of(blobs(grid), grid), models / "random", device="cpu")
    assert caught.value.code == "image-too-large"
    assert "spacing" in caught.value.hint


def test_bfloat16_gives_nearly_the_same(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Volume(np.random.default_rng(0).normal(size=(12, 37, 41)).astype(np.float32), geometry())
    single = segment_function(image, models / "random", device="cpu")
    monkeypatch.setattr(sys.modules["cmaformer.segmenting.inference"], "precision", lambda device: torch.bfloat16)
    half = segment_function(image, models / "random", device="cpu")
    assert half.precision == "bf16"
    assert half.warnings == []
    assert (half.labels == single.labels).mean() > 0.95


def test_half_precision_that_overflows_is_repeated_in_single(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["cmaformer.segmenting.inference"]  # the attribute of the package is the function
    monkeypatch.setattr(module, "precision", lambda device: torch.bfloat16)

    class Overflows(Thresholds):
        def __call__(self, x):
            answer = super().__call__(x)
            if torch.is_autocast_enabled("cpu"):
                answer.logits = answer.logits / 0
            return answer

    labels = blobs(geometry())
    result = segment_function(image_of(labels, geometry()), models / "plain", device="cpu", network=Overflows(*KNOWN))
    np.testing.assert_array_equal(result.labels, labels)
    assert result.precision == "fp32"
    assert [code for code, _ in result.warnings] == ["precision"]


def test_devices_are_chosen_and_missing_ones_named() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(EngineError, match="Unknown device"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(EngineError) as caught:
            choose_device("cuda")
        assert caught.value.code == "no-device"


def test_precision_is_what_the_processor_is_faster_with(monkeypatch: pytest.MonkeyPatch) -> None:
    for able, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr("cmaformer.network.device.processor_prefers_bfloat16", lambda able=able: able)
        assert precision(torch.device("cpu")) == expected


def test_batches_shrink_as_slices_and_classes_grow() -> None:
    cpu = torch.device("cpu")
    assert batch_size(cpu, (256, 256), (256, 256), 4) == 4
    assert batch_size(cpu, (512, 512), (512, 512), 4) == 1
    assert batch_size(cpu, (64, 64), (64, 64), 4) > 4
    assert batch_size(cpu, (64, 64), (2048, 2048), 14) == 1
    assert batch_size(cpu, (4000, 4000), (4000, 4000), 100) == 1
