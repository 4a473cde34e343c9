"""Where the cases of a command come from: a list, a dataset of others, or the data of one of the paper's tasks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..cases.case_list import CaseList, CasesError, Parsed, Problem
from ..cases.reading import examine, parse, read_cases
from ..cases.tasks import TASKS, Task


def add_arguments(parser: argparse.ArgumentParser, start: Any = None) -> None:
    """``--cases``, ``--task`` and ``--fold``.

    Args:
        parser: of the command.
        start: a group of the parser that takes ``--cases``, where the command has other beginnings too.
    """
    (start or parser).add_argument(
        "--cases",
        type=Path,
        required=start is None,
        help="a cases.json, or the folder (or dataset.json) of a Decathlon or nnU-Net dataset, or of a --task",
    )
    parser.add_argument("--task", choices=tuple(TASKS), help="data with a published split, as they are handed out")
    parser.add_argument("--fold", type=int, metavar="N", help="hold out fold N of nnU-Net's splits_final.json")


def task_of(args: argparse.Namespace) -> Task | None:
    """The task that ``--task`` names, if any."""
    return TASKS.get(args.task)


def apply_task(args: argparse.Namespace) -> Task | None:
    """Fill in what the task says wherever the arguments themselves say nothing. Returns the task, if any."""
    task = task_of(args)
    settled: dict[str, Any] = {}
    if task is not None:
        is_window = task.normalization["type"] == "window"
        settled = {
            "slicing": task.slicing,
            "spacing": None if task.spacing_mm is None else list(task.spacing_mm),
            "window": [task.normalization["low"], task.normalization["high"]] if is_window else None,
            "title": task.title,
            "finds": task.about,
            "modality": task.modality,
            "network": dict(task.network) or None,
        }
        if getattr(args, "base", None):
            del settled["slicing"], settled["network"]  # those of the base, unless the arguments ask for another
    for name, value in settled.items():
        if getattr(args, name, None) is None:
            setattr(args, name, value)
    return task


def cases_of(args: argparse.Namespace, task: Task | None, training: bool = True) -> CaseList:
    """The cases that the arguments name, for a training or not. Raises CasesError at the first that is wrong."""
    if task is None:
        return read_cases(args.cases, args.fold, training)
    if args.fold is not None:
        raise CasesError("no-split", "A task has a published split and no folds.", "Leave out --task or --fold.")
    return task.read(args.cases)


def parsed_of(args: argparse.Namespace, task: Task | None) -> Parsed:
    """The same with all that is wrong with them."""
    if task is None:
        return parse(args.cases, args.fold)
    try:
        return examine(cases_of(args, task))
    except CasesError as error:
        return Parsed((), {}, (Problem(error.code, None, error.message, error.hint, error.message),))


def window_of(args: argparse.Namespace) -> dict[str, Any] | None:
    """The normalization that ``--window`` asks for, if any."""
    return {"type": "window", "low": args.window[0], "high": args.window[1]} if args.window else None
