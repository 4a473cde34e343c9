"""The command ``next``: which of the unlabeled cases to label next, and why."""

from __future__ import annotations

import argparse
import json

from ..cases.case_list import CasesError
from ..models.installed import open_model
from .case_arguments import add_arguments as add_case_arguments
from .case_arguments import cases_of, parsed_of, task_of
from .console import ProgressBar, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m cmaformer next``."""
    add_case_arguments(parser)
    parser.add_argument(
        "--model", required=True, metavar="MODEL", help="id or folder of the model that is to get better"
    )
    parser.add_argument("--models", action="append", default=[], metavar="DIR", help="further folder of model folders")
    parser.add_argument("--count", type=positive, metavar="N", help="so many patients (default: all, in their order)")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps")
    parser.add_argument("--json", action="store_true", help="print JSON: cases by their numbers in the list, from 1")


def run(options: argparse.Namespace) -> int:
    """Run the command; EngineErrors go to the caller. Returns the exit code."""
    from ..images.volume import quiet
    from ..segmenting.next_cases import next_cases

    quiet()
    model = open_model(options.model, options.models)
    task = task_of(options)
    if options.json:  # names stay on the screen of the user
        for problem in parsed_of(options, task).problems:
            raise CasesError(problem.code, problem.message, problem.hint)
    cases = cases_of(options, task, training=False)
    with ProgressBar(enabled=not options.json, unit="images") as bar:
        found = next_cases(cases, model, options.device, lambda done, total: bar.show(done, total, None))
    found = found[: options.count]
    if options.json:
        entries = [
            {
                "rank": one.rank,
                "cases": list(one.cases),
                "expected_dice": round(one.expected_dice, 4),
                "least_sure": one.least_sure,
                "least_dice": round(one.least_dice, 4),
                "typical": one.typical,
                "difference": round(one.difference, 4),
                "unlike": None if one.unlike is None else {"structure": one.unlike[0], "larger": one.unlike[1]},
            }
            for one in found
        ]
        print(json.dumps({"type": "next", "suggestions": entries}), flush=True)
        return 0
    for one in found:
        names = ", ".join(cases.cases[number - 1].name for number in one.cases)
        print(f"{one.rank:>3}. {names}: {one.reason()}")
    return 0
