"""The pre-flight report: all that is wrong with the cases of a training, before any work is done.

Errors stop a training, warnings and notes do not. Images are read one at a time, so memory does not grow with their
number.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..cases.case_list import Case, CaseList, Parsed
from ..cases.labels import classes_of
from ..cases.reading import examine, parse
from ..door import job as jobs
from ..door.input_spec import InputSpec
from ..door.names import CASES, PREFLIGHT
from ..door.watcher import Watcher
from ..images.grid import grids_of, median_spacing
from .case_facts import CaseCheck, check_case
from .comparison import compare, compare_with_base
from .report import ERROR, MOST_FOR_MEDIAN, NOTE, WARNING, Finding, Report

if TYPE_CHECKING:
    from ..models.model import Model

# A training also writes checkpoints: weights, teacher and optimizer, beside the slices.
CHECKPOINTS_MB = 200.0


def check(
    cases: str | os.PathLike[str] | CaseList | Parsed,
    source: InputSpec | None = None,
    base: Model | None = None,
    folder: Path | None = None,
    watcher: Watcher | None = None,
) -> Report:
    """Look at every case and gather all that is wrong.

    Args:
        cases: what ``read_cases`` takes, or what it or ``parse`` gave.
        source: what the new model will eat; as the base does, or a fresh one, if None.
        base: the model that the training starts from.
        folder: the job folder, there or not; its disk is checked. None: no disk is.
        watcher: is told the number of cases done and in all, and may stop the work before each.

    Raises:
        CancelledError: asked to stop.
    """
    if isinstance(cases, Parsed):
        parsed = cases
    else:
        parsed = examine(cases) if isinstance(cases, CaseList) else parse(cases)
    whole = CaseList(parsed.structures, tuple(parsed.cases.values()), parsed.label_map, parsed.images)
    if source is None:
        source = base.description.input if base else InputSpec.fresh(parsed.images)
    # Where the classes themselves are wrong, every label value would seem to be so too.
    unsure = any(problem.case is None and problem.code == "bad-cases" for problem in parsed.problems)

    def classes_in(case: Case) -> dict[int, int]:
        return {} if unsure else classes_of(case, whole)

    findings = [Finding(ERROR, p.code, p.case, p.message, p.hint) for p in parsed.problems]
    checks: list[CaseCheck] = []
    watched = watcher or Watcher()
    for number, case in parsed.cases.items():
        watched.check()
        checks.append(check_case(number, case, whole, classes_in, source))
        findings += checks[-1].findings
        watched.progress(len(checks), len(parsed.cases), None)
    findings += compare(parsed.cases, checks, () if unsure else parsed.structures, source)
    if base is not None and not unsure:
        findings += compare_with_base(base, parsed.structures)
    spacing = source.spacing_mm or _usual_spacing(checks, source.slicing)
    needs = _needs(checks, len(parsed.structures) + 1, source.slicing, spacing)
    if folder is not None:
        findings += _check_disk(folder, needs["disk_mb"])
    ranks = {ERROR: 0, WARNING: 1, NOTE: 2}
    findings.sort(key=lambda finding: (ranks[finding.severity], finding.case or 0))
    classes = {structure.value: structure.name for structure in parsed.structures}
    chosen = None if spacing is None else (float(spacing[0]), float(spacing[1]))
    return Report(classes, tuple(one.facts for one in checks), tuple(findings), needs, spacing_mm=chosen)


def check_job(job: jobs.Job, events: jobs.Events) -> Report:
    """The pre-flight report of a training's job folder: made once, kept as ``preflight.json``; warnings are told.

    Raises:
        PreflightError: there are errors; the report is in the folder all the same.
        CancelledError: the job was cancelled.
    """
    path = job.folder / PREFLIGHT
    report = _kept(path)
    if report is None or not report.ok:
        report = check(
            job.folder / CASES,
            InputSpec.of(job.parameters["description"]["input"]),
            folder=job.folder,
            watcher=events.watcher(job.folder, "checked cases"),
        )
        report.save(path)
    for finding in report.findings:
        if finding.severity != NOTE:  # notes are for who reads the report
            events.warning(finding.code, str(finding), finding.hint)
    report.raise_errors()
    return report


def _kept(path: Path) -> Report | None:
    try:
        return Report.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


# --- memory and disk --------------------------------------------------------------------------------------------------


def slice_bytes(shape: Sequence[int], classes: int, labeled: bool, images: int = 1) -> int:
    """Bytes of the prepared slices (S, H, W) of a case: float16 an image, and a byte for label and each distance."""
    return int(np.prod(shape)) * (2 * images + (classes if labeled else 0))


def _usual_spacing(checks: Sequence[CaseCheck], slicing: str) -> list[float] | None:
    """The (row, column) spacing of a fresh model: the median of the first labeled images."""
    readable = [(one.facts.role, one.geometry) for one in checks if one.geometry is not None]
    usual = [geometry for role, geometry in readable if role == "labeled"] or [geometry for _, geometry in readable]
    return median_spacing(usual[:MOST_FOR_MEDIAN], slicing) if usual else None


def _needs(
    checks: Sequence[CaseCheck], classes: int, slicing: str, spacing: Sequence[float] | None
) -> dict[str, float]:
    readable = [(one, one.geometry) for one in checks if one.geometry is not None]
    disk, memory = 0, 0
    for one, geometry in readable:
        labeled = bool(one.facts.voxels)
        grids = grids_of(geometry, slicing, spacing)
        for grid in grids[:1] if one.facts.role == "held-out" else grids:
            shape = (grid.count, *grid.model_shape)
            # While a case is prepared: the image as stored and as float32, its slices as float32 (resampled,
            # normalized) and float16, and the distances once as a list and once as an array.
            source = int(np.prod(grid.source_shape)) * grid.count * (one.itemsize + 4 * one.images)
            distances = int(np.prod(shape)) * 2 * (classes - 1) if labeled else 0
            memory = max(memory, source + int(np.prod(shape)) * 10 * one.images + distances)
            disk += slice_bytes(shape, classes, labeled, one.images)
    return {"disk_mb": round(disk / 1e6, 3), "memory_mb": round(memory / 1e6, 3)}


def _check_disk(folder: Path, needed_mb: float) -> list[Finding]:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    prepared = sum(file.stat().st_size for file in (folder / "slices").glob("*.npy")) / 1e6
    free = shutil.disk_usage(there).free / 1e6
    missing = needed_mb - prepared + CHECKPOINTS_MB - free
    if missing <= 0:
        return []
    message = f"The disk of the job folder has {free:.0f} MB free, and the training needs {missing:.0f} MB more."
    return [Finding(ERROR, "disk-full", None, message, "Free some space, or choose a folder on another disk.")]
