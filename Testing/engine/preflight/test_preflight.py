"""The pre-flight report: all faults of a list at once, each with its code, its case and what to do."""

from __future__ import annotations

import json
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from tinymodel import save_tiny
from trainingdata import phantom, write_volume

from cmaformer.__main__ import main
from cmaformer.cases.reading import read_cases
from cmaformer.data.slices import prepare
from cmaformer.door import job as jobs
from cmaformer.door.errors import CancelledError
from cmaformer.door.input_spec import ImageSpec, InputSpec
from cmaformer.door.names import PREFLIGHT
from cmaformer.door.watcher import Watcher
from cmaformer.images.volume import read_volume
from cmaformer.preflight.check import check, check_job
from cmaformer.preflight.report import PreflightError, Report
from cmaformer.training.plan import create

WINDOW = {"type": "window", "low": -100.0, "high": 600.0}
PERCENTILES = {"type": "percentile", "low": 1, "high": 99}
INPUT = InputSpec((ImageSpec("", PERCENTILES),), spacing_mm=(1.5, 1.5), slicing="acquired")


class Folder:
    """A list of cases in the making."""

    def __init__(self, path: Path) -> None:
        self.path, self.cases, self.classes = path, [], {"1": "ring", "2": "disc"}

    def add(self, role="labeled", image=None, labels=None, spacing=(1.5, 1.5, 6.0), labels_spacing=None, **entry):
        """One more phantom, with parts of it replaced. Returns its number."""
        number = len(self.cases) + 1
        plain = phantom(number)
        write_volume(self.path / f"scan{number}.nii.gz", plain[0] if image is None else image, spacing)
        write_volume(self.path / f"seg{number}.nrrd", plain[1] if labels is None else labels, labels_spacing or spacing)
        case = {"name": f"Doe^Jane {number}", "image": f"scan{number}.nii.gz", "role": role}
        self.cases.append({**case, "labels": None if role == "unlabeled" else f"seg{number}.nrrd", **entry})
        return number

    def write(self) -> Path:
        """The list."""
        path = self.path / "cases.json"
        path.write_text(json.dumps({"classes": self.classes, "cases": self.cases}))
        return path


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def found(report: Report) -> set[tuple[str, str, int | None]]:
    return {(finding.severity, finding.code, finding.case) for finding in report.findings}


def test_ten_faults_are_all_found_at_once(folder):
    image, labels = phantom(0)
    folder.classes["3"] = "cap"
    folder.add()
    folder.add()  # 2: the list names a file that is not there
    folder.cases[-1]["image"] = "gone.nii.gz"
    folder.add()  # 3: no image at all
    (folder.path / "scan3.nii.gz").write_bytes(b"not an image")
    folder.add(labels=labels[:4])  # 4: a slice is missing
    folder.add(labels_spacing=(1.5, 1.7, 6.0))  # 5: the label map is elsewhere
    folder.add(labels=np.where(labels == 2, 7, labels).astype(np.uint8))  # 6: a value that is no class
    folder.add(labels=(labels * 0.5).astype(np.float32))  # 7: a smoothed segmentation
    folder.add(image=np.full_like(image, 40))  # 8: a constant image
    folder.add(role="held-out", patient="one")  # 9 and 10: a patient on both sides
    folder.add(patient="one")
    folder.add(role="held-out", image=phantom(1)[0].astype(np.float32))  # 11: the image of case 1 as floats
    folder.add(role="test")  # 12: an unknown role
    folder.add(labels=np.zeros_like(labels))  # 13: nothing drawn
    report = check(folder.write(), INPUT)
    expected = {
        ("error", "no-image", 2),
        ("error", "unreadable-image", 3),
        ("error", "label-grid", 4),
        ("error", "label-place", 5),
        ("error", "unknown-label", 6),
        ("error", "fractional-labels", 7),
        ("error", "constant-image", 8),
        ("error", "patient-in-two-roles", 10),
        ("error", "duplicate-held-out", 11),
        ("error", "bad-cases", 12),
        ("warning", "empty-labels", 13),
        ("warning", "class-missing", None),
        ("note", "no-unlabeled", None),
    }
    assert found(report) == expected
    assert not report.ok
    ranks = [("error", "warning", "note").index(finding.severity) for finding in report.findings]
    assert ranks == sorted(ranks)
    assert all(finding.hint for finding in report.findings if finding.severity != "note")
    with pytest.raises(PreflightError, match=r"10 errors.*Case 2.*\(and 7 more\)") as caught:
        report.raise_errors()
    assert caught.value.code == "preflight"
    for word in ("Doe", "Jane", "scan", "gone", "seg1", str(folder.path)):
        assert word not in json.dumps(report.to_dict()) and word not in str(caught.value)


