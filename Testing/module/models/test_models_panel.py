"""The section Models as a user drives it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import standin


@pytest.fixture
def panel(module, scene, models, trainings, monkeypatch):
    import slicer

    from CMAformerSegmentationLib.jobs import environment
    from CMAformerSegmentationLib.models import panel as modelsPanel

    for name in ("bundledModelFolders", "userModelFolder"):
        monkeypatch.setattr(modelsPanel, name, getattr(environment, name))
    widget = slicer.util.getModuleWidget("CMAformerSegmentation")
    widget.ui.modelsCollapsibleButton.collapsed = False
    widget.ui.modelSearchEdit.setText("")
    widget.parent.enter()
    yield widget
    widget.parent.exit()
    widget.ui.modelsCollapsibleButton.collapsed = True


def titles(panel) -> list[str]:
    table = panel.ui.modelsTable
    return [table.item(row, 0).text() for row in range(table.rowCount)]


def trigger(panel, text):
    next(action for action in panel.modelsPanel._importMenu.actions() if action.text == text).trigger()
    done(panel)


def done(panel):
    standin.processUntil(lambda: not panel.modelsPanel._work.isBusy)


def test_bundled_models_can_be_read_and_exported_alone(panel, tmp_path):
    ui = panel.ui
    assert titles(panel) == ["Tiny heart"] and "A card for people." in ui.modelDetailsBrowser.plainText
    assert not ui.renameModelButton.enabled and not ui.deleteModelButton.enabled and ui.exportModelButton.enabled
    standin.answer("getSaveFileName", str(tmp_path / "out.zip"))
    ui.exportModelButton.click()
    done(panel)
    assert (tmp_path / "out.zip").is_file() and "out.zip" in ui.modelsStatusLabel.text


def test_import_rename_use_and_delete(panel, tiny, say):
    import qt

    ui = panel.ui
    standin.answer("getExistingDirectory", str(tiny))
    trigger(panel, "Model folder...")
    assert titles(panel) == ["Tiny heart", "Tiny heart"]
    assert ui.modelsTable.item(1, 1).text() == "1.0.1" and ui.modelsTable.item(1, 2).text() == "mine"
    ui.modelsTable.selectRow(1)
    standin.answer("getText", "Hearts of our house")
    ui.renameModelButton.click()
    done(panel)
    assert titles(panel) == ["Tiny heart", "Hearts of our house"]
    assert (
        ui.modelSelector.findText("Hearts of our house") >= 0 and ui.baseSelector.findText("Hearts of our house") >= 0
    )
    picture = Path(os.environ.get("CMAFORMER_SCREENSHOTS") or panel.modelsPanel._models[1].path.parent)
    standin.grab(panel.parent, picture / "models.png", 440)

    ui.modelSearchEdit.setText("HOUSE")
    assert titles(panel) == ["Hearts of our house"]
    ui.modelSearchEdit.setText("myocardium")
    assert len(titles(panel)) == 2
    ui.modelSearchEdit.setText("liver")
    assert titles(panel) == [] and not ui.openModelButton.enabled
    ui.modelSearchEdit.setText("")

    ui.modelsTable.selectRow(1)
    say(qt.QMessageBox.No)
    ui.deleteModelButton.click()
    assert len(titles(panel)) == 2
    say(qt.QMessageBox.Yes)
    ui.deleteModelButton.click()
    done(panel)
    assert titles(panel) == ["Tiny heart"] and ui.modelSelector.findText("Hearts of our house") < 0


def test_what_is_no_model_is_told(panel, tmp_path):
    (tmp_path / "x.zip").write_bytes(b"nothing")
    standin.answer("getOpenFileName", str(tmp_path / "x.zip"))
    trigger(panel, "Zip file...")
    assert "not a zip" in panel.ui.modelsStatusLabel.text and titles(panel) == ["Tiny heart"]
    standin.answer("getOpenFileName", "")
    trigger(panel, "Zip file...")  # the user changed their mind


def test_the_folder_is_shown(panel, tiny):
    panel.ui.openModelButton.click()
    assert any(str(tiny) in str(asked) for asked in standin.asked())


def test_a_model_of_an_index_comes_after_asking(panel, tiny, tmp_path, monkeypatch):
    import hashlib
    import json

    import qt

    from CMAformerSegmentationLib.models.catalog import readModel
    from CMAformerSegmentationLib.models.library import exportModel

    exportModel(readModel(tiny), tmp_path / "tiny.zip")
    checksum = hashlib.sha256((tmp_path / "tiny.zip").read_bytes()).hexdigest()
    entry = {"id": "tiny-9.0.0", "title": "Hearts", "license": "CC BY 4.0", "path": "tiny.zip", "sha256": checksum}
    (tmp_path / "index.json").write_text(json.dumps({"models": [entry]}))
    before = titles(panel)
    index = str(tmp_path / "index.json")

    standin.answer("getText", index)
    standin.answer("getItem", "Choose a model")  # Cancel gives this back, too
    trigger(panel, "Index of models...")
    done(panel)
    assert titles(panel) == before

    questions = []
    for answer in (False, True):
        standin.answer("getText", index)
        standin.answer("getItem", "Hearts (tiny-9.0.0)")
        monkeypatch.setattr("slicer.util.confirmYesNoDisplay", lambda text, a=answer, **_: questions.append(text) or a)
        trigger(panel, "Index of models...")
        done(panel)
    assert f"Get Hearts (tiny-9.0.0) from {tmp_path}? License: CC BY 4.0." in questions
    assert len(titles(panel)) == len(before) + 1 and "in the list" in panel.ui.modelsStatusLabel.text
    assert qt.QSettings().value("CMAformer/ModelIndex") == index

    standin.answer("getText", str(tmp_path / "gone.json"))
    trigger(panel, "Index of models...")
    assert "gone.json cannot be read" in panel.ui.modelsStatusLabel.text
