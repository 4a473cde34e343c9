"""What users do while a segmentation runs, and what can go wrong with the engine. Nothing of theirs may be lost."""

from __future__ import annotations

import json

import pytest
from fakes import end, segmentations, submitted

import standin


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
    assert content["parameters"] == {"device": "cpu", "batch_size": None, "cleanup": True, "uncertainty": True}
    assert content["inputs"] == {"image": "input.mha"} and content["engine_version"]


def test_cancel_lets_the_engine_stop_by_itself(running, fakeEngine):
    running.cancel()
    assert running.cancelling and (running.job.folder / "CANCEL").exists()
    fakeEngine.event("cancelled")
    end(running)
    assert running.state == "cancelled" and not fakeEngine.wasKilled and segmentations() == []


def test_cancel_ends_an_engine_that_does_not_listen(running, fakeEngine, monkeypatch):
    from CMAformerSegmentationLib.segmenting import segmentation

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


def test_an_interrupted_script_leaves_nothing_behind(fakeLogic, fakeEngine, volume, monkeypatch):
    import time

    from CMAformerSegmentationLib.segmenting import inputVolumes

    write = inputVolumes.writeMetaImage

    def slowly(path, *arguments):
        end = time.monotonic() + 0.3  # the interrupt comes while the copy of the image is being written
        while time.monotonic() < end:
            path.touch()
        write(path, *arguments)

    monkeypatch.setattr(inputVolumes, "writeMetaImage", slowly)
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


def test_what_a_crashed_slicer_left_is_removed_after_a_day(fakeLogic, fakeEngine, volume):
    import os
    import time

    folder = fakeLogic.runner.folder
    old, new = folder / "20200101-000000-00000000", folder / "20991231-000000-00000000"
    for path in (old, new):
        path.mkdir(parents=True)
        (path / "input.mha").write_text("an image")
    os.utime(old, (time.time() - 100000,) * 2)
    try:
        task = fakeLogic.startSegmentation(volume)
        standin.processUntil(lambda: fakeEngine.jobs and not old.exists())
        assert new.exists() and task.job.folder.exists()
    finally:
        (new / "input.mha").unlink()
        new.rmdir()


def test_observers_are_removed_at_every_end(running, fakeEngine):
    assert len(running.Observations) == 2
    fakeEngine.finish()
    assert end(running).Observations == []
