"""A model whose weights are not free for every use is used from the panel only after its terms were accepted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import standin

NONCOMMERCIAL = "CC BY-NC-SA 4.0 (research use, not commercial)"
repository = Path(__file__).resolve().parents[3]


@pytest.fixture
def panel(module, scene, models, tmp_path, monkeypatch):
    """A widget of its own, whose only model is the tiny one with other terms."""
    import qt
    import slicer

    from CMAformerSegmentationLib import logic
    from CMAformerSegmentationLib.segmenting.selftest import makeTestVolume

    folder = tmp_path / "terms"
    shutil.copytree(models / "tiny-1.0.0", folder / "tiny-1.0.0")
    path = folder / "tiny-1.0.0" / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "license": NONCOMMERCIAL}))
    monkeypatch.setattr(logic, "bundledModelFolders", lambda: [folder])
    makeTestVolume()
    usual = slicer.util.getModuleWidget("CMAformerSegmentation")
    widget = slicer.util.getNewModuleWidget("CMAformerSegmentation")
    widget.parent.show()
    monkeypatch.setattr(widget.computerCard.torch, "state", "present")
    widget.enter()
    yield widget
    widget.cleanup()
    slicer.modules.CMAformerSegmentationWidget = usual  # the one that Reload finds
    qt.QSettings().remove("CMAformer/AcceptedTerms")


def test_terms_are_accepted_once(panel, tmp_path):
    import slicer

    ui = panel.ui
    assert ui.termsCheckBox.visible and NONCOMMERCIAL in ui.termsLabel.text
    assert not ui.applyButton.enabled and "accept them first" in ui.statusLabel.text
    standin.grab(panel.parent, tmp_path / "terms.png", 400)
    ui.termsCheckBox.click()
    assert ui.applyButton.enabled and not ui.termsCheckBox.visible and not ui.termsLabel.visible
    again = slicer.util.getNewModuleWidget("CMAformerSegmentation")
    try:
        again.parent.show()
        again.enter()
        assert not again.ui.termsCheckBox.visible and again.ui.applyButton.enabled
    finally:
        again.cleanup()


def test_the_terms_hold_for_several_volumes_and_for_fine_tuning_too(panel):
    from CMAformerSegmentationLib.segmenting.selftest import makeTestVolume

    ui = panel.ui
    assert "accept" in panel.segmentPanel.hub.choices.problem  # which the group Several volumes asks as well
    ui.baseSelector.setCurrentIndex(ui.baseSelector.findData("tiny-1.0.0"))
    assert not ui.startButton.enabled
    makeTestVolume()
    ui.termsCheckBox.click()
    assert panel.segmentPanel.hub.choices.problem == ""


@pytest.mark.parametrize(
    "license, restrictive",
    [
        (NONCOMMERCIAL, True),
        ("for non-commercial use", True),
        ("CC BY-SA 4.0 (Medical Segmentation Decathlon)", False),
        ("Apache-2.0", False),
        ("", False),
        ("Once upon a NCBI", False),
    ],
)
def test_which_terms_are_asked_for(module, license, restrictive):
    from CMAformerSegmentationLib.models.catalog import ModelEntry
    from CMAformerSegmentationLib.models.terms import mustBeAccepted

    entry = ModelEntry("a", "", "", "", "", license, "", (), Path(), True)
    assert mustBeAccepted(entry) == restrictive


def test_the_bundled_cardiac_model_is_one_of_them(module):
    from CMAformerSegmentationLib.models.catalog import findModels
    from CMAformerSegmentationLib.models.terms import mustBeAccepted

    (entry,) = [e for e in findModels([repository / "Resources" / "Models"]).entries if e.id.startswith("cardiac")]
    assert mustBeAccepted(entry)
