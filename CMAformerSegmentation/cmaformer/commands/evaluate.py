"""The command ``evaluate``: compare label maps with the truth."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..door.files import replaced
from ..models.installed import open_model
from .case_arguments import add_arguments as add_case_arguments
from .case_arguments import cases_of, task_of

if TYPE_CHECKING:
    from ..segmenting.evaluate import Evaluation


def table(evaluation: Evaluation) -> str:
    """Mean and spread of each structure as text."""
    from ..segmenting.evaluate import MEASURES

    width = max(len(row["structure"]) for row in evaluation.summary())
    lines = [f"{'':<{width}}  {'Dice':>15}  {'HD95 mm':>15}  {'ASSD mm':>15}  cases"]
    for row in evaluation.summary():
        cells = []
        for measure, digits in zip(MEASURES, (4, 2, 2)):
            value = row[measure]
            known = value["mean"] is not None
            cells.append(f"{value['mean']:.{digits}f} ± {value['std']:.{digits}f}" if known else "undefined")
        lines.append(f"{row['structure']:<{width}}  " + "  ".join(f"{c:>15}" for c in cells) + f"  {row['dice']['n']}")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m cmaformer evaluate``."""
    add_case_arguments(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", help="id or folder of a model that segments the cases now")
    source.add_argument("--predictions", type=Path, help="folder with one label map a case, named as the case")
    parser.add_argument("--models", action="append", default=[], metavar="DIR", help="further folder of model folders")
    parser.add_argument(
        "--role", default="held-out", choices=("held-out", "labeled"), help="which cases (default: held-out)"
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps")
    parser.add_argument("--csv", type=Path, help="write every number into a CSV file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Run the command; EngineErrors go to the caller. Returns the exit code."""
    from ..segmenting.evaluate import MEASURES, evaluate

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done}/{total} cases", end="\n" if done == total else "", file=sys.stderr, flush=True)

    model = open_model(args.model, args.models) if args.model else None
    task = task_of(args)
    unions = task.unions if task else None
    cases = cases_of(args, task, training=False)
    evaluation = evaluate(cases, model, args.predictions, args.role, args.device, progress, unions)
    if args.csv:
        with replaced(args.csv) as part, open(part, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["case", "structure", *MEASURES])
            writer.writeheader()
            writer.writerows(evaluation.rows())
    if args.json:
        print(json.dumps({"summary": evaluation.summary(), "cases": evaluation.rows()}))
    else:
        print(table(evaluation))
    return 0
