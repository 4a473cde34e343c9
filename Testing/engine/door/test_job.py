"""Job folders: what is refused, what is written, and the state that follows from the files alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cmaformer.door import job as jobs
from cmaformer.door.errors import EngineError, JobError
from cmaformer.door.lock import Lock, held
from cmaformer.door.process import alive

GOOD = {
    "schema": 1,
    "kind": "segment",
    "id": "20260101-120000-0123abcd",
    "inputs": {"image": "input.mha"},
    "model": {"id": "tiny-1.0.0", "sha256": "0" * 64},
    "parameters": {"device": "auto", "batch_size": None, "cleanup": True},
    "seed": 0,
    "engine_version": "0.1.0",
}


def test_a_job_is_written_once_and_read_back(tmp_path: Path) -> None:
    written = jobs.write_job(tmp_path, {**GOOD, "id": jobs.new_id()})
    assert jobs.read_job(tmp_path) == written
    assert written.parameters == GOOD["parameters"]
    with pytest.raises(JobError, match="never changes"):
        jobs.write_job(tmp_path, GOOD)
    with pytest.raises(JobError, match=r"input\.mha is not in the job folder"):
        written.input("image")
    (tmp_path / "input.mha").touch()
    assert written.input("image") == tmp_path / "input.mha"
    with pytest.raises(JobError, match=r"inputs\.labels"):
        written.input("labels")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": 2}, "schema version 2"),
        ({"kind": "dance"}, "kind"),
        ({"id": "../x"}, "id"),
        ({"id": 3}, "id"),
        ({"inputs": []}, "inputs"),
        ({"model": "tiny"}, "model"),
        ({"parameters": None}, "parameters"),
        ({"seed": "0"}, "seed"),
        ({"inputs": {"image": "/etc/passwd"}}, "relative"),
        ({"inputs": {"image": "C:\\x.mha"}}, "relative"),
        ({"inputs": {"image": "a/../../x.mha"}}, "relative"),
        ({"inputs": {"image": "..\\x.mha"}}, "relative"),
        ({"inputs": {"cases": [{"image": "/x.mha"}]}}, "relative"),
        ({"inputs": {"image": ""}}, "relative"),
    ],
)
def test_a_faulty_job_is_named(tmp_path: Path, changes: dict, words: str) -> None:
    (tmp_path / "job.json").write_text(json.dumps({**GOOD, **changes}))
    with pytest.raises(JobError, match=r"job\.json") as caught:
        jobs.read_job(tmp_path)
    assert words in caught.value.message


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff"])
def test_a_job_json_of_another_kind_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "job.json").write_bytes(content)
    with pytest.raises(JobError, match=r"job\.json"):
        jobs.read_job(tmp_path)


def test_events_are_whole_lines_in_order(tmp_path: Path) -> None:
    events = jobs.Events.of_job(tmp_path)
    before = time.time()
    events.emit("started", device="cpu")
    events.progress(3, 10, 1.23456)
    events.progress(0, 10)
    events.warning("note", "Grüße\nsecond line")
    events.emit("metric", values={"loss": float("nan"), "dice": [0.5, float("inf")]})
    events.error(EngineError("code", "message", "hint"))
    lines = (tmp_path / "events.jsonl").read_bytes().split(b"\n")
    assert lines[-1] == b""
    assert len(lines) == 7
    started, progress, unknown, warning, metric, error = map(json.loads, lines[:-1])
    assert before <= started["time"] <= time.time()
    assert (started["type"], started["device"]) == ("started", "cpu")
    assert [progress[k] for k in ("done", "total", "unit", "eta_s")] == [3, 10, "slices", 1.23]
    assert unknown["eta_s"] is None
    assert warning["message"] == "Grüße\nsecond line"
    assert metric["values"] == {"loss": None, "dice": [0.5, None]}
    assert {k: error[k] for k in ("type", "code", "message", "hint")} == {
        "type": "error",
        "code": "code",
        "message": "message",
        "hint": "hint",
    }
    assert [e["type"] for e in jobs.read_events(tmp_path)] == [json.loads(x)["type"] for x in lines[:-1]]


def test_events_of_several_threads_do_not_mix(tmp_path: Path) -> None:
    events = [jobs.Events.of_job(tmp_path) for _ in range(4)]
    threads = [
        threading.Thread(target=lambda e=e, n=n: [e.emit("metric", n=n, text="x" * 500) for _ in range(50)])
        for n, e in enumerate(events)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = jobs.read_events(tmp_path)
    assert len(found) == 200
    assert {e["n"] for e in found} == {0, 1, 2, 3}


def test_a_line_cut_off_by_a_crash_spoils_no_other(tmp_path: Path) -> None:
    jobs.Events.of_job(tmp_path).emit("started", device="cpu")
    with open(tmp_path / "events.jsonl", "ab") as file:
        file.write(b'{"time": 1, "ty')
    assert [e["type"] for e in jobs.read_events(tmp_path)] == ["started"]
    jobs.Events.of_job(tmp_path).emit("finished")
    assert [e["type"] for e in jobs.read_events(tmp_path)] == ["started", "finished"]


def test_the_result_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "result.tmp").mkdir()
    (tmp_path / "result.tmp" / "left over").touch()
    with pytest.raises(RuntimeError), jobs.new_result(tmp_path) as out:
        (out / "half").touch()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with jobs.new_result(tmp_path) as out:
        (out / "file").touch()
        assert not jobs.has_result(tmp_path)
    assert [p.name for p in tmp_path.rglob("*")] == ["result", "file"]


def test_a_second_worker_is_kept_out(tmp_path: Path) -> None:
    with Lock(tmp_path):
        assert json.loads((tmp_path / "worker.lock").read_text())["pid"] == os.getpid()
        assert held(tmp_path)
        with pytest.raises(JobError) as caught, Lock(tmp_path):
            pytest.fail("two workers on one job")
        assert caught.value.code == "busy"
        assert held(tmp_path)
    assert not held(tmp_path)
    assert list(tmp_path.iterdir()) == []


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_lock_of_a_dead_worker_is_taken_over(tmp_path: Path) -> None:
    pid = dead_process()
    assert not alive(pid)
    assert alive(os.getpid())
    (tmp_path / "worker.lock").write_text(json.dumps({"pid": pid}))
    assert not held(tmp_path)
    with Lock(tmp_path):
        assert json.loads((tmp_path / "worker.lock").read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the start time of a process is read from /proc")
def test_a_process_number_used_again_is_not_the_worker(tmp_path: Path) -> None:
    (tmp_path / "worker.lock").write_text(json.dumps({"pid": os.getpid(), "start": "1"}))
    assert not held(tmp_path)


def test_a_process_that_ended_and_was_not_collected_is_dead() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    try:
        for _ in range(200):
            if not alive(process.pid):
                break
            time.sleep(0.05)
        if Path("/proc/self/stat").exists():
            assert not alive(process.pid)
    finally:
        process.wait()


def test_an_unreadable_lock_counts_while_it_is_young(tmp_path: Path) -> None:
    (tmp_path / "worker.lock").write_text("")
    assert held(tmp_path)
    os.utime(tmp_path / "worker.lock", (1, 1))
    assert not held(tmp_path)


def test_of_many_takers_one_gets_a_stale_lock(tmp_path: Path) -> None:
    (tmp_path / "worker.lock").write_text(json.dumps({"pid": dead_process()}))
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from cmaformer.door.lock import Lock\nfrom cmaformer.door.errors import JobError\n"
        "try:\n    with Lock(Path(sys.argv[1])): time.sleep(1.5); print('got')\nexcept JobError as e: print(e.code)"
    )
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment()
        )
        for _ in range(4)
    ]
    answers = sorted(taker.communicate(timeout=60)[0].strip() for taker in takers)
    assert answers == ["busy", "busy", "busy", "got"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(jobs.__file__).parents[2])}


def events(folder: Path, *kinds: str) -> None:
    for kind in kinds:
        jobs.Events.of_job(folder).emit(kind)


@pytest.mark.parametrize(
    ("kinds", "files", "locked", "expected"),
    [
        ((), (), False, "queued"),
        ((), (), True, "running"),
        ((), ("CANCEL",), False, "cancelled"),
        (("started",), (), True, "running"),
        (("started", "progress"), ("CANCEL",), True, "running"),
        (("started", "progress"), (), False, "interrupted"),
        (("started", "finished"), ("result",), False, "finished"),
        (("started",), ("result",), False, "finished"),
        (("started", "warning", "error"), (), False, "failed"),
        (("error",), (), False, "failed"),
        (("started", "cancelled"), ("CANCEL",), False, "cancelled"),
        (("started", "cancelled", "started"), (), True, "running"),
        (("started", "cancelled", "started"), (), False, "interrupted"),
    ],
)
def test_state_follows_from_the_files(tmp_path: Path, kinds, files, locked: bool, expected: str) -> None:
    jobs.write_job(tmp_path, GOOD)
    events(tmp_path, *kinds)
    for name in files:
        (tmp_path / name).touch() if name == "CANCEL" else (tmp_path / name).mkdir()
    if locked:
        with Lock(tmp_path):
            assert jobs.state(tmp_path) == expected
    else:
        assert jobs.state(tmp_path) == expected


def test_cancel_is_a_file(tmp_path: Path) -> None:
    assert not jobs.cancel_requested(tmp_path)
    jobs.request_cancel(tmp_path)
    assert jobs.cancel_requested(tmp_path)
    assert (tmp_path / "CANCEL").stat().st_size == 0


def test_the_door_needs_no_torch() -> None:
    code = (
        "import sys, cmaformer, cmaformer.__main__\n"
        "import cmaformer.door.job, cmaformer.door.lock, cmaformer.door.description, cmaformer.door.files\n"
        "print(sorted(m for m in ('torch', 'scipy', 'SimpleITK', 'slicer', 'qt', 'vtk') if m in sys.modules))\n"
        "print(callable(cmaformer.segment), callable(cmaformer.load_model), 'torch' in sys.modules)\n"
        "import cmaformer.segmenting.segment\nprint(callable(cmaformer.segment), cmaformer.__version__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout.split("\n")[:3] == ["[]", "True True True", "True 0.1.0"]
