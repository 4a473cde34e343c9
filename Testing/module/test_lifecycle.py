"""What users do while a segmentation runs, and what can go wrong with the engine. Nothing of theirs may be lost."""

from __future__ import annotations

import json

import pytest

import standin


def segmentations():
    import slicer

    return slicer.util.getNodesByClass("vtkMRMLSegmentationNode")


def submitted(task, fakeEngine):
    standin.processUntil(lambda: fakeEngine.jobs and not task.threadIsWorking)
    return task


@pytest.fixture
def running(fakeLogic, fakeEngine, volume):
    """A task whose job the fake engine has begun."""
    task = submitted(fakeLogic.startSegmentation(volume), fakeEngine)
    fakeEngine.begin(done=3, total=6, secondsLeft=4.2)
    standin.processUntil(lambda: task.state == "running")
    return task


def end(task):
    standin.processUntil(lambda: task.ended)
    return task


def test_a_result_is_adopted_with_its_provenance(running, fakeEngine, volume):
    labels = fakeEngine.finish()
    end(running)
    assert running.state == "finished" and running.problem is None
    node = running.segmentationNode
    assert node.GetAttribute("CMAformer.EngineVersion") == "9.9.9"
    assert node.GetAttribute("CMAformer.ModelSha256") == running.model.sha256
    parameters = json.loads(node.GetAttribute("CMAformer.Parameters"))
    assert parameters["device"] == "auto" and parameters["used"] == {
        "batch_size": 8,
        "device": "cpu",
        "precision": "fp32",
    }
    import slicer

    array = slicer.util.arrayFromSegmentBinaryLabelmap(node, "myocardium")
    assert (array != 0).sum() == (labels == 2).sum()
    assert not running.job.folder.exists()  # it holds a copy of the image


def test_job_folder_says_nothing_about_patient_or_computer(fakeLogic, fakeEngine, volume):
    volume.SetName("Miller^Anna")
    submitted(fakeLogic.startSegmentation(volume, device="cpu"), fakeEngine)
    text = (fakeEngine.jobs[0] / "job.json").read_text()
    assert "Miller" not in text and str(fakeEngine.jobs[0].parent) not in text
    content = json.loads(text)
    assert content["kind"] == "segment" and content["schema"] == 1 and content["id"] == fakeEngine.jobs[0].name
    assert content["parameters"] == {"device": "cpu", "batch_size": None, "cleanup": True}
    assert content["inputs"] == {"image": "input.mha"} and content["engine_version"]


def test_cancel_lets_the_engine_stop_by_itself(running, fakeEngine):
    running.cancel()
    assert running.cancelling and (running.job.folder / "CANCEL").exists()
    fakeEngine.event("cancelled")
    end(running)
    assert running.state == "cancelled" and not fakeEngine.wasKilled and segmentations() == []


def test_cancel_ends_an_engine_that_does_not_listen(running, fakeEngine, monkeypatch):
    from CMAformerSegmentationLib import segmentation

    monkeypatch.setattr(segmentation, "cancelGraceSeconds", 0.1)
    running.cancel()
    end(running)
    assert running.state == "cancelled" and fakeEngine.wasKilled


def test_a_result_that_comes_after_cancel_is_dropped(running, fakeEngine):
    running.cancel()
    fakeEngine.finish()
    end(running)
    assert running.state == "cancelled" and segmentations() == []


def test_a_job_that_waits_is_cancelled_at_once(fakeLogic, fakeEngine, volume):
    task = submitted(fakeLogic.startSegmentation(volume), fakeEngine)
    task.cancel()
    end(task)
    assert task.state == "cancelled" and not fakeEngine.wasKilled


def test_closing_the_scene(running, fakeEngine):
    standin.closeScene()
    fakeEngine.event("cancelled")
    end(running)
    assert running.state == "cancelled" and "scene was closed" in str(running.problem)


def test_deleting_the_volume(running, fakeEngine, volume):
    import slicer

    slicer.mrmlScene.RemoveNode(volume)
    fakeEngine.finish()
    end(running)
    assert running.state == "cancelled" and "volume was deleted" in str(running.problem) and segmentations() == []


