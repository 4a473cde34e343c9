"""End to end: from a volume node to a segmentation node, with the real engine and a tiny random network."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime

import numpy as np
import pytest

import standin

pytestmark = pytest.mark.slow


def labelsOf(node, names):
    import slicer

    ids = [node.GetSegmentation().GetSegmentIdBySegmentName(name) for name in names]
    return sum((slicer.util.arrayFromSegmentBinaryLabelmap(node, i) != 0) * (n + 1) for n, i in enumerate(ids))


def test_own_self_test(module, scene, models):
    import slicer

    slicer.selfTests["CMAformerSegmentation"](msec=0)


def test_own_self_test_is_skipped_without_pytorch(module, scene, models, monkeypatch):
    import importlib.util
    import unittest

    import slicer

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(unittest.SkipTest):
        slicer.selfTests["CMAformerSegmentation"](msec=0)


def test_the_result_is_what_the_command_line_gives(logic, volume, tmp_path, modelsFolder):
    import subprocess
    import sys

    import SimpleITK as sitk
    import slicer

    from CMAformerSegmentationLib import scene
    from CMAformerSegmentationLib.metaimage import writeMetaImage
    from conftest import moduleFolder

    steps = []
    node = logic.segment(volume, device="cpu", progress=lambda *step: steps.append(step))
    assert steps[-1][0] == steps[-1][1] == 6 and [s[0] for s in steps] == sorted(s[0] for s in steps)
    snapshot = scene.snapshotVolume(volume)
    writeMetaImage(tmp_path / "v.mha", snapshot.array, snapshot.geometry.flippedXY())
    options = ["--model", str(modelsFolder / "tiny-1.0.0"), "-o", str(tmp_path / "s.nrrd"), "--device", "cpu"]
    subprocess.run(
        [sys.executable, "-m", "cmaformer", "segment", str(tmp_path / "v.mha"), *options],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(moduleFolder)},
    )
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "s.nrrd")))
    found = labelsOf(node, [s.name for s in logic.models()[0].structures])
    assert found.any() and (found == expected).all()
    assert node.GetAttribute("CMAformer.EngineVersion")
    assert datetime.fromisoformat(node.GetAttribute("CMAformer.Date")).tzinfo is not None
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def test_one_warm_engine_serves_several_volumes_and_another_after_a_crash(logic, volume):
    first = logic.segment(volume, device="cpu", wait=False)
    second = logic.segment(volume, device="cpu", wait=False)
    standin.processUntil(lambda: first.ended and second.ended, 120)
    assert (first.state, second.state) == ("finished", "finished") and logic.runner.engine.starts == 1
    assert second.seconds < 60
    os.kill(logic.runner.engine.pid, 9)
    standin.processUntil(lambda: not logic.runner.engine.isRunning(), 10)
    assert logic.segment(volume, device="cpu") is not None and logic.runner.engine.starts == 2


def test_killed_while_segmenting(logic, module):
    task = logic.segment(bigVolume(), device="cpu", wait=False)
    standin.processUntil(lambda: task.state == "running" or task.ended, 120)
    os.kill(logic.runner.engine.pid, 9)
    standin.processUntil(lambda: task.ended, 20)
    assert task.state == "failed" and task.problem.code == "out-of-memory"


def test_cancel_within_seconds(logic, module):
    task = logic.segment(bigVolume(), device="cpu", wait=False)
    standin.processUntil(lambda: task.state == "running" or task.ended, 120)
    before = time.monotonic()
    task.cancel()
    standin.processUntil(lambda: task.ended, 20)
    assert task.state == "cancelled" and time.monotonic() - before < 10
    assert logic.runner.engine.isRunning()  # it stopped by itself and is still warm


def test_engine_words_reach_the_user(logic, volume, modelsFolder, tmp_path, monkeypatch, module):
    """Weights that were changed after the description was written: the engine refuses them, in words."""
    import shutil

    from CMAformerSegmentationLib import environment

    shutil.copytree(modelsFolder, tmp_path / "models")
    file = tmp_path / "models" / "tiny-1.0.0" / "weights.pt"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    for where in (environment, module):
        monkeypatch.setattr(where, "bundledModelFolders", lambda: [tmp_path / "models"])
    task = logic.segment(volume, device="cpu", wait=False)
    standin.processUntil(lambda: task.ended, 120)
    assert task.state == "failed" and "weights.pt" in str(task.problem)


def bigVolume():
    import slicer

    array = np.random.default_rng(0).integers(0, 1000, (60, 256, 256)).astype(np.int16)
    return slicer.util.addVolumeFromArray(array, np.diag([1.25, 1.25, 8.0, 1.0]), "big")


class Heartbeat:
    """Ticks in the event loop, as Slicer's own drawing and clicking does, and notes the time between two ticks."""

    def __init__(self) -> None:
        import qt

        self.gaps: list[float] = []
        self._last = time.perf_counter()
        self._timer = qt.QTimer()
        self._timer.setInterval(5)
        self._timer.connect("timeout()", self._tick)

    def __enter__(self):
        self._last = time.perf_counter()
        self._timer.start()
        return self

    def __exit__(self, *_):
        self._timer.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now


def test_the_main_thread_is_never_kept_for_50_ms(logic, module, monkeypatch):
    from CMAformerSegmentationLib.segmentation import SegmentationTask
    from CMAformerSegmentationLib.selftest import makeTestVolume

    calls: list[float] = []
    poll = SegmentationTask.poll

    def timed(self):
        start = time.perf_counter()
        poll(self)
        calls.append(time.perf_counter() - start)

    monkeypatch.setattr(SegmentationTask, "poll", timed)
    volumeNode = makeTestVolume((60, 256, 256))
    with Heartbeat() as heart:
        start = time.perf_counter()
        task = logic.segment(volumeNode, device="cpu", wait=False)
        calls.append(time.perf_counter() - start)
        standin.processUntil(lambda: task.ended, 300)
    assert task.state == "finished" and threading.current_thread() is threading.main_thread()
    gaps = sorted(heart.gaps)
    late = [gap for gap in gaps if gap > 0.05]
    print(f"{task.seconds:.1f} s: longest call {1000 * max(calls):.1f} ms, longest gap {1000 * gaps[-1]:.1f} ms, "
          f"{len(late)} of {len(gaps)} beats over 50 ms")  # fmt: skip
    assert max(calls) < 0.05
    # The engine keeps every core busy meanwhile; a beat may be late for that, but not many, and never long.
    assert len(late) <= len(gaps) // 100 and gaps[-1] < 0.25
