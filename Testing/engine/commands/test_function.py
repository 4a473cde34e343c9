"""The command ``function`` on a drawn cine, on its label maps, and on what is no heart."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk
from tinymodel import save_tiny

from cmaformer.__main__ import main

RADII = (12, 10, 7, 9)


@pytest.fixture
def model(tmp_path):
    names = ["right ventricle", "myocardium", "left ventricle"]
    assert names  # those of the tiny model
    return save_tiny(tmp_path / "tiny", measurements=["cardiac-function"])


def write_labels(folder) -> list[str]:
    """Label maps of a beating heart, one file a phase."""
    paths = []
    rows, columns = np.mgrid[:64, :64] - 32
    for number, radius in enumerate(RADII):
        distance = np.hypot(rows, columns)
        plane = np.where(distance < radius, 3, np.where(distance < radius + 4, 2, 0))
        plane[:, :8] = 1
        image = sitk.GetImageFromArray(np.stack([plane] * 3).astype(np.uint8))
        image.SetSpacing((1.0, 1.0, 10.0))
        paths.append(str(folder / f"phase{number}.nrrd"))
        sitk.WriteImage(image, paths[-1])
    return paths


def test_label_maps_give_their_function(tmp_path, model, capsys):
    paths = write_labels(tmp_path)
    command = ["function", *paths, "--labels", "--model", str(model.folder)]
    assert main([*command, "--json", "--csv", str(tmp_path / "curve.csv")]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["end_diastole"], found["end_systole"]) == (1, 3)
    expected = 100 * (1 - (7 / 12) ** 2)
    assert found["left"]["ejection_fraction"] == pytest.approx(expected, abs=3)
    assert found["right"]["ejection_fraction"] == 0
    with open(tmp_path / "curve.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][0] == "phase" and len(rows) == 5
    assert main([*command, "--end-systole", "4", "--height", "180", "--weight", "80"]) == 0
    text = capsys.readouterr().out
    assert "end-systole                               4 phase" in text and "body surface area" in text
    assert main([*command, "--height", "180"]) == 2


def test_label_maps_with_other_values_are_refused(tmp_path, model, capsys):
    """They would be hearts without ventricles."""
    paths = write_labels(tmp_path)
    sitk.WriteImage(sitk.ReadImage(paths[1]) * 50, paths[1])
    assert main(["function", *paths, "--labels", "--model", str(model.folder)]) == 1
    assert "Label map 2 has the value 50" in capsys.readouterr().err


def test_a_cine_is_segmented_phase_by_phase(tmp_path, model, capsys):
    rng = np.random.default_rng(0)
    volumes = [sitk.GetImageFromArray(rng.integers(0, 300, (3, 40, 40)).astype(np.int16)) for _ in range(3)]
    sitk.WriteImage(sitk.JoinSeries(volumes), str(tmp_path / "cine.nii.gz"))
    command = ["function", str(tmp_path / "cine.nii.gz"), "--model", str(model.folder), "--device", "cpu"]
    assert main([*command, "--json"]) in (0, 1)  # random weights may find no left ventricle, which is said
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["type"] == "function" and len(said["volumes_ml"]) == 3) or said["code"] == "no-function"


def test_a_model_that_offers_none_says_so(tmp_path, capsys):
    plain = save_tiny(tmp_path / "plain")
    assert main(["function", *write_labels(tmp_path), "--labels", "--model", str(plain.folder)]) == 1
    assert "offers no cardiac function" in capsys.readouterr().err
