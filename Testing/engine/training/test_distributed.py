"""Several processes do one training: the numbers of one process with the joint batch, and an end for all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from tinymodel import save_tiny
from trainingdata import write_cases

from cmaformer.cases.reading import read_cases
from cmaformer.data.augmentation import augment
from cmaformer.data.sampler import Sampler, WindowSpec
from cmaformer.data.slices import SliceStore
from cmaformer.door import job as jobs
from cmaformer.door.errors import EngineError
from cmaformer.parallel import distributed, processes
from cmaformer.parallel.rows import Rows
from cmaformer.recipes.augmentation import Augmentation
from cmaformer.recipes.recipe import Recipe
from cmaformer.training.plan import create
from cmaformer.training.teaching.copy_paste import mix
from cmaformer.training.work import work

BOTH_PHASES = Recipe(
    iterations=3,
    semi_iterations=4,
    learning_rate=1e-4,
    batch_size=4,
    patch=32,
    evaluate_every=0,
    look_slices=4,
    checkpoint_every=100,
)
EVERYTHING = replace(BOTH_PHASES, constraint="alm", contrast_weight=0.1)
# The command, which tells every iteration, and can be made to stop or to fail at one of them.
PROGRAM = """
import os, sys
from cmaformer.door import job
from cmaformer.network import device
from cmaformer.parallel import processes
from cmaformer.training import loop as trainer
from cmaformer.__main__ import main

device.processor_prefers_bfloat16 = lambda: False
tell, trainer.METRIC_EVERY = trainer.Trainer.report_progress, 1

def watched(self, *arguments):
    tell(self, *arguments)
    if self.state.iteration == int(os.environ.get("STOP_AT", "-1")):
        job.request_cancel(self.job.folder)
    if self.state.iteration == int(os.environ.get("FAIL_AT", "-1")) and processes.number() == 1:
        self.stepper.halve()

