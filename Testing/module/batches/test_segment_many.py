"""Several volumes of the scene: one engine for all, one that fails does not stop the rest, nothing is lost."""

from __future__ import annotations

import pytest
from fakes import segmentations

import standin


def volumes(*names):
    from CMAformerSegmentationLib.segmenting.selftest import makeTestVolume

    nodes = [makeTestVolume() for _name in names]
    for node, name in zip(nodes, names):
        node.SetName(name)
    return nodes


def arrived(fakeEngine, count):
    """Wait until the engine has that many jobs, and begin the last."""
    standin.processUntil(lambda: len(fakeEngine.jobs) == count)
    fakeEngine.begin(done=3, total=6)


@pytest.mark.slow
def test_with_the_real_engine(logic, module):
    """Three volumes and one that is empty, with one load of the network; each result as of that volume alone."""
    import slicer

    nodes = volumes("a", "b", "c")
    slicer.util.arrayFromVolume(nodes[1])[:] //= 2
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    steps = []
    batch = logic.segmentMany([nodes[0], empty, *nodes[1:]], device="cpu", progress=lambda *step: steps.append(step))
    assert logic.runner.engine.starts == 1
    log = logic.runner.engine.logTail()
    assert [item.state for item in batch.items] == ["finished", "failed", "finished", "finished"], log
    assert [volume for volume, _result, _problem in batch.results] == [nodes[0], empty, *nodes[1:]]
    assert batch.results[1][1:] == (None, "The volume is empty. Choose another one.")
    results = [result for _volume, result, _problem in batch.results if result is not None]
    assert [node.GetName() for node in results] == ["a segmentation", "b segmentation", "c segmentation"]
    assert segmentations() == results and batch.status() == "3 done, 1 failed."
    assert steps[0] == (0, 4, None) and steps[-1] == (4, 4, 0.0) and any(left for _done, _total, left in steps)
    alone = logic.segment(nodes[1], device="cpu")
    for segment in ("right_ventricle", "left_ventricle"):
        expected = slicer.util.arrayFromSegmentBinaryLabelmap(alone, segment)
        assert (slicer.util.arrayFromSegmentBinaryLabelmap(results[1], segment) == expected).all()
    rows = [line.split("\t") for line in batch.table().splitlines()]
    assert rows[0] == [
        "Name",
        "State",
        "right ventricle (ml)",
        "myocardium (ml)",
        "left ventricle (ml)",
        "Remark",
    ]
    assert rows[2] == ["empty", "failed", "", "", "", "The volume is empty. Choose another one."]
    assert rows[3][:2] == ["b", "done"] and all(float(cell) >= 0 for cell in rows[3][2:5])


def test_a_failure_of_the_engine_does_not_stop_the_rest(fakeLogic, fakeEngine):
    nodes = volumes("a", "b", "c")
    batch = fakeLogic.segmentMany(nodes, wait=False)
    assert [item.state for item in batch.items] == ["running", "waiting", "waiting"]
    arrived(fakeEngine, 1)
    fakeEngine.event("error", code="out-of-memory", message="The GPU has too little memory.", hint="Use the CPU.")
    arrived(fakeEngine, 2)
    standin.processUntil(lambda: batch.part == 0.5)
    fakeEngine.exit(-11)
    arrived(fakeEngine, 3)
    assert fakeEngine.starts == 2
    fakeEngine.finish()
    standin.processUntil(lambda: batch.ended)
    problems = [problem for _volume, _result, problem in batch.results]
    assert problems[0] == "The GPU has too little memory. Use the CPU." and "crashed" in problems[1]
    assert problems[2] == "" and segmentations() == [batch.results[2][1]]
    assert len(fakeEngine.jobs) == 3 and batch.Observations == []


def test_cancel(fakeLogic, fakeEngine):
    nodes = volumes("a", "b", "c")
    changes = []
    batch = fakeLogic.segmentMany(nodes, wait=False, onChanged=lambda: changes.append(batch.status()))
    arrived(fakeEngine, 1)
    fakeEngine.finish()
    arrived(fakeEngine, 2)
    standin.processUntil(lambda: batch.part == 0.5)
    batch.cancel()
    assert batch.cancelling and changes[-1] == "Stopping..."
    fakeEngine.event("cancelled")
    standin.processUntil(lambda: batch.ended)
    assert [item.state for item in batch.items] == ["finished", "cancelled", "cancelled"]
    assert len(fakeEngine.jobs) == 2 and len(segmentations()) == 1
    assert batch.status() == changes[-1] == "Stopped. 1 done, 0 failed, 2 not done."


def test_volumes_that_are_deleted_meanwhile(fakeLogic, fakeEngine):
    import slicer

    nodes = volumes("a", "b", "c")
    batch = fakeLogic.segmentMany(nodes, wait=False)
    arrived(fakeEngine, 1)
    slicer.mrmlScene.RemoveNode(nodes[0])
    slicer.mrmlScene.RemoveNode(nodes[1])
    fakeEngine.event("cancelled")
    arrived(fakeEngine, 2)
    fakeEngine.finish()
    standin.processUntil(lambda: batch.ended)
    assert [item.state for item in batch.items] == ["cancelled", "failed", "finished"]
    assert "The volume was deleted" in batch.results[0][2] and "The volume was deleted" in batch.results[1][2]


def test_closing_the_scene_ends_all(fakeLogic, fakeEngine):
    batch = fakeLogic.segmentMany(volumes("a", "b"), wait=False)
    arrived(fakeEngine, 1)
    standin.closeScene()
    volumes("of the next scene", "and another")
    fakeEngine.event("cancelled")
    standin.processUntil(lambda: batch.ended)
    assert "The scene was closed" in batch.status() and batch.isGone
    assert [item.state for item in batch.items] == ["cancelled"] * 2 and segmentations() == []
    assert len(fakeEngine.jobs) == 1 and batch.Observations == []


def test_no_engine(fakeLogic, fakeEngine):
    fakeEngine.refusesToStart = True
    batch = fakeLogic.segmentMany(volumes("a", "b"))
    assert [problem.startswith("The segmentation engine cannot") for _v, _s, problem in batch.results] == [True] * 2


def test_an_interrupted_script_and_an_unloaded_module_leave_nothing_behind(fakeLogic, fakeEngine):
    nodes = volumes("a", "b")

    def interrupt():
        raise KeyboardInterrupt

    batch = fakeLogic.segmentMany(nodes, wait=False)
    fakeLogic.runner.poll, poll = interrupt, fakeLogic.runner.poll
    with pytest.raises(KeyboardInterrupt):
        batch.wait()
    fakeLogic.runner.poll = poll
    assert [item.state for item in batch.items] == ["cancelled"] * 2

    batch = fakeLogic.segmentMany(nodes, wait=False)
    arrived(fakeEngine, 1)
    folder = fakeEngine.jobs[0]
    fakeLogic.cleanup()
    assert batch.ended and batch.Observations == [] and not folder.exists()
    assert [item.state for item in batch.items] == ["cancelled"] * 2


def test_nothing_to_do(fakeLogic):
    batch = fakeLogic.segmentMany([])
    assert batch.ended and batch.results == [] and batch.status() == "0 done, 0 failed."
    with pytest.raises(ValueError, match="no model nowhere"):
        fakeLogic.segmentMany([], model="nowhere")
