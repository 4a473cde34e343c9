"""The benchmark that travels to a borrowed graphics card: what comes out of its pack is what went in."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "engine"))


def benchmark():
    spec = importlib.util.spec_from_file_location("gpu_train", HERE / "benchmarks" / "gpu_train.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_train"] = module  # its worker processes look for it
    spec.loader.exec_module(module)
    return module


def test_packed_slices_come_back(tmp_path):
    from trainingdata import write_cases

    from cmaformer.cases.reading import read_cases
    from cmaformer.data.slices import SliceStore, prepare
    from cmaformer.door.input_spec import ImageSpec, InputSpec

    gpu_train = benchmark()
    cases = read_cases(write_cases(tmp_path, ["labeled", "held-out"]))
    window = {"type": "window", "low": 0, "high": 400}
    source = InputSpec((ImageSpec("", window),), spacing_mm=(1.5, 1.5), slicing="acquired")
    prepare(cases, source, tmp_path / "slices")
    gpu_train.pack(tmp_path / "slices", tmp_path / "pack.xz")
    gpu_train.unpack(tmp_path / "pack.xz", tmp_path / "unpacked", [1, 2])
    before, after = SliceStore(tmp_path / "slices"), SliceStore(tmp_path / "unpacked" / "2")
    fewer = SliceStore(tmp_path / "unpacked" / "1")
    assert after.cases == before.cases and (after.classes, fewer.classes) == (3, 2)
    for number in (0, 1):
        images = before.array(number, "images").astype(float)
        step = (images.max() - images.min()) / 255
        # Half a step of the 8 bits, and the rounding of float16.
        assert np.abs(after.array(number, "images") - images).max() <= 0.5 * step + 2e-3
        for kind in ("labels", "distances"):
            np.testing.assert_array_equal(after.array(number, kind), before.array(number, kind))
        labels = before.array(number, "labels")
        np.testing.assert_array_equal(fewer.array(number, "labels"), np.where(labels == 1, 1, 0))
