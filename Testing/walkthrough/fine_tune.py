"""Fine-tuning as a clinician does it, through the widgets of the panel, with the real engine on real images.

    python Testing/walkthrough/fine_tune.py --data ../shared/data --out runs/walkthrough --minutes 4

Three labeled, five unlabeled and two held-out cardiac patients: from a folder with minutes of training, which is
paused, killed, resumed, finished, compared, kept and used; then from the scene. Leaves a picture of each state.
The patients are the validation patients of the bundled model, which has not seen them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import time
from pathlib import Path

from begin import openPanel
from pictures import drawChart, drawSlices, isBlank

import standin


class Walkthrough:
    """The panel, and what a user does with it."""

    def __init__(self, data: Path, out: Path) -> None:
        self.data, self.out = data.resolve() / "cardiac_cine_mr", out.resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.panel = openPanel()
        self.ui = self.panel.ui
        self.ui.termsCheckBox.click()  # of the bundled model
        self.ui.segmentCollapsibleButton.collapsed = True
        self.ui.trainCollapsibleButton.collapsed = False
        self.patients = json.loads((self.data / "split.json").read_text())["validation"]
        self.count, self.begin = 0, time.monotonic()

    def say(self, text: str) -> None:
        """Tell what was done, and when."""
        print(f"{time.monotonic() - self.begin:6.0f} s  {text}", flush=True)

    def picture(self, name: str) -> None:
        """Save the panel."""
        self.count += 1
        path = self.out / f"{self.count:02d}-{name}.png"
        standin.grab(self.panel.parent, path, 460)
        assert not isBlank(path)
        self.say(f"{path.name}: {self.ui.trainStatusLabel.text} | {self.ui.trainingStatusLabel.text}")

    def menu(self, text: str) -> None:
        """Choose an entry of the menus of the section."""
        section = self.panel.trainPanel
        actions = [action for menu in (section.adding.menu, section._menu) for action in menu.actions()]
        next(action for action in actions if action.text == text).trigger()
        standin.processUntil(lambda: not section.adding.isBusy)

    def select(self, rows: list[int]) -> None:
        """Select cases."""
        import qt

        table = self.ui.casesTable
        table.clearSelection()
        for row in rows:
            flags = qt.QItemSelectionModel.Select | qt.QItemSelectionModel.Rows
            table.selectionModel().select(table.model().index(row, 0), flags)

    def files(self, patient: str) -> tuple[Path, Path]:
        """Image and label map of a patient's first frame."""
        image = sorted((self.data / "images").glob(f"{patient}_*"))[0]
        return image, self.data / "labels" / image.name

    def folder(self) -> Path:
        """A folder as a clinician would have it: images, and label maps of some of them."""
        folder = self.out / "cases"
        shutil.rmtree(folder, ignore_errors=True)
        for part in ("images", "labels"):
            (folder / part).mkdir(parents=True)
        for number, patient in enumerate(self.patients):
            image, labels = self.files(patient)
            (folder / "images" / image.name).symlink_to(image)
            if number < 5:
                (folder / "labels" / labels.name).symlink_to(labels)
        return folder

    def fromFolder(self, minutes: int) -> None:
        """The list from a folder, checked, and the training started."""
        self.picture("empty")
        standin.answer("getExistingDirectory", str(self.folder()))
        self.menu("Folder...")
        self.select([3, 4])
        self.menu("held out")
        self.ui.baseSelector.setCurrentIndex(0)
        self.ui.modelNameEdit.setText("Our hearts")
        self.ui.effortSelector.setCurrentIndex(3)
        self.ui.minutesSpinBox.setValue(minutes)
        self.picture("cases-of-a-folder")
        self.ui.checkButton.click()
        standin.processUntil(lambda: not self.panel.trainPanel.checker.isRunning, timeout=180)
        self.picture("checked")
        self.ui.advancedGroupBox.collapsed = False
        self.picture("advanced")
        self.ui.advancedGroupBox.collapsed = True
        self.start()

    def start(self) -> None:
        """Start, and wait for the first steps."""
        assert self.ui.startButton.enabled, self.ui.startButton.toolTip
        self.ui.startButton.click()
        self.training = self.panel.logic.queue.trainings()[-1]
        self.picture("started")
        standin.processUntil(lambda: self.training.job.progress.done > 0 or self.training.ended, timeout=300)
        assert self.training.state == "running", self.training.problem

    def watchAndBreak(self) -> None:
        """Watch the chart grow, close the scene, kill the process, resume."""
        import slicer

        rows = []
        for number in range(3):
            known = len(self.training.history.losses)
            standin.processUntil(lambda known=known: len(self.training.history.losses) > known, timeout=600)
            self.ui.chartButton.click()
            chart = self.panel.trainingsPanel._chart
            rows.append(chart.lossTable.GetTable().GetNumberOfRows())
            drawChart(chart.lossChart, self.out / f"chart-{number + 1}.png")
        assert rows == sorted(set(rows)), rows  # it has grown
        self.say(f"the chart has grown: {rows} rows")
        self.picture("running")
        standin.closeScene()
        standin.processFor(3)
        assert self.training.state == "running"
        image, _labels = self.files(self.patients[0])
        slicer.util.loadVolume(str(image))
        self.picture("running-with-another-scene")
        standin.processUntil(lambda: (self.training.job.folder / "checkpoint.pt").exists(), timeout=600)
        process = int(json.loads((self.training.job.folder / "worker.lock").read_text())["pid"])
        os.killpg(process, signal.SIGKILL)
        standin.processUntil(lambda: self.training.state == "interrupted", timeout=30)
        self.picture("killed")
        self.ui.pauseButton.click()  # Resume
        done = self.training.job.progress.done
        standin.processUntil(lambda: self.training.state == "running" and self.training.job.progress.done != done, 600)
        self.picture("resumed")

    def finish(self) -> None:
        """Wait for the end, compare, look at a held-out case, keep, and segment with the new model."""
        import slicer

        standin.processUntil(lambda: self.training.ended, timeout=7200)
        assert self.training.state == "finished", self.training.problem
        self.picture("finished")
        self.say(f"before and after: {self.training.report.get('before')} {self.training.report.get('after')}")
        if self.ui.heldOutSelector.count:
            self.ui.showCaseButton.click()
            standin.processUntil(lambda: not self.panel.trainingsPanel._work.isBusy, timeout=300)
            nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")[-3:]
            volumeNode = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[-1]
            middle = slicer.util.arrayFromVolume(volumeNode).shape[0] // 2
            drawSlices(volumeNode, nodes, self.out / "held-out-case.png", [middle - 2, middle, middle + 2])
            self.picture("held-out-case-shown")
        self.ui.keepButton.click()
        standin.processUntil(lambda: not self.panel.trainingsPanel._work.isBusy, timeout=60)
        self.picture("kept")
        titles = [self.ui.modelSelector.itemText(n) for n in range(self.ui.modelSelector.count)]
        assert "Our hearts" in titles, titles
        model = next(model for model in self.panel.logic.models() if model.title == "Our hearts")
        image, _labels = self.files(self.patients[-1])
        volumeNode = slicer.util.loadVolume(str(image))
        task = self.panel.logic.startSegmentation(volumeNode, model)
        standin.processUntil(lambda: task.state in ("finished", "failed"), timeout=300)
        assert task.state == "finished", task.problem
        middle = slicer.util.arrayFromVolume(volumeNode).shape[0] // 2
        path = self.out / "segmented-with-the-new-model.png"
        drawSlices(volumeNode, [task.segmentationNode], path, [middle - 2, middle, middle + 2])
        self.say(f"segmented with {model.id}")

    def fromScene(self, minutes: int) -> None:
        """The same from volumes and segmentations of the scene."""
        import slicer

        standin.closeScene()
        for number, patient in enumerate(self.patients):
            image, labels = self.files(patient)
            volumeNode = slicer.util.loadVolume(str(image))
            if number >= 5:
                continue
            labelNode = slicer.util.loadLabelVolume(str(labels))
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{volumeNode.GetName()} by hand")
            node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
            array = slicer.util.arrayFromVolume(labelNode)
            for value, name in enumerate(("RV", "myo", "Left Ventricle"), 1):
                segmentId = node.GetSegmentation().AddEmptySegment(name, name)
                slicer.util.updateSegmentBinaryLabelmapFromArray(
                    (array == value).astype("uint8"), node, segmentId, volumeNode
                )
            slicer.mrmlScene.RemoveNode(labelNode)
        self.menu("Volumes of the scene")
        self.select([3, 4])
        self.menu("held out")
        for row, text in enumerate(("right ventricle", "myocardium", "left ventricle")):
            selector = self.ui.segmentsTable.cellWidget(row, 2)
            selector.setCurrentIndex(selector.findText(text))
        self.ui.modelNameEdit.setText("From the scene")
        self.ui.minutesSpinBox.setValue(minutes)
        self.picture("cases-of-the-scene")
        self.start()
        standin.processUntil(lambda: self.training.ended, timeout=3600)
        assert self.training.state == "finished", self.training.problem
        self.picture("finished-from-the-scene")


def main() -> None:
    """Run the walkthrough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=int, default=4)
    options = parser.parse_args()
    walk = Walkthrough(options.data, options.out)
    walk.fromFolder(options.minutes)
    walk.watchAndBreak()
    walk.finish()
    walk.fromScene(max(1, options.minutes // 2))
    walk.say("done")


if __name__ == "__main__":
    main()
