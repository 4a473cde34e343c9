"""A model that looks at several images of a patient: rows of the panel, the console, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from fakes import moduleFolder
from panels import apply, finishJob, status
from scenenodes import rotation

import standin


@pytest.fixture
def twoImages(modelsFolder, models, tmp_path, monkeypatch):
    """A second model, which looks at T1 and FLAIR."""
    from CMAformerSegmentationLib import logic
    from CMAformerSegmentationLib.jobs import environment
    from CMAformerSegmentationLib.training import job as training

    folder = tmp_path / "several"
    code = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[2:]; from tinymodel import save_tiny;"
        "save_tiny(Path(sys.argv[1]), id='two-1.0.0', title='Two images', images=('T1', 'FLAIR'), structures=2)"
    )
    paths = [str(moduleFolder.parent / "Testing" / "engine"), str(moduleFolder)]
    subprocess.run([sys.executable, "-c", code, str(folder / "two-1.0.0"), *paths], check=True)
    for where in (environment, logic, training):
        monkeypatch.setattr(where, "bundledModelFolders", lambda: [modelsFolder, folder])
    return folder


def makeVolume(name: str, seed: int):
    import slicer

    from CMAformerSegmentationLib.segmenting.selftest import makeTestVolume

    node = makeTestVolume()
    node.SetName(name)
    node.SetAndObserveTransformNodeID(None)
    array = slicer.util.arrayFromVolume(node)
    array[:] = np.random.default_rng(seed).permutation(array.ravel()).reshape(array.shape)
    slicer.util.arrayFromVolumeModified(node)
    return node


def shown(widget) -> bool:
    return widget.isVisibleTo(widget.parent())


def choose(panel, modelId):
    selector = panel.ui.modelSelector
    selector.setCurrentIndex(selector.findData(modelId))


def test_rows_are_named_and_suggested_by_name(twoImages, panel, fakeEngine, picture):
    t1, flair, _other = makeVolume("Brain T1", 1), makeVolume("Brain_FLAIR", 2), makeVolume("Flairing", 3)
    panel.enter()
    ui = panel.ui
    assert ui.inputSelector.currentNode() is t1 and not shown(ui.secondImageSelector)
    assert ui.inputLabel.text == "Input volume:"
    choose(panel, "two-1.0.0")
    assert (ui.inputLabel.text, ui.secondImageLabel.text) == ("T1:", "FLAIR:")
    assert shown(ui.secondImageSelector) and not shown(ui.thirdImageSelector)
    assert ui.secondImageSelector.currentNode() is flair and ui.applyButton.enabled
    picture(panel, "two-images")
    apply(panel, fakeEngine)
    assert not ui.secondImageSelector.enabled
    folder = fakeEngine.jobs[-1]
    assert fakeEngine.submitted[-1]["inputs"] == {"image": "input.mha", "others": ["input-2.mha"]}
    import SimpleITK as sitk
    import slicer

    for name, node in (("input.mha", t1), ("input-2.mha", flair)):
        np.testing.assert_array_equal(
            sitk.GetArrayFromImage(sitk.ReadImage(str(folder / name))), slicer.util.arrayFromVolume(node)
        )
    finishJob(panel, fakeEngine)
    assert status(panel).startswith("Done in ")
    choose(panel, "tiny-1.0.0")
    assert ui.inputLabel.text == "Input volume:" and not shown(ui.secondImageSelector)


def test_another_patient_and_another_model_let_go_of_the_second_image(twoImages, panel):
    """The FLAIR of the patient before must not stay beside the T1 of the next."""
    first, flair = makeVolume("A T1", 1), makeVolume("A FLAIR", 2)
    panel.enter()
    choose(panel, "two-1.0.0")
    panel.ui.inputSelector.setCurrentNode(first)
    assert panel.ui.secondImageSelector.currentNode() is flair
    other, second, third = makeVolume("B T1", 3), makeVolume("B FLAIR", 4), makeVolume("C FLAIR", 5)
    panel.ui.inputSelector.setCurrentNode(other)
    assert panel.ui.secondImageSelector.currentNode() is None and not panel.ui.applyButton.enabled  # which of three?
    panel.ui.secondImageSelector.setCurrentNode(second)
    assert panel.ui.applyButton.enabled and panel.ui.secondImageSelector.currentNode() is second
    panel.ui.batchGroupBox.collapsed = False
    assert "one patient at a time" in panel.batchPanel._problem()
    assert third is not second


def test_what_is_missing_is_said(twoImages, panel):
    import slicer

    t1 = makeVolume("A", 1)
    panel.enter()
    choose(panel, "two-1.0.0")
    assert not panel.ui.applyButton.enabled
    assert status(panel) == "The model looks at T1, FLAIR of the same patient. Choose, too: FLAIR."
    panel.ui.secondImageSelector.setCurrentNode(t1)
    assert "same volume is chosen for two images" in status(panel) and not panel.ui.applyButton.enabled
    flair = makeVolume("B", 2)
    panel.ui.secondImageSelector.setCurrentNode(flair)
    assert panel.ui.applyButton.enabled
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    shear = np.eye(4)
    shear[0, 2] = 0.3
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(shear))
    flair.SetAndObserveTransformNodeID(transform.GetID())
    panel.segmentPanel.update()
    assert status(panel).startswith("B: Its transform and that of the first image are not rigid")
    assert not panel.ui.applyButton.enabled
    t1.SetAndObserveTransformNodeID(transform.GetID())
    panel.segmentPanel.update()
    assert panel.ui.applyButton.enabled


def test_an_image_under_a_transform_of_its_own_is_where_the_scene_shows_it(twoImages, fakeLogic, fakeEngine):
    """As a registration leaves it: its place in the job is that in the frame of the first image."""
    import SimpleITK as sitk
    import slicer
    import vtk

    t1, flair = makeVolume("A", 1), makeVolume("B", 2)
    moves = []
    for seed, node in ((3, t1), (4, flair)):
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = rotation(seed), (seed, -2.0, 5.0)
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
        node.SetAndObserveTransformNodeID(transform.GetID())
        moves.append(matrix)
    fakeLogic.startSegmentation([t1, flair], "two-1.0.0")
    standin.processUntil(lambda: bool(fakeEngine.jobs))
    written = sitk.ReadImage(str(fakeEngine.jobs[-1] / "input-2.mha"))
    ijkToRas = vtk.vtkMatrix4x4()
    flair.GetIJKToRASMatrix(ijkToRas)
    for ijk in ((0, 0, 0), (7, 3, 2), (20, 30, 5)):
        world = moves[1] @ np.array(ijkToRas.MultiplyPoint((*ijk, 1.0)))
        x, y, z, _ = np.linalg.inv(moves[0]) @ world
        np.testing.assert_allclose(written.TransformIndexToPhysicalPoint(ijk), (-x, -y, z), atol=1e-6)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written), slicer.util.arrayFromVolume(flair))


@pytest.mark.slow
def test_the_console_takes_a_list_or_names_and_refuses_others(twoImages, logic):
    """The real engine: which volume is which counts, and the order of a dictionary does not."""
    import slicer

    t1, flair = makeVolume("A", 1), makeVolume("B", 2)

    def labels(node):
        names = ["right ventricle", "myocardium"]
        ids = [node.GetSegmentation().GetSegmentIdBySegmentName(name) for name in names]
        return np.stack([slicer.util.arrayFromSegmentBinaryLabelmap(node, one) for one in ids])

    listed = labels(logic.segment([t1, flair], "two-1.0.0", device="cpu"))
    named = labels(logic.segment({"flair": flair, "t1": t1}, "two-1.0.0", device="cpu"))
    swapped = labels(logic.segment([flair, t1], "two-1.0.0", device="cpu"))
    assert listed.any() and (listed == named).all() and (listed != swapped).any()
    for given, text in (
        (t1, "Choose, too: FLAIR"),
        ([t1, flair, t1], "T1, FLAIR of the same patient"),
        ({"T1": t1, "T2": flair}, "volumes of these names are needed"),
    ):
        with pytest.raises(ValueError, match=text):
            logic.segment(given, "two-1.0.0", device="cpu")
    with pytest.raises(ValueError, match="looks at one image"):
        logic.segment([t1, flair], "tiny-1.0.0", device="cpu")
    results = logic.segmentMany([t1], "two-1.0.0", device="cpu").results
    assert results[0][1] is None and "Choose, too: FLAIR" in results[0][2]
    with pytest.raises(ValueError, match="train it with the command"):
        logic.startTraining([(t1, logic.segment([t1, flair], "two-1.0.0", device="cpu"))], base="two-1.0.0", name="x")


def test_models_of_one_image_have_no_further_rows(panel):
    standin.processUntil(lambda: True)
    assert not any(shown(getattr(panel.ui, f"{row}ImageSelector")) for row in ("second", "third", "fourth"))
