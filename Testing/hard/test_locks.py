"""Locks of dead, silent and other computers' workers; processes are ended only beyond doubt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest
from segmentjobs import make_job

from cmaformer.door import lock as locks
from cmaformer.door.errors import JobError
from cmaformer.door.job import UNWRITABLE
from cmaformer.door.lock import Lock, held
from cmaformer.door.process import identity, is_surely
from cmaformer.segmenting.network_cache import NetworkCache
from cmaformer.segmenting.worker import run_job


@pytest.fixture
def quick(monkeypatch):
    """Locks that are touched ten times a second."""
    monkeypatch.setattr(locks, "BEAT_S", 0.1)
    monkeypatch.setattr(locks, "SILENT_S", 0.6)


@pytest.mark.parametrize("content", ["", "{", '{"pid": "x"}', "[]"])
@pytest.mark.parametrize("age", [3600, -3600])
def test_a_lock_that_says_nothing_does_not_keep_anybody_out_for_long(tmp_path, content, age, tally):
    path = tmp_path / "worker.lock"
    path.write_text(content)
    os.utime(path, (time.time() - age,) * 2)  # also one that is dated in the future
    assert not held(tmp_path)
    with Lock(tmp_path):
        assert held(tmp_path)
    tally("broken lock", "right")


def test_the_lock_of_another_computer_is_respected_while_it_is_touched(tmp_path, quick, tally):
    path = tmp_path / "worker.lock"
    path.write_text(json.dumps({"pid": os.getpid(), "host": "0123456789ab"}))
    stop = threading.Event()

    def touch() -> None:  # with a clock that goes wrong by an hour
        step = 0
        while not stop.wait(0.05):
            step += 1
            os.utime(path, (time.time() - 3600 + step,) * 2)

    thread = threading.Thread(target=touch)
    thread.start()
    with pytest.raises(JobError, match="Another process"):
        Lock(tmp_path).__enter__()
    stop.set()
    thread.join()
    os.utime(path, (time.time() - 3600,) * 2)
    with Lock(tmp_path) as lock:
        assert lock.taken_over and held(tmp_path)
    tally("lock of another computer", "right")


def test_a_lock_is_touched_as_long_as_it_is_held(tmp_path, quick):
    with Lock(tmp_path):
        os.utime(tmp_path / "worker.lock", (0, 0))
        until = time.monotonic() + 5
        while (tmp_path / "worker.lock").stat().st_mtime == 0 and time.monotonic() < until:
            time.sleep(0.02)
        assert (tmp_path / "worker.lock").stat().st_mtime > 0
    assert not (tmp_path / "worker.lock").exists()


def test_a_number_alone_ends_no_process(tmp_path, slicerApp, tally):
    from CMAformerSegmentationLib.training.process import TrainingProcess

    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        for known in ({"pid": other.pid}, {"pid": other.pid, "start": "1"}):
            (tmp_path / "process.json").write_text(json.dumps(known))
            assert not is_surely(known)
            TrainingProcess(tmp_path).ask()
            TrainingProcess(tmp_path).kill()
            time.sleep(0.1)
            assert other.poll() is None
            tally("reused process id", "right")
        (tmp_path / "process.json").write_text(json.dumps(identity(other.pid)))
        TrainingProcess(tmp_path).kill()
        assert other.wait(10) < 0
    finally:
        other.kill()


def test_a_worker_that_can_tell_nothing_leaves(tmp_path, models_folder, tally):
    """Slicer waits for events: where there can be none, it sees the worker leave, and says why."""
    job = make_job(tmp_path / "job")
    (job / "worker.lock").mkdir()  # as broken as a lock can be
    command = [sys.executable, "-m", "cmaformer", "worker", "--models", str(models_folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, input=f"{job}\n".encode(), env=environment, timeout=120, capture_output=True)
    assert done.returncode == UNWRITABLE and b"not done" in done.stderr
    tally("worker without a voice", "refused")

    good = make_job(tmp_path / "good")
    (good / "events.jsonl").mkdir()
    done = subprocess.run(command, input=f"{good}\n".encode(), env=environment, timeout=120, capture_output=True)
    assert done.returncode == UNWRITABLE and b"cannot be written" in done.stderr
    tally("worker without a voice", "refused")


def test_the_panel_says_why_such_a_worker_has_left(slicerApp):
    from CMAformerSegmentationLib.jobs.engineProcess import explainExit

    problem = explainExit(UNWRITABLE)
    assert "cannot write" in problem.message and "Apply again" in problem.hint


@pytest.fixture
def models_folder(tmp_path):
    from tinymodel import save_tiny

    save_tiny(tmp_path / "models" / "tiny-1.0.0")
    return tmp_path / "models"


def test_the_same_worker_does_the_next_job(tmp_path, models_folder):
    assert run_job(make_job(tmp_path / "one"), [models_folder], NetworkCache()) == "finished"
