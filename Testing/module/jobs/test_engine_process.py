"""The process that runs the engine, with small programs in place of the worker."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

pytestmark = [pytest.mark.usefixtures("module"), pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")]

echo = "import sys\nprint('hello', flush=True)\nfor line in sys.stdin: open(line.strip() + '/seen', 'w').close()"


@pytest.fixture
def start(tmp_path):
    from CMAformerSegmentationLib.jobs.engineProcess import EngineProcess

    engines = []

    def make(code: str) -> EngineProcess:
        engines.append(EngineProcess([sys.executable, "-c", code], dict(os.environ), tmp_path / "log" / "engine.log"))
        return engines[-1]

    yield make
    for engine in engines:
        engine.kill()


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)


def test_jobs_reach_one_process_and_its_words_the_log(start, tmp_path):
    engine = start(echo)
    assert not engine.isRunning() and engine.exitCode() is None
    for name in ("a b", "ü"):
        (tmp_path / name).mkdir()
        engine.submit(tmp_path / name)
    until(lambda: (tmp_path / "a b" / "seen").exists() and (tmp_path / "ü" / "seen").exists())
    assert engine.starts == 1 and engine.logTail() == "hello"
    engine.stop(5)
    assert engine.exitCode() == 0 and not engine.isRunning()


def test_an_engine_that_left_is_started_again(start, tmp_path):
    engine = start("import sys; line = sys.stdin.readline(); open(line.strip() + '/seen', 'a').write('x')")
    engine.submit(tmp_path)
    until(lambda: not engine.isRunning())
    engine.submit(tmp_path)
    until(lambda: not engine.isRunning())
    assert engine.starts == 2 and (tmp_path / "seen").read_text() == "xx"


def test_kill_ends_the_children_too(start, tmp_path):
    child = "import time; time.sleep(600)"
    engine = start(
        f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {child!r}]);"
        "open(sys.stdin.readline().strip() + '/pid', 'w').write(str(p.pid)); p.wait()"
    )
    engine.submit(tmp_path)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    pid = int((tmp_path / "pid").read_text())
    engine.kill()
    assert engine.wasKilled and engine.exitCode() == -signal.SIGKILL

    def gone():
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().split(")")[1].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    if os.path.isdir("/proc/self"):
        until(gone)


def test_stop_does_not_wait_for_ever(start, tmp_path):
    engine = start("import time; time.sleep(600)")
    engine.submit(tmp_path)
    before = time.monotonic()
    engine.stop(0.2)
    assert time.monotonic() - before < 5 and not engine.isRunning()


def test_a_program_that_does_not_exist(tmp_path):
    from CMAformerSegmentationLib.jobs.engineProcess import EngineProcess

    engine = EngineProcess([str(tmp_path / "nothing")], {}, tmp_path / "engine.log")
    with pytest.raises(OSError):
        engine.submit(tmp_path)
    assert not engine.isRunning()
    engine.stop(0.1)


@pytest.mark.parametrize(
    "code, kind",
    [
        (-9, "out-of-memory"),
        (137, "out-of-memory"),
        (-11, "engine-crashed"),
        (1, "engine-stopped"),
        (None, "engine-stopped"),
    ],
)
def test_exit_codes_in_words(code, kind):
    from CMAformerSegmentationLib.jobs.engineProcess import explainExit

    problem = explainExit(code)
    assert problem.code == kind and problem.message and problem.hint


def test_log_tail_is_short(start, tmp_path):
    engine = start("")
    engine.logPath.parent.mkdir()
    engine.logPath.write_text("\n".join(str(n) for n in range(100000)))
    assert engine.logTail(2) == "99998\n99999"
