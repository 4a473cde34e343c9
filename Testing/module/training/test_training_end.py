"""How a training ends: as a model, or with an error that is told. And one with the real engine."""

from __future__ import annotations

import json
import os

import pytest
from trainingnodes import makeCase, makeVolume

import standin


def test_the_engines_word_is_passed_on(running):
    training, process = running
    process.event("error", code="loss-not-finite", message="The loss was not finite 3 times.", hint="Lower the rate.")
    process.exit(1)
    standin.processUntil(lambda: training.ended)
    assert training.state == "failed" and str(training.problem) == "The loss was not finite 3 times. Lower the rate."
    from CMAformerSegmentationLib.training.request import TrainingError

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
    from CMAformerSegmentationLib.training import job as module

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
    from CMAformerSegmentationLib.training import queue as trainingQueue

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

    from CMAformerSegmentationLib.training.heldOutView import HeldOutView, heldOutCases

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
