"""Which cases to label next: what the model is unsure of, and what is unlike those labeled before."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from tinymodel import save_tiny

from cmaformer.cases.case_list import Case, CasesError
from cmaformer.cases.reading import read_cases
from cmaformer.models.model import load_model
from cmaformer.segmenting import next_cases as next_module
from cmaformer.segmenting.next_cases import Look, next_cases, ranked

STRUCTURES = ["ring", "disc"]


def case(number, role, patient):
    return number, Case(f"case {number}", Path(f"{number}.nrrd"), None, role, patient)


def look(expected, ring, disc, least="disc"):
    sizes = np.array([ring, disc])
    return Look(expected, least, expected - 0.1, sizes, np.r_[sizes, 0.0])


@pytest.fixture
def manyLabels(monkeypatch):
    """As with many labeled patients: the odd is worth more than the typical."""
    monkeypatch.setattr(next_module, "FEW_LABELS", 0)


def test_with_few_labels_the_typical_come_first_each_for_others_than_the_one_before():
    rows = [(case(1, "labeled", "a"), look(0.9, 0.0, 0.0))]
    for number, (ring, disc) in enumerate(
        [(1.0, 1.0), (1.1, 1.0), (1.0, 1.1), (-1.0, 2.0), (-1.1, 2.0), (9.0, 9.0)], 2
    ):
        rows.append((case(number, "unlabeled", str(number)), look(0.5 if ring == 9.0 else 0.9, ring, disc)))
    found = ranked([row[0] for row in rows], [row[1] for row in rows], STRUCTURES)
    assert all(one.typical for one in found) and "like many" in found[0].reason()
    order = [one.cases[0] for one in found]
    # One of each cluster before a second one of any.
    assert len({(number - 2) // 3 for number in order[:3]}) == 2 and 7 in order[:3]


@pytest.mark.usefixtures("manyLabels")
def test_the_unsure_and_the_unlike_come_first_and_what_was_taken_counts_as_known():
    rows = [
        (case(1, "labeled", "a"), look(0.9, 0.0, 0.0)),
        (case(2, "labeled", "b"), look(0.9, 0.1, 0.1)),
        (case(3, "unlabeled", "same"), look(0.9, 0.0, 0.1)),
        (case(4, "unlabeled", "large"), look(0.7, 3.0, 0.1, "ring")),
        (case(5, "unlabeled", "large too"), look(0.72, 3.1, 0.1, "ring")),
        (case(6, "unlabeled", "unsure"), look(0.6, 0.1, 0.0)),
    ]
    found = ranked([row[0] for row in rows], [row[1] for row in rows], STRUCTURES)
    assert [one.rank for one in found] == [1, 2, 3, 4]
    # The second large one is like the first one as soon as that is labeled.
    assert [one.cases for one in found] == [(4,), (6,), (5,), (3,)] or [one.cases for one in found] == [
        *((5,), (6,), (4,), (3,))
    ]
    first = found[0]
    assert first.least_dice == pytest.approx(first.expected_dice - 0.1)
    assert first.unlike == ("ring", True) and first.least_sure == "ring" and first.difference > 1
    assert "ring is larger than in those that are labeled" in first.reason()
    assert found[-1].unlike is None and "larger" not in found[-1].reason()


@pytest.mark.usefixtures("manyLabels")
def test_cases_of_a_patient_are_labeled_together():
    rows = [
        (case(1, "labeled", "a"), look(0.9, 0.0, 0.0)),
        (case(2, "unlabeled", "b"), look(0.95, 0.0, 0.1)),
        (case(3, "unlabeled", "c"), look(0.8, 0.0, 0.1)),
        (case(4, "unlabeled", "b"), look(0.55, 0.0, -3.0)),
    ]
    found = ranked([row[0] for row in rows], [row[1] for row in rows], STRUCTURES)
    assert [one.cases for one in found] == [(2, 4), (3,)]
    assert found[0].expected_dice == pytest.approx(0.75) and found[0].unlike == ("disc", False)


def test_without_labeled_ones_the_most_unsure_is_first():
    rows = [(case(n, "unlabeled", str(n)), look(dice, 0.0, 0.0)) for n, dice in enumerate((0.9, 0.5, 0.8), 1)]
    found = ranked([row[0] for row in rows], [row[1] for row in rows], STRUCTURES)
    assert [one.cases for one in found] == [(2,), (3,), (1,)]


@pytest.fixture
def folder(tmp_path):
    """A list of four cases, one of them labeled, and a model with random weights."""
    save_tiny(tmp_path / "tiny-1.0.0")
    entries = []
    for number in range(4):
        array = np.random.default_rng(number).normal(100, 20 + number, (3, 32, 40)).astype(np.float32)
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((1.5, 1.5, 8.0))
        sitk.WriteImage(image, str(tmp_path / f"Doe_{number}.nrrd"))
        entries.append({"name": f"Doe {number}", "image": f"Doe_{number}.nrrd", "role": "unlabeled"})
    labels = sitk.GetImageFromArray((array > 110).astype(np.uint8))
    labels.CopyInformation(image)
    sitk.WriteImage(labels, str(tmp_path / "labels.nrrd"))
    entries[-1] |= {"role": "labeled", "labels": "labels.nrrd"}
    classes = {str(n): name for n, name in enumerate(("right ventricle", "myocardium", "left ventricle"), 1)}
    (tmp_path / "cases.json").write_text(json.dumps({"classes": classes, "cases": entries}))
    return tmp_path


def test_the_command_names_cases_on_the_screen_and_numbers_them_for_programs(folder):
    command = [sys.executable, "-m", "cmaformer", "next", "--cases", str(folder / "cases.json")]
    command += ["--model", str(folder / "tiny-1.0.0"), "--device", "cpu"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert text.splitlines()[0].startswith("  1. Doe ") and "least sure of" in text and len(text.splitlines()) == 3
    done = subprocess.run([*command, "--json", "--count", "2"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)["suggestions"]
    assert [one["rank"] for one in found] == [1, 2] and "Doe" not in done.stdout
    assert {one["cases"][0] for one in found} < {1, 2, 3} and 0 < found[0]["expected_dice"] < 1


def test_a_list_without_unlabeled_cases_is_refused(folder):
    content = json.loads((folder / "cases.json").read_text())
    content["cases"] = content["cases"][-1:]
    (folder / "cases.json").write_text(json.dumps(content))
    with pytest.raises(CasesError, match="no unlabeled cases"):
        next_cases(read_cases(folder / "cases.json"), load_model(folder / "tiny-1.0.0"), "cpu")
