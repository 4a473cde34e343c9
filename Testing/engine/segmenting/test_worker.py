"""The worker: jobs in, events and results out, in this process and as the real one behind a pipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from geometries import GRIDS, geometry
from segmentjobs import make_job
from tinymodel import Thresholds, save_tiny

from cmaformer.door import job as jobs
from cmaformer.door.errors import EngineError, JobError
from cmaformer.door.lock import Lock
from cmaformer.images.volume import read_volume
from cmaformer.segmenting import worker

GRID = GRIDS["flipped oblique"]
PACKAGES = str(Path(jobs.__file__).parents[2])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_tiny(folder / "tiny-1.0.0")
    save_tiny(folder / "other-1.0.0", seed=1, id="other-1.0.0")
    return folder


def kinds(folder: Path) -> list[str]:
    return [event["type"] for event in jobs.read_events(folder)]


def only_error(folder: Path) -> dict:
    (event,) = [event for event in jobs.read_events(folder) if event["type"] == "error"]
    return event


def run(folder: Path, models: Path, cache: worker.NetworkCache | None = None) -> str:
    return worker.run_job(folder, [models], cache or worker.NetworkCache())


def test_a_job_ends_with_a_label_map_on_the_image(tmp_path: Path, models: Path) -> None:
    job = make_job(tmp_path / "job")
    assert run(job, models) == jobs.state(job) == "finished"
    result = read_volume(job / "result" / "segmentation.mha")
    assert result.geometry == read_volume(job / "input.mha").geometry == GRID
    assert result.array.dtype == np.uint8
    assert b"CompressedData = False" in (job / "result" / "segmentation.mha").read_bytes()[:300]
    summary = json.loads((job / "result" / "summary.json").read_text())
    counts = np.bincount(result.array.ravel(), minlength=4)
    assert [s["voxels"] for s in summary["structures"]] == counts[1:].tolist()
    assert (summary["device"], summary["model"]["id"]) == ("cpu", "tiny-1.0.0")
    assert len(summary["model"]["sha256"]) == 64
    events = jobs.read_events(job)
    assert kinds(job)[0] == "started"
    assert kinds(job)[-1] == "finished"
    assert events[0]["device"] == "cpu"
    steps = [e["done"] for e in events if e["type"] == "progress"]
    assert (steps[0], steps[-1]) == (0, 12)
    assert {"read", "model", "network", "write"} <= set(events[-1]["steps"])
    assert not (job / "worker.lock").exists()
    assert sorted(p.name for p in job.iterdir()) == ["events.jsonl", "input.mha", "job.json", "result"]


def test_an_ended_job_is_not_done_again(tmp_path: Path, models: Path) -> None:
    job = make_job(tmp_path / "job")
    run(job, models)
    before = (job / "events.jsonl").read_bytes()
    with pytest.raises(JobError, match="ended already"):
        run(job, models)
    assert (job / "events.jsonl").read_bytes() == before
    with pytest.raises(JobError, match="no such job folder"):
        run(tmp_path / "missing", models)


def test_an_interrupted_job_is_done(tmp_path: Path, models: Path) -> None:
    job = make_job(tmp_path / "job")
    jobs.Events.of_job(job).emit("started", device="cpu")
    (job / "result.tmp").mkdir()
    (job / "worker.lock").write_text('{"pid": 999999999}')
    assert jobs.state(job) == "interrupted"
    assert run(job, models) == "finished"


def test_a_job_in_work_is_left_alone(tmp_path: Path, models: Path) -> None:
    job = make_job(tmp_path / "job")
    with Lock(job), pytest.raises(JobError) as caught:
        run(job, models)
    assert caught.value.code == "busy"
    assert kinds(job) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"model": {"id": "nothing"}}, "no-model"),
        ({"model": {"id": "tiny-1.0.0", "sha256": "0" * 64}}, "other-weights"),
        ({"model": {}}, "bad-job"),
        ({"kind": "train"}, "bad-job"),
        ({"inputs": {"image": "missing.mha"}}, "no-input"),
        ({"parameters": {"device": "abacus"}}, "bad-device"),
        ({"parameters": {"batch_size": 0}}, "bad-job"),
        ({"parameters": {"cleanup": "no"}}, "bad-job"),
        ({"inputs": {"image": "job.json"}}, "unreadable-image"),
    ],
)
def test_failures_are_events(tmp_path: Path, models: Path, changes: dict, code: str) -> None:
    job = make_job(tmp_path / "job", **changes)
    assert run(job, models) == jobs.state(job) == "failed"
    error = only_error(job)
    assert error["code"] == code
    assert error["message"]
    assert str(tmp_path) not in json.dumps(error)
    assert not (job / "result").exists()
    assert not (job / "result.tmp").exists()


def test_the_unexpected_is_told_without_folders(tmp_path: Path, models: Path, monkeypatch, capfd) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError(f"in {tmp_path}")

    monkeypatch.setattr(worker.NetworkCache, "get", fail)
    job = make_job(tmp_path / "job")
    assert run(job, models) == "failed"
    error = only_error(job)
    assert error["code"] == "internal"
    assert "ZeroDivisionError" in error["message"]
    assert str(tmp_path) not in json.dumps(error)
    assert "Traceback" in capfd.readouterr().err


def test_too_little_memory_halves_the_batch_and_then_is_an_event(tmp_path: Path, models: Path, monkeypatch) -> None:
    monkeypatch.setattr(worker.NetworkCache, "get", lambda *_: Thresholds(0.0, fits=0))
    job = make_job(tmp_path / "job")
    assert run(job, models) == "failed"
    error = only_error(job)
    assert error["code"] == "out-of-memory"
    assert error["hint"]
    assert "smaller-batch" in [e.get("code") for e in jobs.read_events(job)]


def test_a_full_disk_is_an_event(tmp_path: Path, models: Path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(jobs.os, "rename", full)
    job = make_job(tmp_path / "job")
    assert run(job, models) == "failed"
    assert only_error(job)["code"] == "file-error"
    assert "No space left" in only_error(job)["message"]
    assert not (job / "result").exists()


def test_cancel_before_and_during_the_work(tmp_path: Path, models: Path, monkeypatch) -> None:
    early = make_job(tmp_path / "early")
    jobs.request_cancel(early)
    assert run(early, models) == jobs.state(early) == "cancelled"
    assert kinds(early) == ["cancelled"]

    late = make_job(tmp_path / "late", parameters={"device": "cpu", "batch_size": 2})
    network = Thresholds(-0.5, 0.0, 0.5)

    def answer(x: torch.Tensor) -> object:
        if len(network.batches) == 2:
            jobs.request_cancel(late)
        return network(x)

    monkeypatch.setattr(worker.NetworkCache, "get", lambda *_: answer)
    assert run(late, models) == jobs.state(late) == "cancelled"
    assert len(network.batches) == 3
    assert kinds(late)[-1] == "cancelled"
    assert not (late / "result").exists()
    assert not (late / "worker.lock").exists()


def test_the_network_stays_for_the_next_job(tmp_path: Path, models: Path, monkeypatch) -> None:
    loaded = []
    from cmaformer.models.model import Model

    original = Model.network
    monkeypatch.setattr(Model, "network", lambda self, device: loaded.append(self.id) or original(self, device))
    cache = worker.NetworkCache()
    for number, model in enumerate(["tiny-1.0.0", "tiny-1.0.0", "other-1.0.0", "tiny-1.0.0"]):
        assert run(make_job(tmp_path / str(number), model), models, cache) == "finished"
    assert loaded == ["tiny-1.0.0", "other-1.0.0", "tiny-1.0.0"]
    labels = [(tmp_path / str(n) / "result" / "segmentation.mha").read_bytes() for n in range(2)]
    assert labels[0] == labels[1]


def test_a_busy_graphics_card_is_told_and_the_processor_works(tmp_path: Path, models: Path, busy_card: None) -> None:
    parameters = {"device": "auto", "batch_size": None, "cleanup": True}
    job = make_job(tmp_path / "job", parameters=parameters)
    assert run(job, models) == "finished"
    assert [event["device"] for event in jobs.read_events(job) if event["type"] == "started"] == ["cuda", "cpu"]
    (warning,) = [event for event in jobs.read_events(job) if event["type"] == "warning"]
    assert warning["code"] == "on-processor" and "processor" in warning["message"]
    asked = make_job(tmp_path / "asked", parameters={**parameters, "device": "cuda"})
    assert run(asked, models) == "failed" and only_error(asked)["code"] == "out-of-memory"


def test_progress_is_not_sent_for_every_batch_of_a_fast_device() -> None:
    lines: list[str] = []
    report = worker.throttled(jobs.Events(lines.append))
    for done in range(1001):
        report(done, 1000, 0.0)
    sent = [json.loads(line)["done"] for line in lines]
    assert sent[0] == 0
    assert sent[-1] == 1000
    assert len(sent) < 50


# --- the real process -------------------------------------------------------------------------------------------


def start(models: Path, *options: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "cmaformer", "worker", "--models", str(models), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": PACKAGES, "PYTHONUNBUFFERED": "1"},
    )


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def test_the_process_serves_several_jobs_and_survives_their_failures(tmp_path: Path, models: Path) -> None:
    good = [make_job(tmp_path / "grün und blau" / str(n)) for n in range(2)]
    bad = make_job(tmp_path / "bad", "nothing")
    process = start(models)
    for folder in (good[0], bad, tmp_path / "missing", good[1]):
        process.stdin.write(os.fsencode(folder) + b"\n")
        process.stdin.flush()
    out, log = process.communicate(timeout=120)
    assert process.returncode == 0
    assert [jobs.state(folder) for folder in (*good, bad)] == ["finished", "finished", "failed"]
    assert out == b""
    text = log.decode()
    assert text.count("job finished") == 2
    assert "no such job folder" in text
    assert str(tmp_path) not in text
    pids = {json.dumps(jobs.read_events(folder)[0]["device"]) for folder in good}
    assert pids == {'"cpu"'}


def test_the_process_leaves_when_idle(models: Path) -> None:
    process = start(models, "--idle-minutes", "0.01")
    process.wait(timeout=60)
    assert process.returncode == 0
    assert b"Fatal" not in process.stderr.read()


def test_a_killed_process_leaves_an_interrupted_job_that_another_can_do(tmp_path: Path, models: Path) -> None:
    job = make_job(tmp_path / "job", grid=geometry((400, 400, 60)), parameters={"device": "cpu", "batch_size": 1})
    process = start(models)
    process.stdin.write(os.fsencode(job) + b"\n")
    process.stdin.flush()
    wait_for(lambda: "progress" in kinds(job))
    assert jobs.state(job) == "running"
    process.kill()
    process.communicate()
    assert jobs.state(job) == "interrupted"
    assert not (job / "result").exists()
    jobs.request_cancel(job)
    assert run(job, models) == "cancelled"


def test_an_engine_error_names_its_code_once() -> None:
    error = EngineError("some-code", "It failed.", "Try again.")
    assert (error.code, str(error)) == ("some-code", "It failed. Try again.")
