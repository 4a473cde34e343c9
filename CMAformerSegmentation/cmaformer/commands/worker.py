"""The command ``worker``: do job folders given on standard input, one path a line."""

from __future__ import annotations

import argparse

from ..models.installed import model_folders


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m cmaformer worker``."""
    parser.add_argument("--models", action="append", default=[], metavar="DIR", help="folder of model folders")
    parser.add_argument(
        "--idle-minutes", type=float, default=10.0, help="leave after so long without a job (default 10)"
    )


def run(options: argparse.Namespace) -> int:
    """Serve job folders from standard input. Returns the exit code."""
    from ..images.volume import quiet
    from ..segmenting.worker import serve

    quiet()
    return serve(model_folders(options.models), options.idle_minutes)
