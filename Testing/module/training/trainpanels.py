"""What a user does in the section Fine-tune."""

from __future__ import annotations

import shutil

from trainingnodes import makeCase, makeVolume

import standin


def trigger(panel, text):
    """Choose an entry of one of the two menus."""
    trainPanel = panel.trainPanel
    for menu in (trainPanel.adding.menu, trainPanel.roles.menu):
        for action in menu.actions():
            if action.text == text:
                action.trigger()
                standin.processUntil(lambda: not trainPanel.adding.isBusy)
                return
    raise AssertionError(f"no action {text}")


def select(panel, *rows):
    import qt

    table = panel.ui.casesTable
    table.clearSelection()
    flags = qt.QItemSelectionModel.Select | qt.QItemSelectionModel.Rows
    for row in rows:
        table.selectionModel().select(table.model().index(row, 0), flags)


def column(table, number) -> list[str]:
    return [table.item(row, number).text() for row in range(table.rowCount)]


def fill(panel, labeled=3, unlabeled=2):
    for n in range(labeled):
        makeCase(f"case {n}", n)
    for n in range(unlabeled):
        makeVolume(f"scan {n}", seed=20 + n)
    trigger(panel, "Volumes of the scene")


def saveScene(folder):
    import slicer

    assert slicer.mrmlScene.WriteToMRB(str(folder / "scene.mrb"))


def openScene(folder):
    import slicer

    shutil.unpack_archive(folder / "scene.mrb", folder / "scene", "zip")  # what Slicer does before it reads the scene
    slicer.mrmlScene.SetURL(str(next((folder / "scene").rglob("*.mrml"))))
    assert slicer.mrmlScene.Import()
    standin.processFor(0.05)


def started(panel, processes, name="Our hearts"):
    panel.ui.modelNameEdit.setText(name)
    panel.ui.startButton.click()
    training = panel.logic.jobs()[-1]
    standin.processUntil(lambda: processes[training.id].running)
    processes[training.id].begin()
    return training, processes[training.id]


def choose(panel, row, text):
    selector = panel.ui.segmentsTable.cellWidget(row, 2)
    index = selector.findText(text)
    assert index >= 0, text
    selector.setCurrentIndex(index)
