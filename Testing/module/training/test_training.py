"""Trainings from the console: what users do while one runs, and what can happen to it. Nothing may be lost."""

from __future__ import annotations

import json
import shutil
import time

import pytest
from trainingnodes import makeCase

import standin
from owntime import ownTime


def metric(process, iteration, **values):
    process.event("metric", iteration=iteration, phase="supervised", values=values)


def again(module, processes):
    """The logic of a later Slicer."""
    from fakes import FakeProcess

    from CMAformerSegmentationLib.training.queue import TrainingQueue

    logic = module.CMAformerSegmentationLogic()
    logic.queue = TrainingQueue(lambda folder: processes.setdefault(folder.name, FakeProcess(folder)))
    return logic


def test_cases_are_saved_then_the_engine_is_asked(start, trainings):
    training, process = start(base="tiny-1.0.0", minutes=5, settings={"batch_size": 2})
    assert training.state == "preparing" and training.savedCases == (0, 3)
    standin.processUntil(lambda: process.running)
    assert training.state == "running"
    command = process.commands[0]
    assert command[1:4] == ["-m", "cmaformer", "train"]
    arguments = dict(zip(command[4::2], command[5::2]))
    assert (
        arguments["--name"] == "Our hearts" and arguments["--minutes"] == "5.0" and arguments["--base"] == "tiny-1.0.0"
    )
    cases = json.loads((trainings / training.id / "cases" / "cases.json").read_text())["cases"]
    assert [case["role"] for case in cases] == ["labeled", "labeled", "unlabeled"]
    assert json.loads((trainings / training.id / "recipe.json").read_text()) == {
        "batch_size": 2,
        "iterations": 3000,  # half of the time for each phase, because there is an unlabeled case
        "semi_iterations": 3000,
    }


def test_curves_and_looks_are_followed_and_repeated_iterations_counted_once(running):
    training, process = running
    metric(process, 20, loss=0.9)
    metric(process, 40, loss=0.7)
    metric(process, 50, dice={"1": 0.5}, dice_mean=0.5, student={"dice": {"1": 0.4}, "dice_mean": 0.4})
    metric(process, 40, loss=0.6)  # resumed from a checkpoint after a kill
    metric(process, 60, loss=0.5)
    standin.processUntil(lambda: len(training.history.losses) == 3)
    assert training.metrics["losses"] == [(20, 0.9), (40, 0.6), (60, 0.5)]
    assert [look["dice_mean"] for look in training.metrics["looks"]] == [0.5]


def test_pause_saves_and_resume_goes_on(running):
    training, process = running
    training.pause()
    assert training.stopping and (training.folder / "job" / "CANCEL").exists() and training.state == "running"
    process.event("cancelled")
    process.exit(3)
    standin.processUntil(lambda: training.ended)
    assert training.state == "paused" and "paused" in str(training.problem)
    training.resume()
    standin.processUntil(lambda: process.running)
    assert process.commands[-1][3:5] == ["train", "--resume"]
    process.event("started", device="cpu", resumed_at=10)
    standin.processFor(0.05)
    training.poll()
    assert training.state == "running" and training.problem is None


def test_cancel_ends_a_process_that_does_not_listen(running, monkeypatch):
    from CMAformerSegmentationLib.training import job as module

    monkeypatch.setattr(module, "stopGraceSeconds", 0.1)
    training, process = running
    training.cancel()
    standin.processUntil(lambda: training.ended)
    assert training.state == "cancelled" and process.code == -9


def test_closing_the_scene_does_not_matter(running, tiny):
    training, process = running
    standin.closeScene()
    process.finish(tiny)
    standin.processUntil(lambda: training.ended)
    assert training.state == "finished"


