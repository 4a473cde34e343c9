"""The menu Load... of the panel: files, DICOM folders, and the sample."""

from __future__ import annotations

import numpy as np
from panels import apply, chooseInLoadMenu, finishJob, ijkToRas, smallHeart, status, volume

import standin


def test_load_menu(panel, tmp_path):
    import SimpleITK as sitk

    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5), np.int16)), str(tmp_path / "scan.nii.gz"))
    (tmp_path / "bad.nrrd").write_text("no image")
    standin.answer("getOpenFileName", str(tmp_path / "scan.nii.gz"))
    chooseInLoadMenu(panel, "Volume file...")
    assert panel.ui.inputSelector.currentNode().GetName() == "scan"
    standin.answer("getOpenFileName", "")
    chooseInLoadMenu(panel, "Volume file...")
    assert panel.ui.inputSelector.currentNode().GetName() == "scan"
    (tmp_path / "empty").mkdir()
    standin.answer("getExistingDirectory", str(tmp_path / "empty"))
    chooseInLoadMenu(panel, "DICOM folder...")
    assert status(panel) == "There are no DICOM images in the folder empty."


def test_the_sample_is_drawn_beside_the_panel_and_chosen(panel, picture):
    import slicer

    import synthetic

    action = chooseInLoadMenu(panel, "Sample data: synthetic heart")
    assert status(panel) == "Drawing a synthetic heart. This takes a few seconds."
    assert panel.ui.inputSelector.currentNode() is None and not action.enabled
    picture(panel, "sample")
    standin.processUntil(lambda: panel.ui.inputSelector.currentNode(), timeout=120)
    node, heart = panel.ui.inputSelector.currentNode(), synthetic.short_axis_heart()
    assert node.GetName() == "Synthetic short-axis heart" and panel.ui.applyButton.enabled and action.enabled
    assert status(panel) == "Ready. Press Apply to segment the volume."
    # Slicer turns the slices of a left-handed volume around; every voxel stays where it is in the patient.
    assert np.array_equal(slicer.util.arrayFromVolume(node), heart.image[::-1])
    toRas = slicer.util.arrayFromVTKMatrix(ijkToRas(node))
    for k, j, i in ((0, 0, 0), (9, 255, 215), (3, 100, 20)):
        lps = np.array(heart.origin) + np.reshape(heart.direction, (3, 3)) @ (np.array([i, j, k]) * heart.spacing)
        assert np.allclose((toRas @ [i, j, 9 - k, 1])[:3], lps * (-1, -1, 1), atol=1e-9)


def test_a_sample_does_not_replace_the_volume_that_is_segmented_meanwhile(panel, fakeEngine, monkeypatch):
    import slicer

    smallHeart(monkeypatch)
    panel._parameterNode.inputVolume = other = volume()
    chooseInLoadMenu(panel, "Sample data: synthetic heart")
    apply(panel, fakeEngine)
    standin.processUntil(lambda: slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[1:], timeout=60)
    assert panel.ui.inputSelector.currentNode() is other
    finishJob(panel, fakeEngine)
    assert status(panel).startswith("Done in")


def test_a_sample_that_cannot_be_drawn(panel, monkeypatch):
    def draw():
        raise MemoryError

    smallHeart(monkeypatch, draw)
    action = chooseInLoadMenu(panel, "Sample data: synthetic heart")
    standin.processUntil(lambda: action.enabled)
    assert status(panel) == "The synthetic heart could not be drawn: MemoryError"
