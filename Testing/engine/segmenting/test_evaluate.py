"""The command that compares segmentations with their references."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk
from tinymodel import describe, save_tiny
from trainingdata import phantom, write_cases, write_volume

from cmaformer.__main__ import main
from cmaformer.cases.case_list import CasesError
from cmaformer.images.geometry import Geometry, Volume
from cmaformer.segmenting.evaluate import evaluate
from cmaformer.segmenting.segment import segment


@pytest.fixture
def cases(tmp_path):
    return write_cases(tmp_path, ["labeled", "held-out", "held-out"])


def write_predictions(folder, shift):
    """Predictions that are the references, moved by some columns; the disc of the second one is missed."""
    folder.mkdir()
    for number in (1, 2):
        labels = np.roll(phantom(number)[1], shift, axis=2)
        if number == 2:
            labels[labels == 2] = 1
        write_volume(folder / f"Doe^Jane {number}.nrrd", labels)


def test_predictions_are_compared_case_by_case(tmp_path, cases):
    write_predictions(tmp_path / "predictions", 2)
    result = evaluate(cases, predictions=tmp_path / "predictions")
    assert result.cases == ["Doe^Jane 1", "Doe^Jane 2"] and result.values.shape == (2, 2, 3)
    assert 0.5 < result.values[0, 1, 0] < 1
    assert 1.4 < result.values[0, 1, 1] <= 3.0 + 1e-6  # two columns of 1.5 mm
    ring, disc, mean = result.summary()
    assert disc["dice"]["n"] == 2 and disc["hd95_mm"]["n"] == 1  # missed: Dice 0, distance undefined
    assert disc["dice"]["mean"] == pytest.approx(result.values[0, 1, 0] / 2)
    assert mean["structure"] == "mean"
    assert mean["dice"]["mean"] == pytest.approx((ring["dice"]["mean"] + disc["dice"]["mean"]) / 2)


def test_command_prints_table_json_and_csv(tmp_path, cases, capsys):
    write_predictions(tmp_path / "predictions", 0)
    arguments = ["evaluate", "--cases", str(cases), "--predictions", str(tmp_path / "predictions")]
    assert main([*arguments, "--csv", str(tmp_path / "all.csv")]) == 0
    printed = capsys.readouterr().out
    assert "ring" in printed and "disc" in printed and "Dice" in printed
    with open(tmp_path / "all.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 and float(rows[0]["dice"]) == 1.0 and rows[3]["hd95_mm"] == ""
    assert main([*arguments, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["cases"][1] == {
        "case": "Doe^Jane 1",
        "structure": "disc",
        "dice": 1.0,
        "hd95_mm": 0.0,
        "assd_mm": 0.0,
    }
    assert content["cases"][3]["assd_mm"] is None


def test_model_is_compared_on_the_source_grid(tmp_path, cases):
    model = save_tiny(tmp_path / "model", structures=2, input={"spacing_mm": [2.0, 2.0]})
    result = evaluate(cases, model=model, device="cpu")
    assert result.values.shape == (2, 2, 3) and (result.values[:, :, 0] >= 0).all()


def test_a_model_with_its_classes_in_another_order_is_compared_by_their_names(tmp_path, cases):
    """By their values alone, every structure was compared with another one, without a word."""

    def model(folder, *names):
        described = describe(structures=len(names))["classes"]
        classes = [{**one, "name": name} for one, name in zip(described, names)]
        return save_tiny(tmp_path / folder, structures=len(names), classes=classes)

    same, turned = model("same", "ring", "Disc"), model("turned", "disc", "ring")
    one, other = (evaluate(cases, found, device="cpu").values[..., 0] for found in (same, turned))
    np.testing.assert_allclose(one[0], agreements(same, (1, 2)), atol=1e-6)
    np.testing.assert_allclose(other[0], agreements(turned, (2, 1)), atol=1e-6)
    with pytest.raises(CasesError, match="the model finds ring, cap") as caught:
        evaluate(cases, model("partly", "ring", "cap"), device="cpu")
    assert caught.value.code == "other-classes"
    with pytest.raises(CasesError, match="the model finds a, b, c"):
        evaluate(cases, model("more", "a", "b", "c"), device="cpu")


def agreements(model, values):
    """Dice of ring and disc on the first held-out case, where the model calls them by these values."""
    image, labels = phantom(1)
    found = segment(
        Volume(image, Geometry((40, 48, 5), (1.5, 1.5, 6.0), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))), model
    )
    both = [(found.labels == value, labels == truth) for truth, value in enumerate(values, 1)]
    return [2 * np.count_nonzero(a & b) / max(1, np.count_nonzero(a) + np.count_nonzero(b)) for a, b in both]


def test_a_prediction_with_other_values_is_refused_and_one_with_more_classes_not(tmp_path, cases):
    write_predictions(tmp_path / "predictions", 0)
    path = tmp_path / "predictions" / "Doe^Jane 1.nrrd"
    write_volume(path, (phantom(1)[1] * 5).astype(np.uint8))
    with pytest.raises(CasesError, match="holds the value 5") as caught:
        evaluate(cases, predictions=tmp_path / "predictions")
    assert caught.value.code == "unknown-label"
    further = phantom(1)[1].copy()
    further[0, :3] = 3
    write_volume(path, further)
    assert evaluate(cases, predictions=tmp_path / "predictions").values[0, :, 0].min() == 1.0


def test_faults_are_named(tmp_path, cases):
    with pytest.raises(CasesError, match=r"Doe\^Jane 1"):
        (tmp_path / "empty").mkdir()
        evaluate(cases, predictions=tmp_path / "empty")
    with pytest.raises(CasesError, match="unlabeled"):
        evaluate(cases, predictions=tmp_path, role="unlabeled")
    write_predictions(tmp_path / "small", 0)
    write_volume(tmp_path / "small" / "Doe^Jane 1.nrrd", np.zeros((5, 48, 39), np.uint8))
    with pytest.raises(CasesError, match="48, 39"):
        evaluate(cases, predictions=tmp_path / "small")


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True)])
def test_predictions_are_compared_by_place_whatever_the_order_of_their_voxels(tmp_path, cases, order, flips):
    write_predictions(tmp_path / "predictions", 2)
    expected = evaluate(cases, predictions=tmp_path / "predictions").values
    for path in (tmp_path / "predictions").iterdir():
        image = sitk.Flip(sitk.PermuteAxes(sitk.ReadImage(str(path)), order), flips)
        sitk.WriteImage(image, str(path))
    np.testing.assert_array_equal(evaluate(cases, predictions=tmp_path / "predictions").values, expected)


@pytest.mark.parametrize("change", ["moved", "other spacing", "turned"])
def test_a_prediction_at_another_place_is_refused(tmp_path, cases, change):
    write_predictions(tmp_path / "predictions", 0)
    path = tmp_path / "predictions" / "Doe^Jane 2.nrrd"
    image = sitk.ReadImage(str(path))
    if change == "moved":
        image.SetOrigin((0, 1.5, 0))
    elif change == "other spacing":
        image.SetSpacing((1.6, 1.5, 6.0))
    else:  # the same numbers, another direction
        image.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, -1))
    sitk.WriteImage(image, str(path))
    with pytest.raises(CasesError, match="does not lie on the voxels of the reference") as caught:
        evaluate(cases, predictions=tmp_path / "predictions")
    assert caught.value.code == "other-grid"


def test_a_list_of_held_out_cases_alone_is_evaluated(tmp_path, cases):
    content = json.loads(cases.read_text())
    content["cases"] = [case for case in content["cases"] if case["role"] == "held-out"]
    cases.write_text(json.dumps(content))
    write_predictions(tmp_path / "predictions", 0)
    assert evaluate(cases, predictions=tmp_path / "predictions").cases == ["Doe^Jane 1", "Doe^Jane 2"]
    assert main(["evaluate", "--cases", str(cases), "--predictions", str(tmp_path / "predictions")]) == 0
    assert main(["check", "--cases", str(cases)]) == 1  # nothing can be learned from it
