"""The command ``train``: its arguments, and the job that they describe."""

from __future__ import annotations

import argparse
import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..cases.case_list import CasesError
from ..cases.split import SHARE
from ..door import job as jobs
from ..door.errors import EngineError, JobError
from ..door.names import EVENTS, JOB, LOG, PREFLIGHT
from ..door.slicing import SLICINGS
from ..models.installed import open_model
from ..preflight.report import PreflightError
from ..recipes.presets import PAPER_NETWORK, PRESETS, preset
from ..recipes.recipe import CONSTRAINTS, OPTIMIZERS, SECOND_PHASE, changed, configured, settings_of
from .case_arguments import add_arguments as add_case_arguments
from .case_arguments import apply_task, window_of
from .console import json_object


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m cmaformer train``, in groups."""
    start = parser.add_mutually_exclusive_group(required=True)
    add_case_arguments(parser, start)
    start.add_argument("--resume", type=Path, metavar="JOB", help="go on with the training of a job folder")
    parser.add_argument("--job", type=Path, help="new folder for the work (with --cases)")
    parser.add_argument("--name", help="name of the new model (with --cases)")
    _add_case_choices(parser.add_argument_group("cases"))
    _add_model_choices(parser.add_argument_group("the new model"))
    _add_length(parser.add_argument_group("length"))
    _add_recipe(parser.add_argument_group("recipe"))
    _add_computer(parser.add_argument_group("computer"))


def _add_case_choices(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--held-out", type=share, default=SHARE, metavar="SHARE", help="of the patients, if the list names none (0.2)"
    )
    group.add_argument("--labeled", type=int, metavar="N", help="use the labels of the first N training patients alone")
    group.add_argument("--skip-broken", action="store_true", help="leave out the cases that have errors, and name them")
    group.add_argument(
        "--leave-one-out", action="store_true", help="also train without each labeled patient, to test on that one"
    )


def _add_model_choices(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--base", metavar="MODEL", help="id or folder of a model to start from")
    group.add_argument("--models", action="append", default=[], metavar="DIR", help="further folder of model folders")
    group.add_argument("--size", default="small", choices=("small", "base", "large"), help="network, without --base")
    group.add_argument(
        "--network", type=json_object, metavar="JSON", help='other settings of it: {"transformer": true}'
    )
    group.add_argument("--spacing", type=float, nargs=2, metavar="MM", help="in-plane spacing, without --base")
    group.add_argument(
        "--slicing",
        choices=tuple(SLICINGS),
        help="default: that of --base; orthogonal for small volumes with voxels of equal sides, else oriented",
    )
    group.add_argument("--context", type=int, default=0, help="neighboring slices on each side as channels")
    group.add_argument("--window", type=float, nargs=2, metavar="HU", help="CT window (default: percentiles)")
    group.add_argument(
        "--keep-largest", type=int, nargs="*", metavar="VALUE", help="clean-up of classes (default: that of --base)"
    )
    group.add_argument(
        "--keep-together",
        type=int,
        nargs="*",
        metavar="VALUE",
        help="classes that touch: only their largest part stays",
    )
    group.add_argument("--finds", metavar="TEXT", help="what the new model finds, in words")
    for fact in ("title", "modality", "description", "license"):
        group.add_argument(f"--{fact}", help=f"{fact} of the new model")


def _add_length(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--iterations", type=int, help="steps of the supervised phase")
    group.add_argument(
        "--semi-iterations", type=int, help="then this many with unlabeled cases, if any (default: half of the others)"
    )
    group.add_argument(
        "--minutes", type=float, help="train for so many minutes, however many steps that are (with --resume: from now)"
    )


def _add_recipe(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--preset", default="default", choices=tuple(PRESETS), help="settings to start from; all others change them"
    )
    group.add_argument("--recipe", type=Path, help="a JSON file with settings of the recipe")
    group.add_argument("--batch-size", type=int, help="labeled patches a step, and as many unlabeled ones")
    group.add_argument("--patch", type=int, help="side of the square patches in pixels of the model's grid")
    group.add_argument("--learning-rate", type=float, help="the highest (default: a quarter of it with --base)")
    group.add_argument("--optimizer", choices=OPTIMIZERS, help="AdamW, or SGD with Nesterov momentum")
    group.add_argument("--constraint", choices=CONSTRAINTS, help="solver of Eq. (3)")
    group.add_argument("--contrast-weight", type=float, help="weight of Eq. (4); 0 leaves it out")
    group.add_argument("--evaluate-every", type=int, help="iterations between two evaluations of the held-out cases")
    group.add_argument("--seed", type=int, default=0, help="of weights, batches and augmentation (default 0)")


def _add_computer(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="where to train")
    group.add_argument("--prepare-only", action="store_true", help="prepare the job folder, and train it elsewhere")


def share(text: str) -> float:
    """A share of patients to hold out, for argparse. Raises ValueError if it is not in [0, 1)."""
    value = float(text)
    if not 0 <= value < 1:
        raise ValueError(text)
    return value


def create_or_tell(args: argparse.Namespace) -> None:
    """Create the job; if that fails, its folder says why to those who watch it, with the cases by number alone.

    Only in a folder that was there before, as somebody makes it who will watch it: else nothing is written.
    """
    watched = args.job.is_dir() and not (args.job / JOB).exists()
    try:
        _create_from(args)
    except EngineError as error:
        if watched:
            told = error
            if isinstance(error, CasesError):  # it may name a case
                told = CasesError(error.code, "The list of cases cannot be used.", "The log tells why.")
            with suppress(OSError):
                if isinstance(error, PreflightError) and error.report is not None:
                    error.report.save(args.job / PREFLIGHT)
                jobs.Events.of_job(args.job).error(told)
        raise


def _create_from(args: argparse.Namespace) -> None:
    from ..training.choices import Choices
    from ..training.plan import TrainingPlan
    from ..training.suggestion import Suggestion, completed, suggested

    task = apply_task(args)
    settings = settings_of(args.recipe)
    names = ["optimizer", "iterations", "semi_iterations", "constraint", "contrast_weight"]
    names += ["batch_size", "patch", "learning_rate", "evaluate_every"]
    settings.update({name: getattr(args, name) for name in names if getattr(args, name) is not None})
    base = open_model(args.base, args.models) if args.base else None
    recipe = task.recipe(preset(args.preset)) if task else preset(args.preset)
    recipe = configured(recipe, settings, base)
    facts = {name: getattr(args, name) for name in ("title", "modality", "description", "license")}
    facts["task"] = args.finds
    choices = Choices(
        size=args.size,
        network={**PAPER_NETWORK, **(args.network or {})} if args.preset == "paper" else args.network,
        spacing_mm=args.spacing,
        slicing=args.slicing,
        normalization=window_of(args),
        context_slices=args.context,
        largest_component=args.keep_largest,
        together=args.keep_together,
        recipe=recipe,
        seed=args.seed,
        facts={name: value for name, value in facts.items() if value},
        leave_one_out=args.leave_one_out,
        minutes=args.minutes,
    )
    # Reading images needs SimpleITK, which a computer that trains a prepared job may not have.
    from .check import checked_cases

    case_list, report = checked_cases(args, task, base, choices)
    if "semi_iterations" not in settings and not recipe.semi_iterations and case_list.with_role("unlabeled"):
        recipe = changed(recipe, {"semi_iterations": round(SECOND_PHASE * recipe.iterations)})
    if base is None:  # the images have been read; what they suggest is known
        free = task is None or task.spacing_mm is None
        found = suggested(report) if free else Suggestion({}, report.spacing_mm)
        if "patch" not in settings:
            recipe = changed(recipe, completed(settings, found.settings))
        slicing = args.slicing or found.slicing
        if slicing != args.slicing and "disk_mb" in report.needs:  # each case is cut as often
            disk = len(SLICINGS[slicing or ""]) * report.needs["disk_mb"]
            report = replace(report, needs={**report.needs, "disk_mb": disk})
        choices = replace(choices, spacing_mm=args.spacing or found.spacing_mm, slicing=slicing)
    plan = TrainingPlan.of(case_list, args.name, base, replace(choices, recipe=recipe))
    job = plan.write(args.job)
    report.save(job.folder / PREFLIGHT)


def _clear(folder: Path, created: bool) -> None:
    """Take away a job that has not begun; in a folder that was there before, what was told of it stays."""
    for path in [] if created else folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in (EVENTS, LOG, PREFLIGHT):
            path.unlink()
    if created:
        shutil.rmtree(folder)


def run(args: argparse.Namespace) -> int:
    """Run the command; EngineErrors go to the caller. Returns the exit code."""
    # PyTorch takes seconds to load, and `--help` needs none of it.
    from ..parallel import processes
    from ..training.schedule import TOO_LITTLE
    from ..training.work import work

    if args.resume is not None:
        if args.minutes is not None and not args.minutes > 0:
            raise JobError("bad-recipe", "A training needs more than 0 minutes.")
        folder, minutes = args.resume, args.minutes
    else:
        if args.job is None or args.name is None:
            print("train: --cases needs --job and --name", file=sys.stderr)
            return 2
        folder, minutes = args.job, None
    created = not folder.exists()
    with processes.session(args.device) as device:
        if args.resume is None:
            processes.on_rank_zero(lambda: create_or_tell(args))
        try:
            result = work(folder, device, prepare_only=args.prepare_only, minutes=minutes)
        except JobError as error:
            if error.code == TOO_LITTLE and args.resume is None and processes.is_rank_zero():
                _clear(folder, created)  # so that the same command with more minutes works
            raise
        if processes.is_rank_zero():
            print(result)
    return 0
