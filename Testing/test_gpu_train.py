"""The benchmark that travels to a borrowed graphics card: what it packs, what it trains there, what comes back."""

from __future__ import annotations

import importlib
import json
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "engine"))


@pytest.fixture
def benchmark(monkeypatch):
    def load(name):
        monkeypatch.syspath_prepend(str(HERE / "benchmarks"))
        return importlib.import_module(name)

    yield load
    for name in ("gpu_train", "gpu_pack", "gpu_rows"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("steps", [255, 127])
def test_packed_slices_come_back(benchmark, tmp_path, steps):
    from trainingdata import write_cases

    from cmaformer.cases.reading import read_cases
    from cmaformer.data.slices import SliceStore, prepare
    from cmaformer.door.input_spec import ImageSpec, InputSpec

    gpu_pack = benchmark("gpu_pack")
    cases = read_cases(write_cases(tmp_path, ["labeled", "held-out"]))
    window = {"type": "window", "low": 0, "high": 400}
    source = InputSpec((ImageSpec("", window),), spacing_mm=(1.5, 1.5), slicing="acquired")
    prepare(cases, source, tmp_path / "slices")
    gpu_pack.pack(tmp_path / "slices", tmp_path / "pack.xz", steps)
    gpu_pack.unpack(tmp_path / "pack.xz", tmp_path / "unpacked", [1, 2])
    before, after = SliceStore(tmp_path / "slices"), SliceStore(tmp_path / "unpacked" / "2")
    fewer = SliceStore(tmp_path / "unpacked" / "1")
    assert after.cases == [replace(entry, crc32={}) for entry in before.cases] and (after.classes, fewer.classes) == (
        3,
        2,
    )
    for number in (0, 1):
        images = before.array(number, "images").astype(float)
        step = (images.max() - images.min()) / steps
        # Half a step of the pack, and the rounding of float16.
        assert np.abs(after.array(number, "images") - images).max() <= 0.5 * step + 2e-3
        for kind in ("labels", "distances"):
            np.testing.assert_array_equal(after.array(number, kind), before.array(number, kind))
        labels = before.array(number, "labels")
        np.testing.assert_array_equal(fewer.array(number, "labels"), np.where(labels == 1, 1, 0))


def test_rows_are_prepared_here_and_trained_there(benchmark, monkeypatch, tmp_path, capsys):
    from trainingdata import write_cases

    from cmaformer.cases.reading import read_cases
    from cmaformer.models.model import load_model

    gpu_train, gpu_rows = benchmark("gpu_train"), benchmark("gpu_rows")
    listed = read_cases(write_cases(tmp_path, ["labeled", "labeled", "held-out"]))
    monkeypatch.setattr(gpu_train, "cases_of", lambda row, data, to: listed)
    source = gpu_rows.Source((3.0, 3.0), "acquired", {"type": "window", "low": 0, "high": 400}, "MR")
    monkeypatch.setattr(gpu_train, "SOURCES", {"abdomen": source})
    rows = {name: gpu_rows.Row(2, labeled=1, unlabeled=name == "both") for name in ("alone", "both")}
    monkeypatch.setattr(gpu_train, "ROWS", rows)
    small = {"batch_size": 2, "patch": 64, "checkpoint_every": 1}
    gpu_train.write_jobs(tmp_path, tmp_path / "jobs", small, list(rows), [])
    gpu_train.run(tmp_path / "jobs", tmp_path / "out", list(rows), ["both"], "cpu", 0.0, 4)
    told = capsys.readouterr().out
    assert "alone, 4 steps: " in told and "both, 4 steps: " in told and "exit" not in told
    with tarfile.open(tmp_path / "out" / "both.tar.gz") as archive:
        archive.extractall(tmp_path / "back", filter="data")
    assert not (tmp_path / "out" / "alone.tar.gz").exists()
    (folder,) = (path.parent for path in (tmp_path / "back" / "result").glob("*/model.json"))
    assert len(load_model(folder).description.classes) == 2
    # The unlabeled case has labels, which nothing that learns may see.
    both = json.loads((tmp_path / "jobs" / "both" / "slices" / "index.json").read_text())["cases"]
    assert [(entry["role"], bool(entry["pixels"])) for entry in both] == [
        ("labeled", True),
        ("unlabeled", False),
        ("held-out", True),
    ]
    alone = json.loads((tmp_path / "jobs" / "alone" / "slices" / "index.json").read_text())["cases"]
    assert [entry["role"] for entry in alone] == ["labeled", "unused", "held-out"]
