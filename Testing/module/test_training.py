"""Trainings from the console: what users do while one runs, and what can happen to it. Nothing may be lost."""

from __future__ import annotations

import json
import os
import shutil
import time

import pytest
from trainingnodes import makeCase, makeVolume

import standin
from owntime import ownTime


@pytest.fixture
def start(trainingLogic, processes):
    """Start a training of two labeled cases and an unlabeled one; returns it and its process."""

    def start(name="Our hearts", **settings):
        labeled = [makeCase(f"Doe^Jane {n}", n) for n in range(2)]
        training = trainingLogic.startTraining(labeled, [makeVolume("Roe^Richard")[0]], name=name, **settings)
        return training, processes[training.id]

    return start


@pytest.fixture
def running(start):
    """A training whose process has begun."""
    training, process = start()
    standin.processUntil(lambda: process.running)
    process.begin()
    process.event("progress", done=10, total=100, unit="iterations", eta_s=90.0)
    standin.processUntil(lambda: training.job.progress.done == 10)
    return training, process


def metric(process, iteration, **values):
    process.event("metric", iteration=iteration, phase="supervised", values=values)


def again(module, processes):
    """The logic of a later Slicer."""
    from fakes import FakeProcess

    from CMAformerSegmentationLib.trainingQueue import TrainingQueue

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
    from CMAformerSegmentationLib import training as module

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


def test_the_engines_word_is_passed_on(running):
    training, process = running
    process.event("error", code="loss-not-finite", message="The loss was not finite 3 times.", hint="Lower the rate.")
    process.exit(1)
    standin.processUntil(lambda: training.ended)
    assert training.state == "failed" and str(training.problem) == "The loss was not finite 3 times. Lower the rate."
    from CMAformerSegmentationLib.trainingRequest import TrainingError

    with pytest.raises(TrainingError, match="not finite"):
        training.wait()


def test_an_engine_that_does_not_start_is_told_and_can_be_resumed(trainingLogic, start):
    training, process = start()
    process.refusesToStart = True
    standin.processUntil(lambda: training.ended)
    assert training.state == "interrupted" and "cannot be started" in str(training.problem)
    process.refusesToStart = False
    training.resume()
    standin.processUntil(lambda: process.running)
    assert training.problem is None


def test_a_deleted_folder_ends_it(running, trainingLogic):
    import shutil

    training, process = running
    process.exit(1)
    shutil.rmtree(training.folder)
    trainingLogic.queue.poll()
    assert trainingLogic.jobs() == []
    assert training.state == "failed" and "was deleted" in str(training.problem)


def test_a_stalled_training_is_noticed(running, monkeypatch):
    from CMAformerSegmentationLib import training as module

    training, process = running
    assert not training.stalled
    monkeypatch.setattr(module, "stalledSeconds", 0.0)
    assert training.stalled
    process.exit(0)
    training.poll()
    assert not training.stalled


def test_what_cannot_be_started_says_why(trainingLogic, scene):
    volumeNode, segmentationNode = makeCase("a", 0)
    labeled = [(volumeNode, segmentationNode)]
    for arguments, words in (
        ({"labeled": [], "name": "x"}, "labeled case"),
        ({"labeled": labeled, "name": ""}, "name"),
        ({"labeled": [volumeNode], "name": "x"}, "needs a segmentation"),
        ({"labeled": labeled, "name": "x", "minutes": 0}, "minutes"),
        ({"labeled": labeled, "name": "x", "base": "no-such-1.0.0"}, "no model no-such"),
        ({"labeled": [("no-such.nrrd", "labels.nrrd")], "name": "x", "classes": ["a"]}, "does not exist"),
        ({"labeled": [(segmentationNode, volumeNode)], "name": "x"}, "choose a volume"),
    ):
        with pytest.raises(ValueError, match=words):
            trainingLogic.startTraining(**arguments)
    assert trainingLogic.jobs() == []


def test_the_main_thread_is_never_blocked_for_long(trainingLogic, processes, scene):
    """Saving large cases and reading a long history."""
    from CMAformerSegmentationLib.training import Training
    from CMAformerSegmentationLib.trainingQueue import TrainingQueue

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


