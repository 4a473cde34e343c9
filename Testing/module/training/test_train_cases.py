"""The list of cases of the section Fine-tune: where they come from, kept with the scene, checked."""

from __future__ import annotations

import re

import numpy as np
from trainpanels import column, fill, openScene, saveScene, select, trigger

import standin
from owntime import ownTime


def test_a_role_that_does_not_fit_is_told_in_its_row(panel):
    fill(panel, labeled=1, unlabeled=1)
    select(panel, 1)
    trigger(panel, "labeled")
    assert "needs a segmentation" in column(panel.ui.casesTable, 3)[1]
    assert "scan 0" in panel.ui.trainStatusLabel.text and not panel.ui.startButton.enabled
    trigger(panel, "ignored")
    assert column(panel.ui.casesTable, 3)[1] == ""


def test_the_role_of_a_row_is_changed_where_it_stands(panel):
    fill(panel, labeled=2, unlabeled=1)
    table, menu = panel.ui.casesTable, panel.trainPanel.roles.menu
    assert "Click to change." in table.item(1, 2).toolTip()
    select(panel, 1)
    table.cellClicked(1, 0)
    table.cellClicked(0, 2)  # with a modifier it may be one that is not selected
    assert not menu.visible
    table.cellClicked(1, 2)
    assert menu.visible
    next(action for action in menu.actions() if action.text == "held out").trigger()
    menu.hide()
    assert column(table, 2) == ["labeled", "held out", "unlabeled"]