def test_clean_list_has_facts_and_no_error(folder):
    for role in ("labeled", "labeled", "unlabeled", "held-out"):
        folder.add(role)
    report = check(folder.write(), INPUT)
    assert report.ok and not report.findings
    report.raise_errors()
    first = report.cases[0]
    assert first.size == (40, 48, 5) and first.spacing_mm == pytest.approx((1.5, 1.5, 6.0)) and first.role == "labeled"
    image, labels = phantom(1)
    assert first.voxels == {1: np.count_nonzero(labels == 1), 2: np.count_nonzero(labels == 2)}
    assert first.intensity["min"] == image.min() and first.intensity["max"] == image.max()
    assert image.min() < first.intensity["low"] < first.intensity["high"] < image.max()
    assert report.cases[2].voxels == {}
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_warnings_do_not_stop_and_say_which_case_is_odd(folder):
    image, labels = phantom(0)
    for _ in range(3):
        folder.add()
    folder.add(spacing=(1.5, 1.5, 20.0))  # 4
    folder.add(image=(image * 25.0 - 2500).astype(np.float32))  # 5
    broken = image.astype(np.float32)
    broken[0, 0, 0] = np.nan
    folder.add(image=broken)  # 6; NIfTI knows no such voxels
    write_volume(folder.path / "scan6.nrrd", broken)
    folder.cases[-1]["image"] = "scan6.nrrd"
    folder.add(image=image[:, :20], labels=labels[:, :20])  # 7
    folder.add("unlabeled", image=phantom(1)[0])  # 8: the image of case 1
    folder.add("unlabeled", image=np.zeros_like(image))  # 9
    folder.add()
    folder.cases[-1]["labels"] = folder.cases[0]["labels"]  # 10
    report = check(folder.write(), replace(INPUT, images=(ImageSpec("", WINDOW),)))
    assert found(report) == {
        ("warning", "odd-spacing", 4),
        ("warning", "odd-intensity", 5),
        ("warning", "non-finite", 6),
        ("warning", "small-image", 7),
        ("warning", "duplicate-image", 8),
        ("warning", "constant-image", 9),
        ("warning", "duplicate-labels", 10),
        ("note", "no-held-out", None),
    }
    assert report.ok
    codes = {finding.code for finding in check(folder.write(), INPUT).findings}
    assert "odd-intensity" not in codes  # percentiles need no common unit


def test_rounded_headers_are_no_fault_and_half_a_voxel_is(folder):
    folder.add(spacing=(0.9765625, 0.9765625, 5.0), labels_spacing=(0.977, 0.977, 5.0))
    folder.add()
    labels = sitk.ReadImage(str(folder.path / "seg2.nrrd"))
    labels.SetOrigin([0.75, 0, 0])
    sitk.WriteImage(labels, str(folder.path / "seg2.nrrd"))
    folder.add()
    labels = sitk.ReadImage(str(folder.path / "seg3.nrrd"))
    labels.SetDirection([-1, 0, 0, 0, -1, 0, 0, 0, 1])
    sitk.WriteImage(labels, str(folder.path / "seg3.nrrd"))
    report = check(folder.write(), INPUT)
    errors = [(finding.code, finding.case) for finding in report.of_severity("error")]
    assert errors == [("label-place", 2), ("label-place", 3)]


def test_few_patients_and_nothing_drawn_at_all(folder):
    folder.add(labels=np.zeros((5, 48, 40), np.uint8), patient="one")
    folder.add(labels=np.zeros((5, 48, 40), np.uint8), patient="two")
    report = check(folder.write(), INPUT)
    assert ("error", "no-foreground", None) in found(report)
    (few,) = [finding for finding in report.findings if finding.code == "few-patients"]
    assert few.severity == "note" and "2 labeled patients" in few.hint and "leave-one-out" in few.hint


def test_values_of_the_label_maps_may_stand_for_classes(folder):
    labels = phantom(1)[1]
    folder.add(labels=np.choose(labels, [0, 6, 11]).astype(np.uint8))
    cases = read_cases(folder.write())
    assert ("error", "unknown-label", 1) in found(check(cases, INPUT))
    report = check(replace(cases, label_map={6: 1, 11: 2}), INPUT)
    assert report.ok
    assert report.cases[0].voxels == {1: np.count_nonzero(labels == 1), 2: np.count_nonzero(labels == 2)}


