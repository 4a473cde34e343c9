"""The list of cases: what is read, and what is said when it is wrong."""

from __future__ import annotations

import json

import pytest
from trainingdata import write_cases

from cmaformer.cases.case_list import CasesError
from cmaformer.cases.reading import read_cases


def test_reads_roles_structures_and_paths_relative_to_the_file(tmp_path):
    cases = read_cases(write_cases(tmp_path, ["labeled", "unlabeled", "held-out"]))
    assert [(s.value, s.name) for s in cases.structures] == [(1, "ring"), (2, "disc")]
    assert cases.structures[1].color == (1, 2, 3)
    assert [case.role for case in cases.cases] == ["labeled", "unlabeled", "held-out"]
    assert all(case.image.is_file() for case in cases.cases)
    assert [case.labels is None for case in cases.cases] == [False, True, False]
    assert cases.cases[0].patient == cases.cases[0].name


@pytest.mark.parametrize(
    ("change", "code", "word"),
    [
        (lambda c: c.pop("cases"), "bad-cases", "cases"),
        (lambda c: c.update(classes={}), "bad-cases", "classes"),
        (lambda c: c.update(classes={"0": "liver"}), "bad-cases", "'0'"),
        (lambda c: c.update(classes={"1": "liver", "3": "tumour"}), "bad-cases", "gaps"),
        (lambda c: c.update(classes={"1": {"color": [0, 0, 0]}}), "bad-cases", "no name"),
        (lambda c: c["cases"][0].pop("image"), "bad-cases", "case 1"),
        (lambda c: c["cases"][0].update(image="gone.nrrd"), "no-image", "gone.nrrd"),
        (lambda c: c["cases"][0].update(labels="gone.nrrd"), "no-labels", "gone.nrrd"),
        (lambda c: c["cases"][0].update(labels=None), "no-labels", "Doe^Jane 0"),
        (lambda c: c["cases"][0].update(role="test"), "bad-cases", "'test'"),
        (lambda c: c["cases"][1].update(name="Doe^Jane 0"), "doubled-case", "twice"),
        (lambda c: [case.update(patient="one") for case in c["cases"]], "patient-in-two-roles", "held out"),
        (lambda c: c["cases"][0].update(role="unlabeled"), "no-labeled-case", "labeled"),
    ],
)
def test_faults_name_the_case_and_the_mend(tmp_path, change, code, word):
    path = write_cases(tmp_path, ["labeled", "unlabeled", "held-out"])
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(CasesError) as caught:
        read_cases(path)
    assert caught.value.code == code
    assert word in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(CasesError, match=r"none\.json cannot be read"):
        read_cases(tmp_path / "none.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(CasesError, match="not valid JSON"):
        read_cases(tmp_path / "broken.json")