def test_files_and_folders(panel, tmp_path, picture):
    folder = tmp_path / "data"
    for name in ("images/patient1_frame01.nrrd", "images/patient1_frame12.nrrd", "images/b.nii.gz", "labels/b.nii.gz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    standin.answer("getExistingDirectory", str(folder))
    trigger(panel, "Folder...")
    assert column(panel.ui.casesTable, 0) == ["b", "patient1_frame01", "patient1_frame12"]
    assert column(panel.ui.casesTable, 2) == ["labeled", "unlabeled", "unlabeled"]
    assert [case.patient for case in panel.trainPanel.cases] == ["b", "patient1", "patient1"]
    assert panel.ui.structuresEdit.placeholderText == "right ventricle, myocardium, left ventricle"

    (tmp_path / "c.nrrd").touch()
    (tmp_path / "c-label.nrrd").touch()
    standin.answer("getOpenFileNames", [str(tmp_path / "c-label.nrrd"), str(tmp_path / "c.nrrd")])
    trigger(panel, "Files...")
    assert column(panel.ui.casesTable, 1)[-1] == "c-label.nrrd"
    standin.answer("getExistingDirectory", str(folder / "labels"))
    trigger(panel, "Folder...")  # nothing twice
    select(panel, *range(panel.ui.casesTable.rowCount))
    panel.ui.removeCasesButton.click()
    assert panel.ui.casesTable.rowCount == 0

    (tmp_path / "none").mkdir()
    standin.answer("getExistingDirectory", str(tmp_path / "none"))
    trigger(panel, "Folder...")
    assert "no images" in panel.ui.trainStatusLabel.text


def test_the_list_comes_back_with_the_scene(panel, tmp_path):

    fill(panel, labeled=2, unlabeled=1)
    (tmp_path / "file.nrrd").touch()
    standin.answer("getOpenFileNames", [str(tmp_path / "file.nrrd")])
    trigger(panel, "Files...")
    select(panel, 1)
    trigger(panel, "held out")
    before = [column(panel.ui.casesTable, n) for n in range(4)]
    saveScene(tmp_path)
    standin.closeScene()
    assert panel.ui.casesTable.rowCount == 0
    openScene(tmp_path)
    assert [column(panel.ui.casesTable, n) for n in range(4)] == before
    assert all(case.isFile or case.image.GetImageData() for case in panel.trainPanel.cases)


def writeSeries(folder, uid, count=6):
    """A DICOM series, one file a slice."""
    import SimpleITK as sitk

    folder.mkdir(parents=True)
    rng = np.random.default_rng(int(uid))
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for number in range(count):
        image = sitk.GetImageFromArray(rng.integers(0, 900, (1, 36, 40)).astype(np.int16))
        image.SetSpacing((1.5, 1.5, 6.0))
        root = f"1.2.826.0.1.3680043.2.1125.{uid}"
        tags = {
            "0008|0060": "MR",
            "0020|000d": f"{root}.1",
            "0020|000e": f"{root}.2",
            "0008|0018": f"{root}.{number + 9}",
        }
        tags |= {"0020|0013": str(number), "0020|0032": f"0\\0\\{6 * number}", "0020|0037": "1\\0\\0\\0\\1\\0"}
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{number:03d}.dcm"))
        writer.Execute(image)


def test_folders_of_dicom_series_are_cases_that_the_engine_reads(panel, tmp_path):
    """As a scanner exports them: a folder of series in one of a study in that of a patient."""
    writeSeries(tmp_path / "export" / "Roe" / "study" / "cine", "11")
    writeSeries(tmp_path / "export" / "Doe" / "study" / "cine", "12")
    writeSeries(tmp_path / "export" / "Doe" / "study" / "late", "13")
    fill(panel, labeled=1, unlabeled=0)
    standin.answer("getExistingDirectory", str(tmp_path / "export"))
    trigger(panel, "Folder...")
    assert column(panel.ui.casesTable, 0)[1:] == ["Doe/study/cine", "Doe/study/late", "Roe"]
    assert [case.patient for case in panel.trainPanel.cases[1:]] == ["Doe", "Doe", "Roe"]
    panel.ui.modelNameEdit.setText("x")
    panel.ui.checkButton.click()
    standin.processUntil(lambda: not panel.trainPanel.checker.isRunning, timeout=60)
    assert "nothing that stops a training" in panel.ui.trainStatusLabel.text
    assert panel.trainPanel.checker._check.problem is None and panel.ui.startButton.enabled


def test_a_volume_that_leaves_the_scene_leaves_the_list(panel, scene):
    fill(panel, labeled=2, unlabeled=0)
    scene.RemoveNode(panel.trainPanel.cases[0].image)
    panel.trainPanel.update()
    assert column(panel.ui.casesTable, 0) == ["case 1"]
    scene.RemoveNode(panel.trainPanel.cases[0].labels)
    panel.trainPanel.update()
    assert column(panel.ui.casesTable, 1) == [""] and "needs a segmentation" in column(panel.ui.casesTable, 3)[0]


def test_several_hundred_rows_stay_fluid(panel, tmp_path):
    for n in range(400):
        (tmp_path / f"image{n:03d}.nrrd").touch()
    standin.answer("getExistingDirectory", str(tmp_path))
    trigger(panel, "Folder...")
    assert panel.ui.casesTable.rowCount == 400
    standin.processUntil(lambda: panel.ui.casesTable.item(399, 3) is not None)
    select(panel, *range(0, 400, 2))
    begin = ownTime()
    trigger(panel, "ignored")
    assert ownTime() - begin < 0.5  # PySide6 behind the stand-in's checks is several times slower than Slicer
    assert column(panel.ui.casesTable, 2)[:3] == ["ignored", "unlabeled", "ignored"]
    standin.processUntil(lambda: column(panel.ui.casesTable, 2)[398] == "ignored")
    assert column(panel.ui.casesTable, 2) == ["ignored", "unlabeled"] * 200


def test_check_tells_in_rows_and_words_what_is_wrong_with_the_real_engine(panel, tmp_path, picture):
    """An image twice, a volume that is constant, and a file that is no image."""
    import slicer

    fill(panel, labeled=3, unlabeled=1)
    cases = panel.trainPanel.cases
    slicer.util.updateVolumeFromArray(cases[1].image, slicer.util.arrayFromVolume(cases[0].image).copy())
    slicer.util.updateVolumeFromArray(cases[3].image, np.zeros((4, 40, 36), np.int16))
    panel.ui.modelNameEdit.setText("x")
    assert panel.ui.checkButton.enabled and panel.ui.startButton.enabled
    panel.ui.checkButton.click()
    assert panel.ui.checkButton.text == "Stop checking" and not panel.ui.startButton.enabled
    standin.processUntil(lambda: not panel.trainPanel.checker.isRunning, timeout=60)
    findings = column(panel.ui.casesTable, 3)
    assert "same image as case 1" in findings[1] and "same value" in findings[3] and findings[2] == ""
    assert "nothing that stops a training" in panel.ui.trainStatusLabel.text and panel.ui.startButton.enabled
    assert re.search(r"About \d+ training steps fit into the time", panel.ui.trainStatusLabel.text)
    picture(panel, "checked")
    standin.processUntil(lambda: not list((tmp_path / "trainings").glob(".check*")))  # copies of images are gone

    (tmp_path / "broken.nrrd").write_text("no image")
    standin.answer("getOpenFileNames", [str(tmp_path / "broken.nrrd")])
    trigger(panel, "Files...")
    assert column(panel.ui.casesTable, 3) == [""] * 5 and panel.ui.startButton.enabled
    panel.ui.checkButton.click()
    standin.processUntil(lambda: not panel.trainPanel.checker.isRunning, timeout=60)
    assert "cannot be read" in column(panel.ui.casesTable, 3)[4]
    assert "must be solved first: 1;" in panel.ui.trainStatusLabel.text
    assert not panel.ui.startButton.enabled and "must be solved" in panel.ui.startButton.toolTip

    assert panel.ui.ignoreBrokenButton.visible
    panel.ui.ignoreBrokenButton.click()
    assert column(panel.ui.casesTable, 2) == ["labeled"] * 3 + ["unlabeled", "ignored"]
    assert panel.ui.startButton.enabled and not panel.ui.ignoreBrokenButton.visible
    select(panel, 3)
    trigger(panel, "ignored")  # another list: what was found does not fit any more
    assert column(panel.ui.casesTable, 3) == [""] * 5 and "check" not in panel.ui.trainStatusLabel.text


def test_a_check_can_be_stopped(panel):
    fill(panel, labeled=1, unlabeled=0)
    panel.ui.modelNameEdit.setText("x")
    panel.ui.checkButton.click()
    panel.ui.checkButton.click()
    assert panel.ui.checkButton.text == "Check cases" and panel.ui.startButton.enabled
    assert "check" not in panel.ui.trainStatusLabel.text


def test_what_to_label_next_with_the_real_engine(panel, tmp_path, picture):
    fill(panel, labeled=1, unlabeled=2)
    panel.ui.baseSelector.setCurrentIndex(panel.ui.baseSelector.count - 1)
    panel.ui.rankButton.click()
    assert "Choose a model in Start from" in panel.ui.trainStatusLabel.text
    panel.ui.baseSelector.setCurrentIndex(0)
    panel.ui.rankButton.click()
    assert not panel.ui.rankButton.enabled and not panel.ui.startButton.enabled
    standin.processUntil(lambda: not panel.trainPanel.checker.isRunning, timeout=60)
    assert "in which order to label" in panel.ui.trainStatusLabel.text
    findings = column(panel.ui.casesTable, 3)
    assert findings[0] == "" and sorted(text[:6] for text in findings[1:]) == ["No. 1:", "No. 2:"]
    assert all("least sure of" in text and "expected Dice 0." in text for text in findings[1:])
    picture(panel, "next")
    standin.processUntil(lambda: not list((tmp_path / "trainings").glob(".check*")))

    select(panel, 1, 2)
    panel.ui.removeCasesButton.click()
    panel.ui.rankButton.click()
    assert "no unlabeled cases" in panel.ui.trainStatusLabel.text
