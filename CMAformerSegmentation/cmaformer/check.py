"""The command ``check``: the pre-flight report of a list of cases, as a table for people or as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from .cases import parse
from .findings import ERROR, NOTE, WARNING, Report
from .installed import open_model
from .preflight import DEFAULT_INPUT, check


def table(report: Report, names: dict[int, str] | None = None) -> str:
    """The report as text.

    Args:
        report: what was found.
        names: the user's own names of the cases, by number, for a screen of the user.
    """
    names = names or {}
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
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines.append("")
    for finding in report.findings:
        name = names.get(finding.case or 0)
        about = "" if finding.case is None else f"case {finding.case}{f' ({name})' if name else ''}: "
        lines.append(f"{finding.severity:<8} {about}{finding.message} {finding.hint} [{finding.code}]")
    counts = [f"{len(report.of_severity(kind))} {kind}s" for kind in (ERROR, WARNING, NOTE)]
    lines.append(", ".join(counts))
    if report.needs:
        disk, memory = report.needs["disk_mb"], report.needs["memory_mb"]
        lines.append(f"About {disk:.0f} MB of disk for the slices, {memory:.0f} MB of memory to prepare them.")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m cmaformer check``."""
    parser.add_argument("--cases", type=Path, required=True, help="a cases.json, or a folder with a dataset.json")
    parser.add_argument("--base", metavar="MODEL", help="id or folder of the model to start from")
    parser.add_argument("--models", action="append", default=[], metavar="DIR", help="further folder of model folders")
    parser.add_argument("--window", type=float, nargs=2, metavar="HU", help="CT window that will be used")
    parser.add_argument("--slicing", default="acquired", choices=("acquired", "axial"))
    parser.add_argument("--job", type=Path, help="folder of the training to come, to see whether its disk has space")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Run the command; EngineErrors go to the caller. Returns the exit code: 1 if there are errors."""
    from .volume import quiet

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done}/{total} cases", end="\n" if done == total else "", file=sys.stderr, flush=True)

    quiet()
    base = open_model(args.base, args.models) if args.base else None
    model_input = dict(base.description["input"]) if base else {**DEFAULT_INPUT, "slicing": args.slicing}
    if args.window and base is None:
        model_input["normalization"] = {"type": "window", "low": args.window[0], "high": args.window[1]}
    report = check(args.cases, model_input, base, args.job, progress)
    if args.json:
        print(json.dumps(report.to_dict()))
    else:
        names = {number: case.name for number, case in parse(args.cases).cases.items()}
        print(table(report, names))
    return 0 if report.ok else 1
