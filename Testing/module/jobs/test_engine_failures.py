"""What can go wrong with the engine and the files, told in words. Nothing of the user's is touched."""

from __future__ import annotations

import pytest
from fakes import end, segmentations, submitted

import standin


@pytest.mark.parametrize(
    "code, words", [(-9, "ran out of memory"), (137, "ran out of memory"), (-11, "crashed"), (1, "stopped before")]
)
def test_an_engine_that_dies_is_explained(running, fakeEngine, code, words):
    fakeEngine.exit(code)
    end(running)
    assert running.state == "failed" and words in str(running.problem) and segmentations() == []


def test_an_engine_that_finishes_and_leaves_at_once_is_no_failure(running, fakeEngine):
    fakeEngine.finish()
    fakeEngine.exit(0)
    assert end(running).state == "finished"


def test_an_engine_that_was_idle_gets_the_job_again(fakeLogic, fakeEngine, volume):
    task = submitted(fakeLogic.startSegmentation(volume), fakeEngine)
    fakeEngine.exit(0)
    standin.processUntil(lambda: len(fakeEngine.jobs) == 2)
    fakeEngine.begin()
    fakeEngine.finish()
    assert end(task).state == "finished" and fakeEngine.starts == 2


def test_an_engine_that_always_leaves_is_given_up(fakeLogic, fakeEngine, volume):
    task = fakeLogic.startSegmentation(volume)

    def leave():
        if fakeEngine.running:
            fakeEngine.exit(0)
        return task.ended

    standin.processUntil(leave)
    assert task.state == "failed" and len(fakeEngine.jobs) == 3


def test_another_waiting_job_survives_a_forced_end(fakeLogic, fakeEngine, volume, monkeypatch):
    from CMAformerSegmentationLib.segmenting import segmentation

    monkeypatch.setattr(segmentation, "cancelGraceSeconds", 0.1)
    first = submitted(fakeLogic.startSegmentation(volume), fakeEngine)
    fakeEngine.begin()
    standin.processUntil(lambda: first.state == "running")
    second = fakeLogic.startSegmentation(volume)
    standin.processUntil(lambda: len(fakeEngine.jobs) == 2)
    first.cancel()
    standin.processUntil(lambda: len(fakeEngine.jobs) == 3)
    fakeEngine.begin()
    fakeEngine.finish()
    assert end(second).state == "finished" and first.state == "cancelled"


def test_an_engine_that_cannot_be_started(fakeLogic, fakeEngine, volume):
    fakeEngine.refusesToStart = True
    task = end(fakeLogic.startSegmentation(volume))
    assert task.state == "failed" and "cannot be started" in str(task.problem)


def test_a_full_disk(fakeLogic, volume, monkeypatch):
    from CMAformerSegmentationLib.segmenting import inputVolumes

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inputVolumes, "writeMetaImage", full)
    task = end(fakeLogic.startSegmentation(volume))
    assert (
        task.state == "failed" and "No space left" in str(task.problem) and "Free some disk space" in str(task.problem)
    )


def test_a_damaged_result(running, fakeEngine):
    fakeEngine.finish()
    file = running.job.resultFolder / "segmentation.mha"
    file.write_bytes(file.read_bytes()[:-10])
    end(running)
    assert running.state == "failed" and "truncated" in str(running.problem) and segmentations() == []


def test_a_deleted_job_folder(running, fakeEngine):
    running.job.remove()
    fakeEngine.exit(1)
    assert end(running).state == "failed"


def test_a_stalled_engine_is_told_and_may_come_back(running, fakeEngine, monkeypatch):
    from CMAformerSegmentationLib.segmenting import segmentation, words

    monkeypatch.setattr(segmentation, "stalledSeconds", 0.0)
    standin.processFor(0.05)
    assert running.stalled and "No progress for over a minute at slice 3 of 6" in words.taskStatus(running)
    monkeypatch.setattr(segmentation, "stalledSeconds", 60.0)
    fakeEngine.finish()
    assert end(running).state == "finished"


def test_scripts_get_an_error_in_words(fakeLogic, fakeEngine, volume):
    from CMAformerSegmentationLib.segmenting.request import SegmentationError

    fakeEngine.refusesToStart = True
    with pytest.raises(SegmentationError, match="cannot be started") as caught:
        fakeLogic.segment(volume)
    assert caught.value.code == "engine-start" and caught.value.hint
    with pytest.raises(ValueError, match="no model other"):
        fakeLogic.segment(volume, model="other")
    with pytest.raises(ValueError, match="Choose a volume"):
        fakeLogic.segment(None)