def test_keep_gives_the_result_an_id_of_its_own(running, trainingLogic, tiny, models):
    training, process = running
    with pytest.raises(ValueError, match="no result"):
        training.keep()
    report = {"before": {"dice": [[0.5, None]]}, "after": {"dice": [[0.6, None]]}}
    process.finish(tiny, report)
    standin.processUntil(lambda: training.ended)
    assert training.improved is True
    before = (tiny / "weights.pt").read_bytes()
    model = training.keep()
    assert model.id == "tiny-1.0.1" and model.title == "Our hearts" and not model.bundled
    assert [entry.id for entry in trainingLogic.models()] == ["tiny-1.0.0", "tiny-1.0.1"]
    assert (tiny / "weights.pt").read_bytes() == before
    training.discard()
    assert trainingLogic.jobs() == [] and trainingLogic.catalog().find("tiny-1.0.1")


def test_from_the_scene_to_a_model_with_the_real_engine(logic, trainings, scene, monkeypatch):
    """The whole way: nodes, a process, kill -9, resume, a model that segments."""
    from CMAformerSegmentationLib import trainingQueue

    assert trainingQueue.trainingsFolder() == trainings
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # threads that wait for each other on a busy machine take for ever
    labeled = [makeCase(f"Doe^Jane {n}", n) for n in range(3)]
    settings = {"iterations": 30, "batch_size": 2, "patch": 32, "checkpoint_every": 5, "evaluate_every": 0}
    training = logic.startTraining(
        labeled[:2],
        [makeVolume("Roe", seed=9)[0]],
        labeled[2:],
        "tiny-1.0.0",
        "Disc and ring",
        minutes=0.3,
        settings=settings,
    )
    standin.processUntil(lambda: training.job.progress.unit == "iterations", timeout=300)
    standin.processUntil(lambda: (training.folder / "job" / "checkpoint.pt").exists(), timeout=200)
    assert training.state == "running"
    if os.name == "posix":  # Slicer's own work goes first
        pid = json.loads((training.folder / "process.json").read_text())["pid"]
        assert os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, os.getpid())
    training.process.kill()
    standin.processUntil(lambda: training.ended, timeout=20)
    if training.state != "finished":
        assert training.state == "interrupted"
        training.resume()
    training.wait()
    assert training.job.progress.total > 0 and training.report["held_out_dice"]
    told = (training.folder / "job" / "events.jsonl").read_text() + (training.folder / "job" / "job.json").read_text()
    assert "Doe" not in told and "Roe" not in told and str(trainings) not in told

    model = training.keep()
    assert model.id == "disc-and-ring-1.0.0" and [s.name for s in model.structures] == ["ring", "disc"]
    for text in ((model.path / "model.json").read_text(), model.card):
        assert "Doe" not in text
    node = logic.segment(labeled[2][0], model=model)
    assert node.GetSegmentation().GetNumberOfSegments() == 2

    # The held-out case with both results over the reference.
    import slicer

    from CMAformerSegmentationLib.heldOutView import HeldOutView, heldOutCases

    (case,) = heldOutCases(training)
    view = HeldOutView(training, case, logic.catalog().find("tiny-1.0.0"))
    assert case.name == "Doe^Jane 2" and view.volumeNode.GetName() == case.name
    view.work()()
    reference, before, after = view.show()
    assert [n.GetSegmentation().GetNumberOfSegments() for n in (reference, before, after)] == [2, 3, 2]
    expected = slicer.util.arrayFromSegmentBinaryLabelmap(labeled[2][1], "disc", labeled[2][0])
    found = slicer.util.arrayFromSegmentBinaryLabelmap(reference, "disc", view.volumeNode)
    assert (found == expected).all()
    assert not reference.GetDisplayNode().GetVisibility2DFill() and after.GetDisplayNode().GetVisibility2DFill()
    new = slicer.util.arrayFromSegmentBinaryLabelmap(after, "disc", view.volumeNode)
    kept = slicer.util.arrayFromSegmentBinaryLabelmap(node, "disc", labeled[2][0])
    assert (new == kept).all()  # what the model that was kept finds in the scene
    assert not list(trainings.glob(".show*"))
