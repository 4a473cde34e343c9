"""Scenes, cards and folders from somebody else; and names, which leave no trace in what leaves the computer."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from tinymodel import save_tiny
from trainingdata import phantom, write_volume

from dicomseries import write_series

SECRETS = ("Lovelace", "Ada", "MRN-4711", "Charité", "Babbage-Ward")


def test_a_scene_touches_no_file_that_it_names(slicerScene, monkeypatch, tally):
    import slicer

    from CMAformerSegmentationLib.cases.list import loadCases

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    rows = [
        {"image": "//evil/share/image.nrrd", "labels": "//evil/share/labels.nrrd", "role": "labeled"},
        {"image": "/net/other/image.nrrd", "role": "ruler of the world"},
        {"image": 7, "role": None},
        "nonsense",
    ]
    from CMAformerSegmentationLib.cases import list as module

    node.SetParameter(module._parameter, json.dumps(rows))
    touched = []
    for name in ("exists", "is_file", "is_dir", "stat"):
        monkeypatch.setattr(Path, name, lambda self, name=name, **_: touched.append((name, str(self))))
    cases = loadCases(node)
    assert [case.role for case in cases] == ["labeled", "ignored", "unlabeled"]
    assert [case.problem() for case in cases if case.role == "labeled"] == [""]
    assert not [path for _, path in touched if "evil" in path or "other" in path]
    tally("scene of a stranger", "right")


def test_cards_are_shown_without_the_pictures_they_name(tmp_path, slicerApp, tally):
    from CMAformerSegmentationLib.models.catalog import findModels

    save_tiny(tmp_path / "tiny-1.0.0")
    card = "# Tiny\n![seen](//evil/share/a.png) <img src='http://evil/b.png'/> ![also][1] text\n"
    (tmp_path / "tiny-1.0.0" / "card.md").write_text(card)
    (entry,) = findModels([], [tmp_path]).entries
    assert "evil" not in entry.card and "seen" in entry.card and "text" in entry.card
    tally("card of a stranger", "right")


@pytest.mark.skipif(sys.platform == "win32", reason="the user's profile is private there")
def test_folders_with_images_are_private_and_those_of_a_dead_slicer_go(tmp_path, slicerApp, tally):
    from cmaformer.door.process import identity
    from CMAformerSegmentationLib.jobs.job import Job
    from CMAformerSegmentationLib.jobs.privateFolders import makePrivate, sweep
    from CMAformerSegmentationLib.training.folder import TrainingFolder

    job = Job.create(tmp_path, "segment", {"inputs": {}, "model": {}, "parameters": {}})
    training = TrainingFolder.make(tmp_path / "trainings", {"name": "x"})
    for folder in (job.folder, training.path):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    dead = subprocess.Popen([sys.executable, "-c", ""])
    known = identity(dead.pid)
    dead.wait()
    left = makePrivate(tmp_path / "left")
    (left / "image.nrrd").write_text("an image")
    (left / "owner.json").write_text(json.dumps(known))
    sweep(tmp_path)
    assert not left.exists() and job.folder.exists()
    tally("leftovers with images", "right")


def _leaks(folder: Path) -> list[str]:
    """Where a secret occurs in the files below a folder, or in their names."""
    found = []
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for secret in SECRETS:
            if secret in path.name or secret.encode() in content:
                found.append(f"{secret} in {path.relative_to(folder)}")
    return found


def test_names_leave_no_trace_in_what_leaves_the_job_folder(tmp_path, tally):
    home = tmp_path / "Babbage-Ward" / "Lovelace^Ada"
    home.mkdir(parents=True)
    cases = []
    for number, role in enumerate(["labeled", "labeled", "unlabeled", "held-out"]):
        image, labels = phantom(number)
        name = f"Lovelace_Ada_MRN-4711_{number}"
        write_volume(home / f"{name}.nrrd", image)
        write_volume(home / f"{name}-label.nrrd", labels)
        cases.append({"name": name, "patient": f"Ada {number}", "image": f"{name}.nrrd", "role": role})
        cases[-1]["labels"] = None if role == "unlabeled" else f"{name}-label.nrrd"
    (home / "cases.json").write_text(json.dumps({"classes": {"1": "ring", "2": "disc"}, "cases": cases}))
    base = save_tiny(tmp_path / "tiny-1.0.0", structures=2)
    job = tmp_path / "job"
    command = [sys.executable, "-m", "cmaformer", "train", "--cases", str(home / "cases.json"), "--job", str(job)]
    command += ["--name", "rings", "--base", str(base.folder), "--iterations", "2", "--semi-iterations", "2"]
    command += ["--batch-size", "2", "--patch", "32", "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    prepared = subprocess.run([*command, "--prepare-only"], env=environment, capture_output=True, timeout=300)
    assert prepared.returncode == 0, prepared.stderr
    (job / "cases.json").unlink()  # it stays on this computer: it is how an interrupted preparation finds its images
    assert not _leaks(job)
    tally("secrets, prepared folder", "right")
    resume = [sys.executable, "-m", "cmaformer", "train", "--resume", str(job), "--device", "cpu"]
    trained = subprocess.run(resume, env=environment, capture_output=True, timeout=300)
    assert trained.returncode == 0, trained.stderr
    assert not _leaks(job) and not any(secret.encode() in trained.stderr for secret in SECRETS)
    tally("secrets, training", "right")


def test_names_in_dicom_files_are_in_no_event(tmp_path, tally):
    folder = tmp_path / "Lovelace"
    write_series(folder, [0, 3, 6], "5")
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        data.PatientName, data.PatientID, data.InstitutionName = "Lovelace^Ada", "MRN-4711", "Charité"
        data.save_as(path)
    base = save_tiny(tmp_path / "tiny-1.0.0")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "cmaformer", "segment", "--model", str(base.folder), "--json", "--device", "cpu"]
    good = subprocess.run([*command, str(folder), "-o", str(tmp_path / "x.nrrd")], env=environment, capture_output=True)
    assert good.returncode == 0, good.stderr
    data = pydicom.dcmread(next(iter(folder.iterdir())))
    data.PixelData = np.zeros(2, np.uint8).tobytes()
    data.save_as(folder / "Ada.dcm")
    data.SOPInstanceUID = "1.2.3.4"
    data.save_as(folder / "Ada.dcm")
    bad = subprocess.run([*command, str(folder), "-o", str(tmp_path / "y.nrrd")], env=environment, capture_output=True)
    assert bad.returncode == 1
    for done in (good, bad):
        assert not [secret for secret in SECRETS if secret.encode() in done.stdout + done.stderr]
    tally("secrets, events", "right")