def test_deleting_the_chosen_result(fakeLogic, fakeEngine, volume):
    import slicer

    output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    task = submitted(fakeLogic.startSegmentation(volume, segmentation=output), fakeEngine)
    fakeEngine.begin()
    standin.processUntil(lambda: task.state == "running")
    slicer.mrmlScene.RemoveNode(output)
    fakeEngine.finish()
    end(task)
    assert task.state == "cancelled" and "result was deleted" in str(task.problem) and segmentations() == []


def test_deleting_another_node_does_not_matter(running, fakeEngine):
    import slicer

    slicer.mrmlScene.RemoveNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode"))
    fakeEngine.finish()
    assert end(running).state == "finished"


def test_a_volume_of_another_size_does_not_get_the_result(running, fakeEngine, volume):
    import numpy as np
    import slicer

    fakeEngine.finish()
    slicer.util.updateVolumeFromArray(volume, np.zeros((2, 3, 4), np.int16))
    end(running)
    assert running.state == "failed" and "another size" in str(running.problem) and segmentations() == []


def test_changed_voxels_are_mentioned(running, fakeEngine, volume):
    import slicer

    slicer.util.arrayFromVolume(volume)[:] = 1
    slicer.util.arrayFromVolumeModified(volume)
    fakeEngine.finish()
    end(running)
    assert running.state == "finished" and "changed meanwhile" in running.notices[0]


def test_a_transform_that_was_changed_meanwhile_is_followed(running, fakeEngine, volume):
    volume.SetAndObserveTransformNodeID(None)
    fakeEngine.finish()
    assert end(running).segmentationNode.GetTransformNodeID() is None


def test_own_segments_are_untouched_until_success(fakeLogic, fakeEngine, volume):
    import slicer

    output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    output.GetSegmentation().AddEmptySegment("mine", "Mine")
    output.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    task = submitted(fakeLogic.startSegmentation(volume, segmentation=output), fakeEngine)
    fakeEngine.event("error", code="out-of-memory", message="The GPU has too little memory.", hint="Use the CPU.")
    end(task)
    assert task.state == "failed" and str(task.problem) == "The GPU has too little memory. Use the CPU."
    assert (
        list(output.GetSegmentation().GetSegmentIDs()) == ["mine"] and output.GetAttribute("CMAformer.ModelId") is None
    )


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
    from CMAformerSegmentationLib import segmentation

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
    from CMAformerSegmentationLib import segmentation

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(segmentation, "writeMetaImage", full)
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
    from CMAformerSegmentationLib import segmentation, words

    monkeypatch.setattr(segmentation, "stalledSeconds", 0.0)
    standin.processFor(0.05)
    assert running.stalled and "No progress for over a minute at slice 3 of 6" in words.taskStatus(running)
    monkeypatch.setattr(segmentation, "stalledSeconds", 60.0)
    fakeEngine.finish()
    assert end(running).state == "finished"


def test_scripts_get_an_error_in_words(fakeLogic, fakeEngine, volume):
    from CMAformerSegmentationLib.request import SegmentationError

    fakeEngine.refusesToStart = True
    with pytest.raises(SegmentationError, match="cannot be started") as caught:
        fakeLogic.segment(volume)
    assert caught.value.code == "engine-start" and caught.value.hint
    with pytest.raises(ValueError, match="no model other"):
        fakeLogic.segment(volume, model="other")
    with pytest.raises(ValueError, match="Choose a volume"):
        fakeLogic.segment(None)


def test_an_interrupted_script_leaves_nothing_behind(fakeLogic, fakeEngine, volume):
    task = fakeLogic.segment(volume, wait=False)

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        task.wait(interrupt)
    assert task.state == "cancelled" and not task.job.folder.exists()


def test_shutdown_ends_everything(running, fakeEngine, fakeLogic):
    fakeLogic.cleanup()
    assert running.state == "cancelled" and fakeEngine.stops == 1 and running.Observations == []
    assert not running.job.folder.exists()
    fakeLogic.cleanup()  # again, as when Slicer quits after the panel was unloaded


def test_observers_are_removed_at_every_end(running, fakeEngine):
    assert len(running.Observations) == 2
    fakeEngine.finish()
    assert end(running).Observations == []
