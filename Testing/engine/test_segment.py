"""Volume + model -> label map: values, grid, batches, memory shortage, cancel, clean-up."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from geometries import GRIDS, blobs, dice, geometry
from tinymodel import Thresholds, save_tiny

from cmaformer import segment as segment_function
from cmaformer.device import (
    batch_size,
    choose_device,
    is_out_of_memory,
    out_of_memory,
    precision,
    processor_has_bfloat16,
)
from cmaformer.errors import CancelledError, EngineError
from cmaformer.model import load_model
from cmaformer.postprocess import clean_up
from cmaformer.volume import Volume, read_volume

WINDOW = {"normalization": {"type": "window", "low": 0, "high": 3}}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_tiny(folder / "plain", input={**WINDOW, "spacing_mm": None})
    save_tiny(folder / "axial", input={**WINDOW, "slicing": "axial", "spacing_mm": [0.6, 0.55]})
    save_tiny(folder / "context", context=2, input={**WINDOW, "spacing_mm": None})
    save_tiny(folder / "random", id="random")
    return folder


def image_of(labels: np.ndarray, grid) -> Volume:
    """An image whose intensity is the label."""
    return Volume(labels.astype(np.int16), grid)


# The window [0, 3] becomes [-1, 1], so labels 0..3 become -1, -1/3, 1/3, 1.
KNOWN = (-2 / 3, 0.0, 2 / 3)


@pytest.mark.parametrize("name", GRIDS)
def test_the_label_map_lies_on_the_image(models: Path, name: str) -> None:
    labels = blobs(GRIDS[name])
    result = segment_function(image_of(labels, GRIDS[name]), models / "plain", device="cpu", network=Thresholds(*KNOWN))
    assert result.geometry == GRIDS[name]
    assert result.labels.dtype == np.uint8
    np.testing.assert_array_equal(result.labels, labels)


@pytest.mark.parametrize("name", ["oblique", "sagittal", "odd", "permuted flipped", "single slice"])
def test_resampled_slices_come_back_to_their_place(models: Path, name: str) -> None:
    """A linear network on resampled intensities keeps the border of a structure where it was."""
    labels = (blobs(GRIDS[name]) > 0).astype(np.uint8)
    image = Volume(labels * np.int16(3), GRIDS[name])
    result = segment_function(image, models / "axial", device="cpu", network=Thresholds(0.0, 9.0, 9.0))
    assert dice(labels, result.labels, 1) >= 0.97


def test_context_slices_are_channels_repeated_at_the_ends(models: Path) -> None:
    grid = geometry((8, 8, 5))
    image = Volume(np.broadcast_to(np.arange(5, dtype=np.float32)[:, None, None] / 2, (5, 8, 8)).copy(), grid)
    seen = []

    class Spy(Thresholds):
        def __call__(self, x):
            seen.append(x[:, :, 0, 0].clone())
            return super().__call__(x)

    segment_function(image, models / "context", device="cpu", network=Spy(*KNOWN), batch_size=2)
    expected = np.clip(np.arange(5)[:, None] + np.arange(-2, 3), 0, 4) / 2
    np.testing.assert_allclose(torch.cat(seen).numpy(), expected / 1.5 - 1, atol=1e-6)


def test_structures_are_measured_on_the_image(models: Path) -> None:
    labels = blobs(GRIDS["standard"])
    image = Volume(labels.astype(np.float32), GRIDS["standard"])
    image.array.flat[np.flatnonzero(labels == 2)[0]] = np.nan
    result = segment_function(image, models / "plain", device="cpu", network=Thresholds(*KNOWN))
    for entry in result.structures:
        inside = (result.labels == entry["value"]) & np.isfinite(image.array)
        assert entry["voxels"] == (result.labels == entry["value"]).sum()
        assert entry["mean"] == pytest.approx(image.array[inside].mean(), rel=1e-3)
    nothing = segment_function(image, models / "plain", device="cpu", network=Thresholds(1e9, 1e9, 1e9))
    assert [entry["mean"] for entry in nothing.structures] == [None] * 3


@pytest.mark.parametrize("batch", [1, 2, 5, 64, None])
def test_the_batch_size_changes_nothing(models: Path, batch: int | None) -> None:
    image = image_of(blobs(GRIDS["standard"]), GRIDS["standard"])
    reference = segment_function(image, models / "random", device="cpu", batch_size=3).labels
    result = segment_function(image, models / "random", device="cpu", batch_size=batch)
    assert (result.labels != reference).mean() < 1e-3  # sums in another order may turn a tie
    assert result.batch_size <= 12


def test_out_of_memory_halves_the_batch_and_goes_on(models: Path) -> None:
    labels = blobs(GRIDS["standard"])
    network, warnings = Thresholds(*KNOWN, fits=3), []
    result = segment_function(
        image_of(labels, GRIDS["standard"]),
        models / "plain",
        device="cpu",
        batch_size=8,
        network=network,
        warning=lambda *words: warnings.append(words),
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
    result = segment_function(image, models / "random", warning=lambda *words: told.append(words))
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


def test_cancel_is_asked_before_every_batch(models: Path) -> None:
    network = Thresholds(*KNOWN)
    with pytest.raises(CancelledError):
        segment_function(
            image_of(blobs(geometry()), geometry()),
            models / "plain",
            device="cpu",
            batch_size=2,
            network=network,
            cancelled=lambda: len(network.batches) == 3,
        )
    assert len(network.batches) == 3


def test_progress_tells_done_total_and_time_left(models: Path) -> None:
    calls = []
    segment_function(
        image_of(blobs(geometry()), geometry()),
        models / "plain",
        device="cpu",
        batch_size=5,
        network=Thresholds(*KNOWN),
        progress=lambda *values: calls.append(values),
    )
    assert [(done, total) for done, total, _ in calls] == [(0, 12), (5, 12), (10, 12), (12, 12)]
    assert calls[0][2] is None
    assert calls[1][2] > 0
    assert calls[-1][2] == 0


def test_structures_are_measured(models: Path) -> None:
    grid = geometry(spacing=(2.0, 0.5, 3.0))
    labels = blobs(grid)
    result = segment_function(image_of(labels, grid), models / "plain", device="cpu", network=Thresholds(*KNOWN))
    assert [(s["value"], s["voxels"]) for s in result.structures] == [(v, int((labels == v).sum())) for v in (1, 2, 3)]
    assert result.structures[0]["volume_ml"] == pytest.approx((labels == 1).sum() * 3 / 1000)
    summary = result.summary()
    assert {"structures", "device", "precision", "batch_size", "steps", "seconds", "model", "engine_version"} == set(
        summary
    )
    assert {"read", "model", "prepare", "resample", "network", "cleanup"} <= set(summary["steps"])


def test_label_values_follow_the_description(tmp_path: Path) -> None:
    classes = [{"value": value, "name": str(value), "color": [0, 0, 0], "terminology": None} for value in (7, 200, 12)]
    save_tiny(tmp_path / "m", classes=classes, input={**WINDOW, "spacing_mm": None})
    labels = blobs(geometry())
    result = segment_function(image_of(labels, geometry()), tmp_path / "m", device="cpu", network=Thresholds(*KNOWN))
    np.testing.assert_array_equal(result.labels, np.array([0, 7, 200, 12], np.uint8)[labels])


@pytest.mark.parametrize("value", [0.0, -1000.0, np.nan])
def test_an_image_without_contrast_is_no_failure(models: Path, value: float) -> None:
    warnings = []
    image = Volume(np.full((12, 37, 41), value, np.float32), geometry())
    result = segment_function(image, models / "random", device="cpu", warning=lambda *words: warnings.append(words[0]))
    assert result.labels.shape == (12, 37, 41)
    assert "constant-image" in warnings
    assert ("not-finite" in warnings) == np.isnan(value)


def test_voxels_that_are_not_numbers_change_only_themselves(models: Path) -> None:
    labels = blobs(geometry())
    array = labels.astype(np.float32)
    array[5, 20, 18] = np.nan
    labels[5, 20, 18] = 0
    warnings = []
    result = segment_function(
        Volume(array, geometry()),
        models / "plain",
        device="cpu",
        network=Thresholds(*KNOWN),
        warning=lambda *words: warnings.append(words),
    )
    np.testing.assert_array_equal(result.labels, labels)
    assert warnings == [("not-finite", "1 voxels of the image are not numbers; they count as its minimum.", "")]


def test_bfloat16_gives_nearly_the_same(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Volume(np.random.default_rng(0).normal(size=(12, 37, 41)).astype(np.float32), geometry())
    single = segment_function(image, models / "random", device="cpu")
    monkeypatch.setattr(sys.modules["cmaformer.segment"], "precision", lambda device: torch.bfloat16)
    half = segment_function(image, models / "random", device="cpu")
    assert half.precision == "bf16"
    assert half.warnings == []
    assert (half.labels == single.labels).mean() > 0.95


def test_half_precision_that_overflows_is_repeated_in_single(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["cmaformer.segment"]  # the attribute of the package is the function
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


def test_clean_up_follows_the_model(tmp_path: Path) -> None:
    save_tiny(
        tmp_path / "m",
        input={**WINDOW, "spacing_mm": None},
        postprocessing={"largest_component": [1], "fill_holes": [1]},
    )
    labels = np.zeros((12, 37, 41), np.uint8)
    labels[3:9, 5:20, 5:20] = 1
    clean = labels.copy()
    labels[6, 10, 10] = 0
    labels[0, 30, 30] = 1
    image = image_of(labels, geometry())
    kept = segment_function(image, tmp_path / "m", device="cpu", network=Thresholds(*KNOWN), cleanup=False)
    np.testing.assert_array_equal(kept.labels, labels)
    cleaned = segment_function(image, tmp_path / "m", device="cpu", network=Thresholds(*KNOWN))
    np.testing.assert_array_equal(cleaned.labels, clean)


def test_clean_up_touches_nothing_else() -> None:
    labels = np.zeros((9, 20, 20), np.uint8)
    labels[2:7, 2:12, 2:12] = 1
    labels[4, 5, 5] = 2  # enclosed, but another structure
    labels[3:6, 7:9, 7:9] = 0  # a hole
    labels[2, 10, 10] = 0  # a dent that touches the outside
    labels[7, 12, 12] = 1  # touches by a corner, so it belongs to the large part
    labels[8, 18, 18] = 2
    expected = labels.copy()
    expected[3:6, 7:9, 7:9] = 1
    clean_up(labels, [1], [1, 3])
    np.testing.assert_array_equal(labels, expected)
    clean_up(labels, [2])
    assert (labels == 2).sum() == 1


def test_structures_that_touch_are_cleaned_up_as_one() -> None:
    """A large part of one structure far away from the others is not the one that stays."""
    labels = np.zeros((6, 30, 30), np.uint8)
    labels[1:5, 4:12, 4:12] = 2
    labels[2:4, 6:9, 6:9] = 3  # small, and inside of the other
    labels[2:4, 20:28, 20:28] = 3
    alone, as_one = labels.copy(), labels.copy()
    clean_up(alone, [2, 3])
    assert (alone[2:4, 6:9, 6:9] == 0).all() and (alone[2:4, 20:28, 20:28] == 3).all()
    clean_up(as_one, [2, 3], together=[2, 3])
    labels[2:4, 20:28, 20:28] = 0
    np.testing.assert_array_equal(as_one, labels)
    beside = np.zeros_like(labels)
    beside[2:4, 5:15, 5:15], beside[2:4, 5:10, 18:22] = 2, 3  # three voxels apart: not to be lost
    kept = beside.copy()
    clean_up(kept, [2, 3], together=[2, 3])
    np.testing.assert_array_equal(kept, beside)
    empty = np.zeros_like(labels)
    clean_up(empty, [2, 3], [3], together=[2, 3])
    assert not empty.any()


def test_devices_are_chosen_and_missing_ones_named() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(EngineError, match="Unknown device"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(EngineError) as caught:
            choose_device("cuda")
        assert caught.value.code == "no-device"


def test_precision_is_what_the_processor_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for able, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr("cmaformer.device.processor_has_bfloat16", lambda able=able: able)
        assert precision(torch.device("cpu")) == expected
    if Path("/proc/cpuinfo").exists():
        words = set(Path("/proc/cpuinfo").read_text().split())
        assert processor_has_bfloat16() == bool(words & {"avx512_bf16", "amx_bf16", "amx_tile", "bf16"})


def test_batches_shrink_as_slices_and_classes_grow() -> None:
    cpu = torch.device("cpu")
    assert batch_size(cpu, (256, 256), (256, 256), 4) == 4
    assert batch_size(cpu, (512, 512), (512, 512), 4) == 1
    assert batch_size(cpu, (64, 64), (64, 64), 4) > 4
    assert batch_size(cpu, (64, 64), (2048, 2048), 14) == 1
    assert batch_size(cpu, (4000, 4000), (4000, 4000), 100) == 1


@pytest.mark.data
def test_a_real_volume_is_segmented_on_its_own_grid(models: Path) -> None:
    data = Path(__file__).resolve().parents[3] / "shared" / "data" / "cardiac_cine_mr" / "images"
    images = sorted(data.glob("*.nrrd"))
    if not images:
        pytest.skip("no real images in ../shared/data")
    volume = read_volume(images[0])
    result = segment_function(images[0], load_model(models / "random"), device="cpu")
    assert result.geometry == volume.geometry
    assert result.labels.shape == volume.array.shape
    assert sum(s["voxels"] for s in result.structures) == np.count_nonzero(result.labels)
    again = segment_function(os.fspath(images[0]), models / "random", device="cpu")
    np.testing.assert_array_equal(result.labels, again.labels)
