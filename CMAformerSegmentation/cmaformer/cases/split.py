"""Which patients are held out, where the list of cases does not say so: a function of the cases alone."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from .case_list import Case, CaseList, CasesError

SHARE = 0.2
# With fewer labeled patients nobody is held out: each of them is needed more for the training.
FEWEST_PATIENTS = 5


def draw(case_list: CaseList, share: float = SHARE) -> CaseList:
    """Hold out a share of the labeled patients, with all their images.

    The patients with the smallest hashes of their names are drawn, so the same cases always give the same split,
    whatever their order, and a patient who is added later moves few others to the other side. Patients who also have
    unlabeled images are drawn last; those images are then left out, for the model must not see them.

    Args:
        case_list: the cases; returned as they are if one is held out already, or with fewer than five labeled patients.
        share: of the labeled patients, in [0, 1): rounded, at least one and at most half of them; 0 holds out nobody.

    Raises:
        ValueError: the share is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise ValueError(f"the share of held-out patients must lie in [0, 1), not {share}")
    labeled = {case.patient for case in case_list.with_role("labeled")}
    if share == 0 or len(labeled) < FEWEST_PATIENTS or case_list.with_role("held-out"):
        return case_list
    unlabeled = {case.patient for case in case_list.with_role("unlabeled")}
    ranked = sorted(labeled, key=lambda patient: (patient in unlabeled, _hash(patient), patient))
    count = min(max(1, int(share * len(ranked) + 0.5)), len(ranked) // 2)
    held_out = set(ranked[:count])

    def placed(case: Case) -> Case | None:
        if case.patient not in held_out:
            return case
        return replace(case, role="held-out") if case.role == "labeled" else None

    return replace(case_list, cases=tuple(case for case in map(placed, case_list.cases) if case is not None))


def _hash(patient: str) -> str:
    return hashlib.sha256(patient.encode("utf-8", "surrogatepass")).hexdigest()


def keep_labels(case_list: CaseList, patients: int) -> CaseList:
    """The list with the labels of its first patients alone; the further labeled cases become unlabeled.

    This is how semi-supervised learning is measured: the same cases, of which only some show their labels. Held-out
    cases stay. The order is that of the list, so it is the same at every run, and fewer labels are a part of more.

    Raises:
        CasesError: fewer patients have labels, or none is to keep them.
    """
    labeled = list(dict.fromkeys(case.patient for case in case_list.with_role("labeled")))
    if not 1 <= patients <= len(labeled):
        raise CasesError(
            "too-few-labels",
            f"The labels of {patients} patients cannot be kept; the list has {len(labeled)} labeled patients.",
            "Choose a number from 1 to that.",
        )
    hidden = set(labeled[patients:])
    cases = [
        replace(case, labels=None, role="unlabeled") if case.role == "labeled" and case.patient in hidden else case
        for case in case_list.cases
    ]
    return replace(case_list, cases=tuple(cases))