trainer.Trainer.report_progress = watched
sys.exit(main())
"""


@pytest.fixture
def cases(tmp_path):
    return read_cases(write_cases(tmp_path, ["labeled", "unlabeled", "unlabeled", "held-out", "held-out", "held-out"]))


@pytest.fixture
def base(tmp_path):
    return save_tiny(tmp_path / "base", structures=2)


def two_processes(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command under torchrun, with two processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "--no-python"]
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    full = [*command, sys.executable, "-c", PROGRAM, "train", *arguments]
    started = subprocess.Popen(
        full, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        output, errors = started.communicate(timeout=300)
    except BaseException:
        os.killpg(started.pid, signal.SIGKILL)  # torchrun's processes too
        raise
    return subprocess.CompletedProcess(full, started.returncode, output, errors)


def one_process(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cmaformer.training.loop.METRIC_EVERY", 1)
        patch.setattr(
            "cmaformer.network.device.processor_prefers_bfloat16", lambda: False
        )  # it rounds too much to compare
        return work(folder, "cpu")


def curve(folder) -> dict[tuple[int, str], float]:
    """All numbers that the events tell, by iteration and name."""
    found = {}

    def take(iteration, name, value):
        if isinstance(value, dict):
            for key, entry in value.items():
                take(iteration, f"{name}/{key}", entry)
        elif isinstance(value, float):
            found[iteration, name] = value

    for event in jobs.read_events(folder):
        if event["type"] == "metric":
            take(event["iteration"], "", event["values"])
    return found


def assert_same_training(one, two, recipe) -> None:
    expected, got = curve(one), curve(two)
    assert set(got) == set(expected)
    assert {i for i, name in expected if name == "/loss"} == set(
        range(1, 1 + recipe.iterations + recipe.semi_iterations)
    )
    assert got == pytest.approx(expected, abs=1e-3)
    ours, theirs = (
        torch.load(folder / "result" / "model-1.0.0" / "weights.pt", weights_only=True) for folder in (two, one)
    )
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name].float(), value.float(), rtol=0, atol=2e-3)


def test_two_processes_train_as_one_does_with_the_joint_batch(tmp_path, cases, base):
    create(cases, tmp_path / "one", "model", base, recipe=BOTH_PHASES, seed=4)
    one_process(tmp_path / "one")
    create(cases, tmp_path / "two", "model", base, recipe=BOTH_PHASES, seed=4)
    done = two_processes("--resume", str(tmp_path / "two"), "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("model-1.0.0") == 1
    assert_same_training(tmp_path / "one", tmp_path / "two", BOTH_PHASES)
    (started,) = [e for e in jobs.read_events(tmp_path / "two") if e["type"] == "started"]
    assert started["processes"] == 2
    assert jobs.state(tmp_path / "two") == "finished"


def test_two_processes_stop_on_request_and_one_goes_on(tmp_path, cases, base):
    """With constraints and contrast: multipliers and memory bank are those of one process, too."""
    create(cases, tmp_path / "one", "model", base, recipe=EVERYTHING, seed=5)
    one_process(tmp_path / "one")
    create(cases, tmp_path / "two", "model", base, recipe=EVERYTHING, seed=5)
    done = two_processes("--resume", str(tmp_path / "two"), "--device", "cpu", STOP_AT="5")
    assert done.returncode != 0 and done.stderr.count("Stopped on request.") <= 1
    assert jobs.state(tmp_path / "two") == "cancelled"
    one_process(tmp_path / "two")
    started = [e for e in jobs.read_events(tmp_path / "two") if e["type"] == "started"]
    assert [e["resumed_at"] for e in started] == [None, 5]
    assert_same_training(tmp_path / "one", tmp_path / "two", EVERYTHING)


def test_error_before_work_ends_all_processes_with_one_message(tmp_path, cases, base):
    create(cases, tmp_path / "job", "model", base, recipe=BOTH_PHASES)
    cases.cases[0].image.unlink()
    done = two_processes("--resume", str(tmp_path / "job"), "--device", "cpu")
    assert done.returncode != 0
    (error,) = [e for e in jobs.read_events(tmp_path / "job") if e["type"] == "error"]
    assert done.stderr.count(error["message"]) == 1
    assert jobs.state(tmp_path / "job") == "failed" and not (tmp_path / "job" / "worker.lock").exists()


def test_process_that_fails_alone_tells_it_and_ends_the_others(tmp_path, cases, base):
    """Memory is short in the second process: the first waits for it within a step, and must not wait forever."""
    create(cases, tmp_path / "job", "model", base, recipe=BOTH_PHASES)
    done = two_processes("--resume", str(tmp_path / "job"), "--device", "cpu", FAIL_AT="2")
    assert done.returncode != 0
    assert [e["code"] for e in jobs.read_events(tmp_path / "job") if e["type"] == "error"] == ["out-of-memory"]
    assert "--batch-size" in done.stderr
    assert jobs.state(tmp_path / "job") == "failed" and not (tmp_path / "job" / "worker.lock").exists()


def test_rows_of_a_batch_are_those_of_the_joint_batch(tmp_path, cases, base):
    """Whatever the division: windows, augmentation and copy-paste of some rows are those rows of the whole."""
    create(cases, tmp_path / "job", "model", base, recipe=BOTH_PHASES)
    work(tmp_path / "job", "cpu", prepare_only=True)
    store = SliceStore(tmp_path / "job" / "slices")
    sampler = Sampler(store, store.numbers("labeled"), WindowSpec(48, 0, 0.67), 3)

    def patches(rows):
        windows = sampler.batch(6, 11, rows)
        batch = augment(windows, 32, Augmentation(blur=0.5), np.random.default_rng(1), "cpu", rows)
        mixed = mix(batch, batch, batch.labels, 0.5, np.random.default_rng(2), rows)
        return [batch.images, batch.plain, batch.frames, batch.distances, mixed.images, mixed.labels, mixed.labeled]

    whole = patches(None)
    for rows in (Rows(0, 2, 6), Rows(2, 5, 6), Rows(5, 6, 6)):
        for part, joint in zip(patches(rows), whole):
            torch.testing.assert_close(part, rows.of(joint))


def test_batch_is_divided_evenly_or_not_at_all(monkeypatch):
    assert distributed.rows(5) == Rows(0, 5, 5)
    monkeypatch.setattr(processes, "count", lambda: 3)
    monkeypatch.setattr(processes, "number", lambda: 1)
    assert distributed.rows(12) == Rows(4, 8, 12)
    assert distributed.rows(12, 2) == Rows(4, 8, 12)
    with pytest.raises(EngineError, match="multiple of 3") as caught:
        distributed.rows(8)
    assert caught.value.code == "batch-size"
    with pytest.raises(EngineError, match="multiple of 6"):
        distributed.rows(9, 2)


def test_processes_take_the_graphics_card_of_their_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert processes.local_device("auto") == processes.local_device("cuda") == "cuda:1"
    assert processes.local_device("cpu") == "cpu"
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(EngineError, match="more processes"):
        processes.local_device("auto")
    with pytest.raises(EngineError, match="one process"):
        processes.local_device("mps")
