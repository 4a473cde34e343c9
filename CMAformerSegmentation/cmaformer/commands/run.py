"""The command ``run``: do one job folder and leave."""

from __future__ import annotations

import argparse

from ..models.installed import model_folders
from .console import CANCELLED, FAILED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m cmaformer run``."""
    parser.add_argument("job", metavar="JOB", help="folder with a job.json")
    parser.add_argument("--models", action="append", default=[], metavar="DIR", help="folder of model folders")


def run(options: argparse.Namespace) -> int:
    """Do one job folder; EngineErrors go to the caller. Returns the exit code."""
    from ..images.volume import quiet
    from ..segmenting.network_cache import NetworkCache
    from ..segmenting.worker import run_job

    quiet()
    outcome = run_job(options.job, model_folders(options.models), NetworkCache())
    return {"finished": 0, "cancelled": CANCELLED}.get(outcome, FAILED)