def test_a_later_slicer_finds_a_running_a_killed_and_a_finished_training(module, running, processes, tiny):
    training, process = running
    later = again(module, processes)
    found = later.jobs()
    assert [job.id for job in found] == [training.id] and found[0].state == "running"
    assert found[0].job.progress.done == 10
    process.exit(-9)
    later.queue.poll()
    assert found[0].state == "interrupted" and "memory" in str(found[0].problem)
    found[0].resume()
    later.queue.poll()
    assert process.running and found[0].state == "running"
    process.finish(tiny)
    later.queue.poll()
    assert found[0].state == "finished" and found[0].modelFolder.name == "new-1.0.0"
    later.cleanup()


def test_slicer_that_ends_while_cases_are_saved_leaves_something_that_can_only_be_deleted(module, start, processes):
    training, _process = start()
    later = again(module, {})
    (found,) = later.jobs()
    assert found.state == "failed" and "closed before" in str(found.problem)
    with pytest.raises(ValueError, match="Start a new one"):
        found.resume()
    training.cancel()
    found.discard()
    assert later.jobs() == [] and not training.folder.exists()
    later.cleanup()


def test_one_at_a_time(start):
    (first, one), (second, two) = start("first"), start("second")
    standin.processUntil(lambda: one.running and second.state == "queued")
    standin.processFor(0.2)
    assert not two.running
    one.event("started", device="cpu")
    one.exit(1)
    standin.processUntil(lambda: two.running)
    assert first.state == "interrupted" and second.state == "running"


def test_a_waiting_training_is_cancelled_at_once(start):
    (_first, one), (second, two) = start("first"), start("second")
    standin.processUntil(lambda: one.running and second.state == "queued")
    second.cancel()
    assert second.state == "cancelled" and not two.commands


def test_the_main_thread_is_never_blocked_for_long(trainingLogic, processes, scene):
    """Saving large cases and reading a long history."""
    from CMAformerSegmentationLib.training.job import Training
    from CMAformerSegmentationLib.training.queue import TrainingQueue

    labeled = [makeCase(f"big {n}", n, shape=(60, 256, 256)) for n in range(2)]
    training = trainingLogic.startTraining(labeled, name="x")
    queue: TrainingQueue = trainingLogic.queue
    longest = 0.0
    while not processes[training.id].running:
        begin = ownTime()
        queue.poll()
        longest = max(longest, ownTime() - begin)
        time.sleep(0.005)
    process = processes[training.id]
    process.begin()
    line = json.dumps({"time": 1.0, "type": "metric", "iteration": 1, "values": {"loss": 0.1, "supervised": 0.1}})
    with open(training.folder / "job" / "events.jsonl", "a") as file:
        file.write((line + "\n") * 3000)
        file.write(line.replace('"iteration": 1', '"iteration": 2') + "\n")
    while training.history.losses[-1:] != [(2, 0.1)]:
        begin = ownTime()
        queue.poll()
        longest = max(longest, ownTime() - begin)
    assert longest < 0.05
    later = Training(training.folder, process)
    later.poll()
    assert later.state == "reading" and not later.ended
    later.poll(whole=True)
    assert later.state == "running" and later.history.losses == [(1, 0.1), (2, 0.1)]


def test_many_long_trainings_are_listed_without_a_pause(module, running, processes):
    training, process = running
    line = json.dumps({"time": 1.0, "type": "metric", "iteration": 1, "values": {"loss": 0.1, "supervised": 0.1}})
    with open(training.folder / "job" / "events.jsonl", "a") as file:
        file.write((line + "\n") * 3000)
    process.event("cancelled")
    process.exit(3)
    for number in range(39):
        shutil.copytree(training.folder, training.folder.with_name(f"{training.id}-{number:02d}"))
    later = again(module, processes)
    try:
        longest, count = 0.0, 0
        while not count or any(one.state == "reading" for one in later.queue.trainings()):
            begin = ownTime()
            count = len(later.queue.trainings())
            listed = ownTime()
            later.queue.poll()
            longest = max(longest, listed - begin, ownTime() - listed)
        assert count == 40 and longest < 0.05
        assert {one.state for one in later.queue.trainings()} == {"cancelled"}
        assert all(one.history.losses == [(1, 0.1)] for one in later.queue.trainings())
    finally:
        later.cleanup()
