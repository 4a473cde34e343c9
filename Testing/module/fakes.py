"""An engine that does what a test says, through the same job folder as the real one."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np

import standin

moduleFolder = Path(__file__).resolve().parents[2] / "CMAformerSegmentation"


class FakeEngine:
    """Stands for `EngineProcess`: takes job folders and lets the test write what a worker would write."""

    def __init__(self) -> None:
        self.jobs: list[Path] = []
        self.running = False
        self.code: int | None = None
        self.starts = self.warmed = 0
        self.wasKilled = False
        self.stops = 0
        self.refusesToStart = False
        self.log = "first line\nlast line"
        self.submitted: list[dict] = []  # what their job.json said; the folders go when they are done
        self.unsure: dict | None = None  # what the result says of the model's uncertainty
        self.percent: np.ndarray | None = None

    def submit(self, jobFolder: Path) -> None:
        if self.refusesToStart:
            raise OSError("no such program")
        if not self.running:
            self.running, self.starts, self.wasKilled, self.code = True, self.starts + 1, False, None
        self.jobs.append(Path(jobFolder))
        self.submitted.append(json.loads((Path(jobFolder) / "job.json").read_text()))

    def warm(self) -> None:
        self.warmed += 1

    def isRunning(self) -> bool:
        return self.running

    def exitCode(self) -> int | None:
        return self.code

    def kill(self) -> None:
        self.wasKilled = True
        self.exit(-9)

    def stop(self, graceSeconds: float) -> None:
        self.stops += 1
        self.running = False

    def logTail(self, lines: int = 40) -> str:
        return self.log

    # What the test lets happen:

    def exit(self, code: int) -> None:
        self.running, self.code = False, code

    def event(self, kind: str, job: Path | None = None, **fields) -> None:
        line = json.dumps({"time": time.time(), "type": kind, **fields})
        with open((job or self.jobs[-1]) / "events.jsonl", "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def begin(self, done: int = 0, total: int = 10, secondsLeft: float | None = None) -> None:
        (self.jobs[-1] / "worker.lock").write_text(json.dumps({"pid": os.getpid()}))
        self.event("started", device="cpu")
        self.event("progress", done=done, total=total, unit="slices", eta_s=secondsLeft)

    def finish(self, values=(1, 2, 3), seconds: float = 1.0) -> np.ndarray:
        """Write a result: slabs of the given labels on the input's grid. Returns the label map (K, J, I)."""
        import SimpleITK as sitk

        folder = self.jobs[-1]
        image = sitk.ReadImage(str(folder / "input.mha"))
        labels = np.zeros(image.GetSize()[::-1], np.uint8)
        for n, value in enumerate(values):
            labels[:, :, 8 * n : 8 * n + 8] = value
        result = sitk.GetImageFromArray(labels)
        result.CopyInformation(image)
        part = folder / "result.tmp"
        part.mkdir()
        sitk.WriteImage(result, str(part / "segmentation.mha"), False)
        voxel = float(np.prod(image.GetSpacing())) / 1000
        structures = [
            {
                "value": v,
                "name": f"s{v}",
                "voxels": int((labels == v).sum()),
                "volume_ml": float((labels == v).sum() * voxel),
            }
            for v in values
        ]
        summary = {
            "structures": structures,
            "device": "cpu",
            "precision": "fp32",
            "batch_size": 8,
            "engine_version": "9.9.9",
            "seconds": seconds,
        }
        if self.unsure is not None:
            summary["uncertainty"] = self.unsure
            self.percent = np.random.default_rng(0).integers(0, 101, labels.shape).astype(np.uint8)
            unsure = sitk.GetImageFromArray(self.percent)
            unsure.CopyInformation(image)
            sitk.WriteImage(unsure, str(part / "uncertainty.mha"), False)
        (part / "summary.json").write_text(json.dumps(summary))
        part.rename(folder / "result")
        self.event("finished", seconds=1.0, steps={})
        return labels


class FakeProcess:
    """Stands for `TrainingProcess`: the test writes what the process of a training would write."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.commands: list[list[str]] = []
        self.running = False
        self.code: int | None = None
        self.refusesToStart = False
        self.asked = False

    def start(self, command, environment, workingFolder=None) -> None:
        if self.refusesToStart:
            raise OSError(2, "No such file or directory")
        self.commands.append(list(command))
        self.running, self.code = True, None

    def isRunning(self) -> bool:
        return self.running

    def exitCode(self) -> int | None:
        return None if self.running else self.code

    def ask(self) -> None:
        self.asked = True

    def kill(self) -> None:
        self.exit(-9)

    # What the test lets happen:

    def exit(self, code: int) -> None:
        self.running, self.code = False, code

    def say(self, kind: str, **fields) -> None:
        """Print an event, as the commands do."""
        with open(self.folder / "log.txt", "a", encoding="utf-8") as file:
            file.write(json.dumps({"time": time.time(), "type": kind, **fields}) + "\n")

    def event(self, kind: str, **fields) -> None:
        (self.folder / "job").mkdir(exist_ok=True)
        with open(self.folder / "job" / "events.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"time": time.time(), "type": kind, **fields}) + "\n")

    def begin(self) -> None:
        self.event("started", device="cpu", resumed_at=None)
        (self.folder / "job" / "job.json").write_text("{}")

    def finish(self, model: Path, report: dict | None = None) -> None:
        """Leave a copy of a model folder as the result."""
        result = self.folder / "job" / "result"
        shutil.copytree(model, result / "new-1.0.0")
        (result / "report.json").write_text(json.dumps(report or {}))
        self.event("finished", seconds=1.0, steps={})
        self.exit(0)


def segmentations():
    import slicer

    return slicer.util.getNodesByClass("vtkMRMLSegmentationNode")


def submitted(task, fakeEngine):
    standin.processUntil(lambda: fakeEngine.jobs and not task.threadIsWorking)
    return task


def end(task):
    standin.processUntil(lambda: task.ended)
    return task
