"""The split: by patient, the same for the same cases, and never a patient on both sides."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from cmaformer.cases.case_list import Case, CaseList
from cmaformer.cases.reading import examine
from cmaformer.cases.split import draw
from cmaformer.door.description import Structure


def listed(patients: int, frames: int = 1, role: str = "labeled") -> list[Case]:
    """Cases of some patients, each with several images."""
    return [
        Case(f"p{p} frame {f}", Path(f"p{p}{f}.nrrd"), Path("l.nrrd") if role == "labeled" else None, role, f"p{p}")
        for p in range(patients)
        for f in range(frames)
    ]


def case_list(cases: list[Case]) -> CaseList:
    return CaseList((Structure(1, "liver", (0, 0, 0)),), tuple(cases))


def held_out(drawn: CaseList) -> set[str]:
    return {case.patient for case in drawn.with_role("held-out")}


def test_all_images_of_a_patient_are_on_one_side():
    drawn = draw(case_list(listed(20, frames=2)))
    assert len(held_out(drawn)) == 4 and len(drawn.with_role("held-out")) == 8
    assert not held_out(drawn) & {case.patient for case in drawn.with_role("labeled")}
    assert all(p.code != "patient-in-two-roles" for p in examine(drawn).problems)
    assert [case.name for case in drawn.cases] == [case.name for case in listed(20, frames=2)]
    assert draw(drawn) == drawn


def test_depends_on_the_cases_alone_and_moves_few_when_one_is_added():
    cases = listed(20)
    first = held_out(draw(case_list(cases)))
    random.Random(1).shuffle(cases)
    assert held_out(draw(case_list(cases))) == first
    more = held_out(draw(case_list(listed(21))))
    assert len(more) == 4 and len(first & more) >= 3
    folder_moved = [replace(case, image=Path("/elsewhere") / case.image) for case in cases]
    assert held_out(draw(case_list(folder_moved))) == first


@pytest.mark.parametrize(
    ("patients", "share", "count"),
    [(4, 0.2, 0), (5, 0.2, 1), (5, 0.01, 1), (5, 0.9, 2), (8, 0.2, 2), (12, 0.5, 6), (100, 0.25, 25), (100, 0, 0)],
)
def test_at_least_one_and_at_most_half_are_held_out(patients, share, count):
    drawn = draw(case_list(listed(patients, frames=2)), share)
    assert len(held_out(drawn)) == count
    assert len({case.patient for case in drawn.with_role("labeled")}) == patients - count


def test_a_given_split_stays():
    cases = listed(10)
    cases[3] = replace(cases[3], role="held-out")
    assert draw(case_list(cases)) == case_list(cases)


def test_unlabeled_images_are_never_held_out_and_never_of_a_held_out_patient():
    cases = listed(10) + [replace(case, name=f"{case.name} u") for case in listed(40, role="unlabeled")[5:]]
    drawn = draw(case_list(cases), 0.4)
    assert held_out(drawn) <= {f"p{n}" for n in range(5)} and len(held_out(drawn)) == 4
    assert len(drawn.cases) == len(cases)  # who has labeled images alone is drawn first, so none is left out

    cases = listed(10) + [replace(case, name=f"{case.name} u") for case in listed(10, role="unlabeled")]
    drawn = draw(case_list(cases), 0.2)
    assert len(held_out(drawn)) == 2 and len(drawn.with_role("unlabeled")) == 8
    assert not held_out(drawn) & {case.patient for case in drawn.cases if case.role != "held-out"}


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_impossible_shares_are_refused(share):
    with pytest.raises(ValueError, match="share"):
        draw(case_list(listed(10)), share)