def test_classes_unlike_those_of_the_base_are_noted(folder, tmp_path):
    folder.add()
    other = save_tiny(tmp_path / "other", structures=3)
    (note,) = [f for f in check(folder.write(), base=other).findings if f.code == "other-classes"]
    assert note.severity == "note" and "3 structures" in note.message
    same = save_tiny(tmp_path / "same", structures=2)
    notes = [f for f in check(folder.write(), base=same).findings if f.code == "other-classes"]
    assert ["ring" in notes[0].message, "disc" in notes[1].message] == [True, True]
    folder.classes = {"1": "Right ventricle", "2": "myocardium"}
    assert not any(f.code == "other-classes" for f in check(folder.write(), base=same).findings)


@pytest.mark.parametrize("spacing", [[1.5, 1.5], [2.0, 1.0]])
def test_needed_space_is_that_of_the_slices(folder, tmp_path, spacing):
    for role in ("labeled", "unlabeled"):
        folder.add(role, image=np.tile(phantom(1)[0], (3, 2, 2)), labels=np.tile(phantom(1)[1], (3, 2, 2)))
    source = replace(INPUT, spacing_mm=tuple(spacing))
    report = check(folder.write(), source)
    prepare(read_cases(folder.write()), source, tmp_path / "slices")
    written = sum(path.stat().st_size for path in (tmp_path / "slices").glob("*.npy")) / 1e6
    assert report.needs["disk_mb"] == pytest.approx(written, rel=0.01)
    assert report.needs["memory_mb"] > 15 * 96 * 80 * 6 / 1e6


def test_full_disk_stops(folder, tmp_path, monkeypatch):
    folder.add()
    usage = type("Usage", (), {"free": 50e6})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    report = check(folder.write(), INPUT, folder=tmp_path / "not" / "there")
    assert [finding.code for finding in report.of_severity("error")] == ["disk-full"]
    assert check(folder.write(), INPUT).ok


def test_check_can_be_stopped_and_tells_how_far_it_is(folder):
    for _ in range(3):
        folder.add()
    seen = []
    watcher = Watcher(lambda *now: seen.append(now[:2]), cancelled=lambda: len(seen) == 2)
    with pytest.raises(CancelledError):
        check(folder.write(), INPUT, watcher=watcher)
    assert seen == [(1, 3), (2, 3)]


@pytest.mark.parametrize(
    ("change", "severity"),
    [(lambda hu: hu / 2000, "warning"), (lambda hu: hu + 5000, "error"), (lambda hu: hu - 5000, "error")],
)
def test_images_that_show_nothing_in_the_window_are_told(folder, change, severity):
    """All images in other units than Hounsfield's are alike, and were trained on as nothing."""
    image, labels = phantom(1)
    folder.add(image=image.astype(np.float32), labels=labels)
    folder.add(image=change(image.astype(np.float32)), labels=labels)
    source = replace(INPUT, images=(ImageSpec("", WINDOW),))
    assert (severity, "outside-window", 2) in found(check(folder.write(), source))
    assert not any(code == "outside-window" for _, code, _ in found(check(folder.write(), INPUT)))
    # A crop of soft tissue is narrow, and right.
    wide = replace(INPUT, images=(ImageSpec("", {"type": "window", "low": -1000.0, "high": 9000.0}),))
    folder.cases = folder.cases[:1]
    assert not any(code == "outside-window" for _, code, _ in found(check(folder.write(), wide)))


def test_one_volume_is_in_memory_at_a_time(folder, monkeypatch):
    for _ in range(3):
        folder.add()
    alive, most = set(), []

    def read(path):
        volume = read_volume(path)
        most.append(len(alive))
        number = len(most)
        alive.add(number)
        weakref.finalize(volume, alive.discard, number)
        return volume

    for room in ("preflight.case_facts", "images.channels"):
        monkeypatch.setattr(f"cmaformer.{room}.read_volume", read)
    assert check(folder.write(), INPUT).ok
    assert most == [0] * 6


