from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def job(tmp_path, module):
    from CMAformerSegmentationLib.jobs.job import Job

    description = {"inputs": {"image": "input.mha"}, "model": {"id": "m", "sha256": "x"}, "parameters": {}, "seed": 0}
    return Job.create(tmp_path / "jobs", "segment", description)


def append(job, text: str) -> None:
    with open(job.folder / "events.jsonl", "a", encoding="utf-8") as file:
        file.write(text)


def event(kind: str, **fields) -> str:
    return json.dumps({"time": 1.5, "type": kind, **fields}) + "\n"


def test_the_engine_accepts_the_job_that_slicer_writes(job, module):
    from fakes import moduleFolder

    (job.folder / "input.mha").write_bytes(b"")
    code = (
        "import sys; from cmaformer.door.job import read_job; job = read_job(sys.argv[1]);"
        "print(job.kind, job.id, job.input('image').name)"
    )
    job_json = json.loads((job.folder / "job.json").read_text())
    (job.folder / "job.json").write_text(json.dumps({**job_json, "engine_version": "0.1.0"}))
    answer = subprocess.run(
        [sys.executable, "-c", code, str(job.folder)],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(moduleFolder)},
    )  # fmt: skip
    assert answer.stdout.split() == ["segment", job.id, "input.mha"]


def test_state_follows_the_events(job):
    assert job.state == "queued"
    (job.folder / "worker.lock").write_text(json.dumps({"pid": os.getpid()}))
    append(job, event("started", device="cuda"))
    job.poll()
    assert (job.state, job.device) == ("running", "cuda")
    append(job, event("progress", done=34, total=120, unit="slices", eta_s=12.2))
    job.poll()
    assert (job.progress.done, job.progress.total, job.progress.secondsLeft) == (34, 120, 12.2)
    append(job, event("warning", code="w", message="Careful.", hint=""))
    append(job, event("finished", seconds=3))
    job.poll()
    assert job.state == "finished" and job.ended
    assert [str(w) for w in job.warnings] == ["Careful."]


@pytest.mark.parametrize("kind, state", [("error", "failed"), ("cancelled", "cancelled")])
def test_other_ends(job, kind, state):
    append(job, event("started") + event(kind, code="out-of-memory", message="Too big.", hint="Use the CPU."))
    job.poll()
    assert job.state == state
    if kind == "error":
        assert (job.error.code, str(job.error)) == ("out-of-memory", "Too big. Use the CPU.")


def test_a_job_whose_worker_died_is_interrupted(job):
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    append(job, event("started"))
    (job.folder / "worker.lock").write_text(json.dumps({"pid": process.pid}))
    job.poll()
    assert job.state == "interrupted"


def test_partial_and_foreign_lines(job):
    whole = event("progress", done=3, total=9)
    append(job, "Some library says hello\n[1, 2]\n{}\n" + whole[:20])
    assert job.poll() == []
    append(job, whole[20:-1])
    assert job.poll() == []
    append(job, "\n" + "ä".encode().decode("latin1") + "\n")
    assert [e["done"] for e in job.poll()] == [3]
    assert job.poll() == []


def test_progress_with_nonsense_does_not_raise(job):
    append(job, event("progress", done="many", total=None, eta_s="soon"))
    job.poll()
    assert (job.progress.done, job.progress.total, job.progress.secondsLeft) == (0, 0, None)


def test_a_later_slicer_attaches_to_the_same_folder(job):
    from CMAformerSegmentationLib.jobs.job import Job

    append(job, event("started") + event("progress", done=2, total=4) + event("finished"))
    other = Job(job.folder)
    other.poll()
    assert (other.state, other.progress.done, other.description["kind"]) == ("finished", 2, "segment")


def test_cancel_and_remove(job):
    job.requestCancel()
    assert (job.folder / "CANCEL").is_file()
    job.remove()
    assert not job.folder.exists()
    job.requestCancel()  # must not raise
    assert job.poll() == [] and job.summary == {} and job.description == {}


@pytest.mark.skipif(os.name == "nt", reason="Windows has classes of priority instead")
def test_a_training_comes_after_slicer_whatever_slicers_priority_is():
    import sys

    from CMAformerSegmentationLib.jobs.processes import letOthersFirst

    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(9)"])
    letOthersFirst(child.pid)
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
    child.kill()
