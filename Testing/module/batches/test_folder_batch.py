"""The images of a folder, segmented by the engine's command apart from Slicer's scene."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import standin

STRUCTURES = ["right ventricle", "myocardium", "left ventricle"]


@pytest.fixture
def folder(tmp_path):
    """Two images, and a file between them that is none."""
    import SimpleITK as sitk

    images = tmp_path / "Doe^Jane"
    images.mkdir()
    for name in ("a", "c"):
        image = sitk.GetImageFromArray(np.random.default_rng(1).normal(0, 100, (3, 40, 44)).astype(np.int16))
        image.SetSpacing((1.25, 1.25, 8))
        sitk.WriteImage(image, str(images / f"{name}.nrrd"))
    (images / "b.nii.gz").write_bytes(b"no image")
    return tmp_path


@pytest.fixture
def entry(module, models):
    return module.CMAformerSegmentationLogic().models()[0]


@pytest.fixture
def made():
    return []


@pytest.fixture
def work(folder, entry, made):
    """A batch whose process does what the test says."""
    from fakes import FakeProcess

    from CMAformerSegmentationLib.batches.folder import FolderBatch, FolderWish

    def make(path):
        made.append(FakeProcess(path))
        return made[-1]

    batch = FolderBatch(folder / "Doe^Jane", folder / "out", entry, FolderWish("cpu"), makeProcess=make)
    yield batch
    for process in made:
        process.running = False
    batch.abandon("")


def temporary() -> list[Path]:
    import slicer

    return list((Path(slicer.app.temporaryPath) / "CMAformer").glob("folder-*"))


def table(folder, *rows):
    (folder / "out").mkdir()
    with open(folder / "out" / "volumes.csv", "w", newline="") as file:
        csv.writer(file).writerows([["image", *(f"{name} (ml)" for name in STRUCTURES), "remarks"], *rows])


def ended(batch):
    standin.processUntil(lambda: batch.ended, 120)
    standin.processUntil(lambda: not temporary())
    return [(item.title, item.state) for item in batch.items]


@pytest.mark.slow
def test_with_the_real_engine(folder, entry, scene):
    from CMAformerSegmentationLib.batches.folder import FolderBatch, FolderWish

    seen = []
    batch = FolderBatch(
        folder / "Doe^Jane", folder / "out", entry, FolderWish("cpu"), onChanged=lambda: seen.append(batch.status())
    )
    nodes = scene.GetNumberOfNodes()
    batch.start()
    (log,) = [path / "log.txt" for path in temporary()]
    assert ended(batch) == [("a.nrrd", "finished"), ("b.nii.gz", "failed"), ("c.nrrd", "finished")]
    assert not log.exists() and scene.GetNumberOfNodes() == nodes
    assert "cannot be read" in batch.items[1].remark and batch.problem is None
    assert batch.status() == "2 done, 1 failed. The volumes are in volumes.csv in the folder out."
    assert any(text.startswith(("2 of 3", "3 of 3")) for text in seen), seen
    written = sorted(path.name for path in (folder / "out").iterdir())
    assert written == ["a-labels.nrrd", "c-labels.nrrd", "volumes.csv"]
    with open(folder / "out" / "volumes.csv", newline="") as file:
        first = list(csv.reader(file))[1]
    assert list(batch.items[0].volumes) == STRUCTURES
    assert list(batch.items[0].volumes.values()) == [float(cell) for cell in first[1:4]]

    before = (folder / "out" / "a-labels.nrrd").stat().st_mtime_ns
    again = FolderBatch(folder / "Doe^Jane", folder / "out", entry, FolderWish("cpu"))
    again.start()
    assert [state for _name, state in ended(again)] == ["kept", "failed", "kept"]
    assert "0 done, 1 failed, 2 there before." in again.status()
    assert (folder / "out" / "a-labels.nrrd").stat().st_mtime_ns == before


@pytest.mark.slow
def test_all_phases_of_a_cine_and_dicom_seg(folder, entry, scene, tmp_path):
    """A file with a fourth axis in the folder gives a label map a phase; series give DICOM SEG where that is wanted."""
    import pydicom
    import SimpleITK as sitk

    from CMAformerSegmentationLib.batches.folder import FolderBatch, FolderWish
    from dicomseries import as_a_scanner_writes, write_series

    images = tmp_path / "cine"
    images.mkdir()
    one = sitk.ReadImage(str(folder / "Doe^Jane" / "a.nrrd"))
    sitk.WriteImage(sitk.JoinSeries([one, one + 1, one + 2]), str(images / "beat.nii.gz"))
    batch = FolderBatch(images, tmp_path / "phases", entry, FolderWish("cpu"))
    batch.start()
    assert [state for _name, state in ended(batch)] == ["finished"] * 3
    assert sorted(path.name for path in (tmp_path / "phases").glob("*.nrrd")) == [
        f"beat-phase0{number}-labels.nrrd" for number in (1, 2, 3)
    ]
    for number in (1, 2):
        write_series(tmp_path / "series" / f"p{number}", [0, 3, 6], str(number), size=(40, 36), seed=number)
        as_a_scanner_writes(tmp_path / "series" / f"p{number}", f"patient {number}")
    batch = FolderBatch(tmp_path / "series", tmp_path / "seg", entry, FolderWish("cpu", dicom=True))
    batch.start()
    assert [state for _name, state in ended(batch)] == ["finished"] * 2, [item.remark for item in batch.items]
    assert {pydicom.dcmread(path).Modality for path in (tmp_path / "seg").glob("*.dcm")} == {"SEG"}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cancel", "abandon"])
def test_a_real_process_stops(folder, entry, scene, how):
    """It ends, and leaves no half-written file."""
    import shutil

    from CMAformerSegmentationLib.batches.folder import FolderBatch, FolderWish

    for n in range(300):
        shutil.copy(folder / "Doe^Jane" / "a.nrrd", folder / "Doe^Jane" / f"x{n}.nrrd")
    batch = FolderBatch(folder / "Doe^Jane", folder / "out", entry, FolderWish("cpu"))
    batch.start()
    standin.processUntil(lambda: batch.count("finished") >= 2, 120)
    if how == "cancel":
        batch.cancel()
        states = [state for _name, state in ended(batch)]
        assert states[0] == "finished" and states[-1] == "cancelled" and batch.status().startswith("Stopped. ")
        assert batch.items[0].title == "a.nrrd" and batch.items[-1].title == "Image 303"
    else:
        batch.abandon("The module was closed.")
        assert batch.ended and not batch._process.isRunning() and not temporary()
    assert not batch._process.isRunning()
    assert not [path.name for path in (folder / "out").iterdir() if path.name.startswith(".")]


def test_what_is_asked_of_the_engine(work, made, entry, folder):
    from CMAformerSegmentationLib.batches.folder import FolderBatch, FolderWish

    work.start()
    (command,) = made[0].commands
    assert command[1:5] == ["-m", "cmaformer", "segment", str(folder / "Doe^Jane")]
    assert [command[command.index(word) + 1] for word in ("-o", "--model", "--device")] == [
        str(folder / "out"),
        entry.id,
        "cpu",
    ]
    assert "--json" in command and "--skip-done" in command and "--models" in command
    other = FolderBatch(folder, folder, entry, FolderWish(keep=False, dicom=True), makeProcess=lambda path: made[0])
    assert "--skip-done" not in other._command and "--dicom" in other._command and "--dicom" not in command


def test_progress_and_time(work, made):
    work.start()
    assert work.status() == "Starting..." and work.items == []
    made[0].say("started", total=3)
    made[0].say("progress", done=1, total=4, unit="slices", eta_s=None)
    standin.processUntil(lambda: work.part == 0.25)
    assert work.status() == "1 of 3..." and [item.state for item in work.items] == ["running", "waiting", "waiting"]
    made[0].say("progress", done=1, total=3, unit="images", eta_s=65.5)
    standin.processUntil(lambda: work.items[1].state == "running")
    assert work.status() == "2 of 3, about 1 min 6 s left." and work.part == 0 and work.secondsLeft < 65.5


def test_cancel_asks_first_and_ends_by_force(work, made, folder, monkeypatch):
    from CMAformerSegmentationLib.batches import folder as folderBatch

    monkeypatch.setattr(folderBatch, "cancelGraceSeconds", 0.5)
    work.start()
    made[0].say("started", total=2)
    made[0].say("progress", done=1, total=2, unit="images", eta_s=5)
    standin.processUntil(lambda: work.count("finished") == 1)
    table(folder, ["a.nrrd", "1.500", "2.000", "3.000", ""])
    work.cancel()
    assert made[0].asked and made[0].running and work.status() == "Stopping..."
    assert ended(work) == [("a.nrrd", "finished"), ("Image 2", "cancelled")] and made[0].code == -9
    assert work.items[0].volumes["myocardium"] == 2.0
    assert work.status().startswith("Stopped. 1 done, 0 failed, 1 not done. The volumes are in volumes.csv")


def test_the_engine_tells_why_it_cannot(work, made, folder):
    table(folder, ["of an earlier run.nrrd", "1.500", "2.000", "3.000", ""])
    work.start()
    made[0].say("error", code="same-name", message="Two images would both be written to a-labels.nrrd.", hint="Rename.")
    made[0].exit(1)
    assert ended(work) == []
    assert str(work.problem) == "Two images would both be written to a-labels.nrrd. Rename."
    assert work.status() == f"{work.problem} 0 done, 0 failed."


def test_the_table_is_open_in_a_spreadsheet(work, made, folder):
    """The newer one lies beside it; the older may be of other images."""
    table(folder, ["of an earlier run.nrrd", "1.500", "2.000", "3.000", ""])
    older = (folder / "out" / "volumes.csv").read_text()
    (folder / "out" / "volumes-new.csv").write_text(older.replace("of an earlier run.nrrd,1.5", "a.nrrd,4.5"))
    work.start()
    made[0].say("started", total=1)
    made[0].say("progress", done=1, total=1, unit="images", eta_s=None)
    made[0].say("error", code="table-in-use", message="volumes.csv is open in another program.", hint="Close it.")
    made[0].exit(1)
    assert ended(work) == [("a.nrrd", "finished")] and work.items[0].volumes["right ventricle"] == 4.5
    assert work.status().startswith("volumes.csv is open in another program. Close it. 1 done, 0 failed.")
    assert "The volumes are in volumes-new.csv in the folder out." in work.status()


def test_a_crash_in_the_middle(work, made, folder):
    work.start()
    made[0].say("started", total=3)
    made[0].say("progress", done=1, total=3, unit="images", eta_s=5)
    standin.processUntil(lambda: work.count("finished") == 1)
    made[0].exit(-9)
    assert [state for _name, state in ended(work)] == ["finished", "cancelled", "cancelled"]  # and without the table
    assert work.problem.code == "out-of-memory" and work.items[1].remark == str(work.problem)


def test_what_cannot_be_understood_ends_it(work, made, caplog):
    work.start()
    made[0].say("progress", done="many", unit="images")
    ended(work)
    assert work.problem.code == "unexpected" and not made[0].running


def test_no_process(work, made):
    made[0].refusesToStart = True
    with pytest.raises(OSError, match="No such file"):
        work.start()
    standin.processUntil(lambda: not temporary())