def test_job_keeps_its_report_and_tells_it_as_events(folder, tmp_path):
    folder.classes["3"] = "cap"
    for _ in range(2):
        folder.add()
    job = create(read_cases(folder.write()), tmp_path / "job", "model", save_tiny(tmp_path / "base", structures=3))
    report = check_job(job, jobs.Events.of_job(job.folder))
    assert Report.from_dict(json.loads((job.folder / PREFLIGHT).read_text())) == report
    told = [(e["code"], e["message"]) for e in jobs.read_events(job.folder) if e["type"] == "warning"]
    (missing,) = report.of_severity("warning")
    assert told == [("class-missing", str(missing))] and report.of_severity("note")
    (folder.path / "scan2.nii.gz").write_bytes(b"")
    assert check_job(job, jobs.Events.of_job(job.folder)) == report  # looked at once
    (job.folder / PREFLIGHT).unlink()
    with pytest.raises(PreflightError, match="Case 2"):
        check_job(job, jobs.Events.of_job(job.folder))
    write_volume(folder.path / "scan2.nii.gz", phantom(2)[0])
    assert check_job(job, jobs.Events.of_job(job.folder)).ok  # after an error, again
    assert "Doe" not in (job.folder / PREFLIGHT).read_text() + (job.folder / jobs.EVENTS).read_text()


def test_command_prints_a_table_or_json_and_its_code_tells(folder, capsys):
    folder.add()
    folder.add("unlabeled")
    path = str(folder.write())
    assert main(["check", "--cases", path]) == 0
    text = capsys.readouterr().out
    assert "Doe^Jane 1" in text and "40x48x5" in text and "few-patients" in text
    folder.cases[1]["image"] = "gone.nrrd"
    folder.write()
    assert main(["check", "--cases", path]) == 1
    assert "case 2 (Doe^Jane 2): Its image is not there." in capsys.readouterr().out
    assert main(["check", "--cases", path, "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["ok"] is False and content["findings"][0]["code"] == "no-image"
    assert main(["check", "--cases", str(folder.path / "none.json")]) == 1


def test_training_shows_all_faults_before_it_writes_anything(folder, tmp_path, capsys):
    for _ in range(6):
        folder.add()
    (folder.path / "scan2.nii.gz").write_bytes(b"")
    folder.cases[3]["image"] = "gone.nrrd"
    arguments = ["--cases", str(folder.write()), "--job", str(tmp_path / "job"), "--name", "model"]
    assert main(["train", *arguments]) == 1
    shown = capsys.readouterr().err
    assert "case 2 (Doe^Jane 2)" in shown and "case 4 (Doe^Jane 4)" in shown and "2 errors" in shown
    assert not (tmp_path / "job").exists()


def test_training_draws_held_out_patients_once_and_keeps_the_report(folder, tmp_path, capsys):
    for _ in range(6):
        folder.add()
    arguments = ["--cases", str(folder.write()), "--prepare-only", "--device", "cpu", "--name", "model"]
    base = save_tiny(tmp_path / "base", structures=2)
    assert main(["train", *arguments, "--job", str(tmp_path / "one"), "--base", str(base.folder)]) == 0
    drawn = read_cases(tmp_path / "one" / "cases.json")
    assert len(drawn.with_role("held-out")) == 1
    report = Report.from_dict(json.loads((tmp_path / "one" / PREFLIGHT).read_text()))
    assert report.ok and [facts.role for facts in report.cases] == [case.role for case in drawn.cases]
    index = json.loads((tmp_path / "one" / "slices" / "index.json").read_text())
    assert [entry["role"] for entry in index["cases"]] == [case.role for case in drawn.cases]

    all_ = ["--held-out", "0", "--job", str(tmp_path / "two"), "--base", str(base.folder)]
    assert main(["train", *arguments, *all_]) == 0
    assert not read_cases(tmp_path / "two" / "cases.json").with_role("held-out")
    assert main(["train", *arguments, "--held-out", "1.5", "--job", str(tmp_path / "three")]) == 2
    assert "no-held-out" in capsys.readouterr().err


def test_check_times_steps_and_says_how_many_fit(folder, tmp_path, capsys):
    for _ in range(2):
        folder.add()
    path, base = str(folder.write()), save_tiny(tmp_path / "base", structures=2)
    recipe = tmp_path / "recipe.json"
    steps = []
    for settings in ({"patch": 32, "batch_size": 1}, {"patch": 64, "batch_size": 8}):
        recipe.write_text(json.dumps(settings))
        arguments = ["--base", str(base.folder), "--minutes", "2", "--recipe", str(recipe), "--device", "cpu", "--json"]
        assert main(["check", "--cases", path, *arguments]) == 0
        estimate = json.loads(capsys.readouterr().out)["estimate"]
        assert estimate["iterations"] == int(0.8 * 120 / estimate["seconds_per_step"]) and estimate["device"] == "cpu"
        steps.append(estimate["iterations"])
    assert steps[0] > steps[1] > 0
    recipe.write_text('{"patch": 1}')
    assert main(["check", "--cases", path, "--minutes", "2", "--recipe", str(recipe)]) == 1
    assert "patches of 32 pixels" in capsys.readouterr().err
