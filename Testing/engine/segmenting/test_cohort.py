"""Many images with one command: one bad image does not stop the others, and processes share the work."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from geometries import GRIDS, blobs
from tinymodel import save_tiny

from cmaformer import __main__ as cli
from cmaformer.door.errors import CancelledError, EngineError
from cmaformer.images.phases import ImagePart
from cmaformer.images.volume import read_volume, write_label_map
from cmaformer.models.model import Model
from cmaformer.segmenting import many as cohort
from dicomseries import write_series


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images on different grids, one that is none, and a text."""
    save_tiny(tmp_path / "models" / "tiny-1.0.0")
    images = tmp_path / "images"
    images.mkdir()
    for name, grid in zip(("a", "b", "d"), ("standard", "flipped oblique", "anisotropic 1:1:6")):
        write_label_map(images / f"{name}.nrrd", blobs(GRIDS[grid]), GRIDS[grid])
    (images / "c.nii.gz").write_bytes(b"no image")
    (images / "notes.txt").write_text("not an image")
    return tmp_path


def arguments(folder: Path, *more: str) -> list[str]:
    return ["segment", str(folder / "images"), "--model", str(folder / "models" / "tiny-1.0.0"), *more]


def table(path: Path) -> list[list[str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_one_bad_image_does_not_stop_the_rest(folder: Path, capsys, monkeypatch) -> None:
    loaded = []
    original = Model.network
    monkeypatch.setattr(Model, "network", lambda self, device: loaded.append(1) or original(self, device))
    out = folder / "out"
    assert cli.main(arguments(folder, "-o", str(out), "--device", "cpu")) == 1
    assert len(loaded) == 1  # for all of them
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown] == ["image", "a.nrrd", "b.nrrd", "c.nii.gz", "d.nrrd", "3"]
    assert "cannot be read" in shown[3] and shown[-1] == "3 done, 1 failed"
    for name in "abd":
        labels = read_volume(out / f"{name}-labels.nrrd")
        assert labels.geometry == read_volume(folder / "images" / f"{name}.nrrd").geometry
    assert sorted(path.name for path in out.iterdir()) == [f"{n}-labels.nrrd" for n in "abd"] + ["volumes.csv"]
    rows = table(out / "volumes.csv")
    assert rows[0] == ["image", "right ventricle (ml)", "myocardium (ml)", "left ventricle (ml)", "remarks"]
    voxel = np.prod(GRIDS["standard"].spacing) / 1000
    counts = np.bincount(read_volume(out / "a-labels.nrrd").array.ravel(), minlength=4)
    assert [float(cell) for cell in rows[1][1:4]] == pytest.approx(counts[1:] * voxel, abs=1e-3)
    assert "cannot be read" in rows[3][-1] and rows[3][1:4] == [""] * 3

    before = (out / "a-labels.nrrd").stat().st_mtime_ns
    (folder / "images" / "c.nii.gz").unlink()
    assert cli.main(arguments(folder, "-o", str(out), "--device", "cpu", "--skip-done", "--json")) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (events[-1]["type"], events[-1]["done"], events[-1]["failed"]) == ("finished", 3, 0)
    assert events[-1]["kept"] == 3
    assert (out / "a-labels.nrrd").stat().st_mtime_ns == before
    assert table(out / "volumes.csv") == [row for row in rows if row[0] != "c.nii.gz"]  # the volumes of all, still


def test_a_run_that_goes_on_and_is_stopped_keeps_the_rows_of_what_was_done(folder: Path, monkeypatch) -> None:
    out = folder / "out"
    (folder / "images" / "c.nii.gz").unlink()
    assert cli.main(arguments(folder, "-o", str(out), "--device", "cpu")) == 0
    rows = table(out / "volumes.csv")
    (out / "a-labels.nrrd").unlink()

    def stop(*_arguments, **_settings):
        raise CancelledError()

    monkeypatch.setattr(cohort, "segment", stop)
    assert cli.main(arguments(folder, "-o", str(out), "--device", "cpu", "--skip-done")) == 3
    assert table(out / "volumes.csv") == rows
    monkeypatch.undo()
    assert cli.main(arguments(folder, "-o", str(out), "--device", "cpu", "--skip-done")) == 0
    assert table(out / "volumes.csv") == rows


def test_a_folder_of_patients_is_all_of_them(folder: Path, tmp_path: Path) -> None:
    """Several series of one patient stay one image, of which reading chooses."""
    for number in (1, 2):
        write_series(tmp_path / "patients" / f"P{number}" / "S1", [0, 3, 6], str(number), seed=number)
        write_series(tmp_path / "study" / f"series{number}", [0, 3, 6], str(number), seed=number)
    for path in (tmp_path / "patients" / "P2").rglob("*.dcm"):
        data = pydicom.dcmread(path)
        data.PatientID = "another"
        data.save_as(path)
    assert [part.path for part in cohort.images_of([tmp_path / "study"])] == [tmp_path / "study"]
    assert cli.main(["segment", str(tmp_path / "patients"), *arguments(folder)[2:], "-o", str(tmp_path / "out")]) == 0
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == ["P1-labels.nrrd", "P2-labels.nrrd", "volumes.csv"]


def test_events_tell_of_each_image_by_its_number(folder: Path, capsys) -> None:
    out = folder / "out"
    assert cli.main(arguments(folder, "-o", str(out), "--device", "cpu", "--json")) == 1
    text = capsys.readouterr().out
    events = [json.loads(line) for line in text.splitlines()]
    assert (events[0]["type"], events[0]["total"], events[-1]["kept"]) == ("started", 4, 0)
    (warning,) = [event for event in events if event["type"] == "warning"]
    assert warning["image"] == 3 and "cannot be read" in warning["message"]
    assert not any(
        path.name in warning["message"] for path in (folder / "images").iterdir()
    )  # names stay on the user's screen
    steps = [event for event in events if event["type"] == "progress"]
    images = [event for event in steps if event["unit"] == "images"]
    assert [event["done"] for event in images] == [1, 2, 3, 4]
    assert images[0]["eta_s"] > images[-1]["eta_s"] == 0
    first = steps[: steps.index(images[0])]
    assert first and all(event["unit"] == "slices" for event in first)
    assert first[-1]["done"] == first[-1]["total"] == GRIDS["standard"].shape_kji[0]
    assert "a.nrrd" not in text and str(folder) not in text


def test_processes_share_the_images(folder: Path) -> None:
    out = folder / "out"
    path = os.pathsep.join([str(Path(cli.__file__).parents[1]), *sys.path])
    words = [sys.executable, "-m", "cmaformer", *arguments(folder, "-o", str(out), "--device", "cpu")]
    launched = {"PYTHONPATH": path, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29999"}
    environments = [{**os.environ, **launched, "RANK": str(n)} for n in range(2)]
    running = [subprocess.Popen(words, env=e, stdout=subprocess.PIPE, text=True) for e in environments]
    said = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [1, 0]  # a, c and b, d
    assert "a.nrrd" in said[0] and "b.nrrd" not in said[0] and "d.nrrd" in said[1]
    assert [row[0] for n in range(2) for row in table(out / f"volumes-{n}.csv")[1:]] == [
        "a.nrrd",
        "c.nii.gz",
        "b.nrrd",
        "d.nrrd",
    ]


def test_variables_that_a_launcher_has_left_behind_count_for_nothing(folder: Path) -> None:
    """Half of the images would be left out without a word."""
    path = os.pathsep.join([str(Path(cli.__file__).parents[1]), *sys.path])
    words = [sys.executable, "-m", "cmaformer", *arguments(folder, "-o", str(folder / "out"), "--device", "cpu")]
    left = {**os.environ, "PYTHONPATH": path, "RANK": "1", "WORLD_SIZE": "2"}
    done = subprocess.run(words, env=left, capture_output=True, text=True)
    assert [row[0] for row in table(folder / "out" / "volumes.csv")[1:]] == ["a.nrrd", "b.nrrd", "c.nii.gz", "d.nrrd"]
    assert "RANK and WORLD_SIZE are set, but torchrun has not started" in done.stderr


def test_what_cannot_be_done_is_told_before_any_work(folder: Path, capsys) -> None:
    model = ["--model", str(folder / "models" / "tiny-1.0.0")]
    image = folder / "images" / "a.nrrd"
    assert cli.main(["segment", str(image), str(image), *model, "-o", str(folder / "out.nrrd")]) == 2
    assert "folder" in capsys.readouterr().err
    assert cli.main(["segment", str(image), str(image), *model, "-o", str(folder / "out")]) == 1
    assert "a-labels.nrrd" in capsys.readouterr().err
    with pytest.raises(EngineError, match="Two images"):
        cohort.outputs([ImagePart(folder / "a.nrrd"), ImagePart(folder / "b" / "a.nii.gz")], folder)
    (folder / "plain").write_text("")
    assert cli.main([*arguments(folder), "-o", str(folder / "plain")]) == 2


def test_a_table_that_a_spreadsheet_holds_open_does_not_stop_the_work(folder: Path, capsys, monkeypatch) -> None:
    """As on Windows, where an open file cannot be replaced."""
    out, replace = folder / "out", os.replace

    def held(source, target) -> None:
        if Path(target).name == "volumes.csv":
            raise PermissionError(13, "The process cannot access the file", str(target))
        replace(source, target)

    monkeypatch.setattr("os.replace", held)
    (folder / "images" / "c.nii.gz").unlink()
    assert cli.main(arguments(folder, "-o", str(out), "--device", "cpu")) == 1
    problem = capsys.readouterr().err
    assert "volumes.csv is open in another program" in problem and "volumes-new.csv" in problem
    written = [f"{n}-labels.nrrd" for n in "abd"]
    assert sorted(path.name for path in out.iterdir()) == [*written, "volumes-new.csv"]
    assert [row[0] for row in table(out / "volumes-new.csv")[1:]] == ["a.nrrd", "b.nrrd", "d.nrrd"]

    monkeypatch.setattr("os.replace", replace)
    assert cli.main(arguments(folder, "-o", str(out), "--device", "cpu", "--skip-done")) == 0
    assert sorted(path.name for path in out.iterdir()) == [*written, "volumes.csv"]
