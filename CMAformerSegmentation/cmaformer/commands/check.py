"""The command ``check``: the pre-flight report of a list of cases, as a table or as JSON; ``train`` starts with it."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..cases.case_list import Case, CaseList, CasesError
from ..cases.reading import examine
from ..cases.split import draw, keep_labels
from ..door.input_spec import InputSpec
from ..door.slicing import SLICINGS
from ..door.watcher import Watcher
from ..models.installed import open_model
from ..preflight.report import ERROR, NOTE, WARNING, Report
from ..recipes.presets import preset
from ..recipes.recipe import changed, configured, settings_of
from .case_arguments import add_arguments as add_case_arguments
from .case_arguments import apply_task, cases_of, parsed_of, window_of

if TYPE_CHECKING:
    from ..cases.tasks import Task
    from ..models.model import Model
    from ..training.choices import Choices


def table(report: Report, names: dict[int, str]) -> str:
    """The facts of each case as text, one a line.

    Args:
        report: what was found.
        names: the user's own names of the cases, by number; this is for a screen of the user.
    """
    head = ["case", "role", "size", "spacing mm", "intensity", *report.classes.values()]
    rows = [head]
    for facts in report.cases:
        row = [f"{facts.case} {names.get(facts.case, '')}".strip(), facts.role]
        row.append("x".join(map(str, facts.size)) if facts.size else "?")
        row.append(" x ".join(f"{value:.3g}" for value in facts.spacing_mm) if facts.spacing_mm else "?")
        span = facts.intensity
        row.append(f"{span['min']:.4g} .. {span['max']:.4g}" if span else "?")
        rows.append(row + [str(facts.voxels.get(value, "-")) for value in report.classes])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows)


def summary(report: Report, names: dict[int, str]) -> str:
    """The findings as text, one a line, and what the training needs; ``names`` as for :func:`table`."""
    lines = []
    for finding in report.findings:
        name = names.get(finding.case or 0)
        about = "" if finding.case is None else f"case {finding.case}{f' ({name})' if name else ''}: "
        lines.append(f"{finding.severity:<8} {about}{finding.message} {finding.hint} [{finding.code}]")
    counts = [(len(report.of_severity(kind)), kind) for kind in (ERROR, WARNING, NOTE)]
    lines.append(", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for count, kind in counts))
    if report.needs:
        disk, memory = report.needs["disk_mb"], report.needs["memory_mb"]
        lines.append(f"About {disk:.0f} MB of disk for the slices, {memory:.0f} MB of memory to prepare them.")
    if report.estimate:
        steps, seconds = report.estimate["iterations"], report.estimate["seconds_per_step"]
        lines.append(f"About {steps} iterations fit into the time ({seconds:.2g} s each, {report.estimate['device']}).")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m cmaformer check``."""
    add_case_arguments(parser)
    parser.add_argument("--base", metavar="MODEL", help="id or folder of the model to start from")
    parser.add_argument("--models", action="append", default=[], metavar="DIR", help="further folder of model folders")
    parser.add_argument("--window", type=float, nargs=2, metavar="HU", help="CT window that will be used")
    parser.add_argument("--spacing", type=float, nargs=2, metavar="MM", help="in-plane spacing that will be used")
    parser.add_argument("--slicing", choices=tuple(SLICINGS), help="default: oriented")
    parser.add_argument("--job", type=Path, help="folder of the training to come, to see whether its disk has space")
    parser.add_argument("--minutes", type=float, help="also time a few steps, and say how many fit into a training")
    parser.add_argument("--recipe", type=Path, help="a JSON file with settings of its recipe")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="where to train")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Run the command; EngineErrors go to the caller. Returns the exit code: 1 if there are errors."""
    from ..images.volume import quiet
    from ..preflight.check import check
    from ..training.choices import Choices

    quiet()
    base = open_model(args.base, args.models) if args.base else None
    settings = settings_of(args.recipe)
    recipe = configured(preset(), settings, base)
    parsed = parsed_of(args, apply_task(args))
    choices = Choices(spacing_mm=args.spacing, slicing=args.slicing, normalization=window_of(args))
    report = check(parsed, choices.source(base, parsed.images), base, args.job, Watcher(_progress))
    if args.minutes is not None and report.ok:
        from ..training.suggestion import completed, suggested
        from ..training.trial import estimate

        classes = len(report.classes) + 1
        if base is None:
            recipe = changed(recipe, completed(settings, suggested(report).settings))
        report = replace(report, estimate=estimate(base, classes, recipe, args.minutes, args.device))
    if args.json:
        print(json.dumps(report.to_dict()))
    else:
        names = _names(parsed.cases)
        print(f"{table(report, names)}\n\n{summary(report, names)}")
    return 0 if report.ok else 1


def checked_cases(
    args: argparse.Namespace, task: Task | None, base: Model | None, choices: Choices
) -> tuple[CaseList, Report]:
    """The cases of the command ``train``, looked at before anything is written, and held-out ones drawn.

    The findings are shown on standard error.

    Args:
        args: of the command: "cases", "fold", "held_out", "labeled", "skip_broken", "job".
        task: that they name, if any.
        base: the model to start from.
        choices: of the training.

    Raises:
        PreflightError: there are errors, all of which were shown.
        CasesError: the cases cannot be read for another reason.
    """
    from ..images.volume import quiet
    from ..preflight.check import check

    quiet()
    source = choices.source(base, parsed_of(args, task).images)
    try:
        usable = _without_broken(args, task, base, source) if args.skip_broken else cases_of(args, task)
        # Who is left out in turn need not be held out as well.
        case_list = draw(usable, 0 if args.leave_one_out else args.held_out)
    except CasesError:
        parsed = parsed_of(args, task)
        report = check(parsed, source, base, args.job, Watcher(_progress))
        print(summary(report, _names(parsed.cases)), file=sys.stderr)
        report.raise_errors()
        raise
    if args.labeled is not None:
        case_list = keep_labels(case_list, args.labeled)
    report = check(case_list, source, base, args.job, Watcher(_progress))
    if args.leave_one_out:  # what these notes advise
        kept = [finding for finding in report.findings if finding.code not in ("few-patients", "no-held-out")]
        report = replace(report, findings=tuple(kept))
    print(summary(report, _names(dict(enumerate(case_list.cases, 1)))), file=sys.stderr)
    report.raise_errors()
    return case_list, report


def _without_broken(args: argparse.Namespace, task: Task | None, base: Model | None, source: InputSpec) -> CaseList:
    """The cases that have no error of their own; the others are named on standard error.

    Raises:
        PreflightError: there are errors that concern the whole list.
    """
    from ..preflight.check import check

    parsed = parsed_of(args, task)
    report = check(parsed, source, base, None, Watcher(_progress))
    errors = report.of_severity(ERROR)
    if any(finding.case is None for finding in errors):
        report.raise_errors()
    broken = {finding.case: finding for finding in reversed(errors)}
    names = _names(parsed.cases)
    for number, finding in sorted((number or 0, finding) for number, finding in broken.items()):
        print(f"left out: {names.get(number, f'case {number}')}: {finding.message}", file=sys.stderr)
    if broken:
        print(f"{len(broken)} of {len(report.cases) or len(broken)} cases are left out.", file=sys.stderr)
    kept = tuple(case for number, case in parsed.cases.items() if number not in broken)
    left = replace(parsed.case_list(), cases=kept)
    rest = examine(left)
    for problem in rest.problems:
        raise CasesError(problem.code, problem.named, problem.hint)
    return left


def _names(cases: dict[int, Case]) -> dict[int, str]:
    return {number: case.name for number, case in cases.items()}


def _progress(done: int, total: int, eta_s: float | None) -> None:
    if sys.stderr.isatty():
        print(f"\r{done}/{total} cases", end="\n" if done == total else "", file=sys.stderr, flush=True)
