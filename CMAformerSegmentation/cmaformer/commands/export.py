"""The command ``export``: a list of cases as a dataset that other tools read."""

from __future__ import annotations

import argparse
from pathlib import Path

from .case_arguments import add_arguments as add_case_arguments
from .case_arguments import cases_of, task_of
from .console import ProgressBar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m cmaformer export``."""
    add_case_arguments(parser)
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="new folder, Dataset123_Name as for nnU-Net"
    )
    parser.add_argument("--channel", default="MRI", help='what the images are (default: "MRI"; "CT" for CT)')


def run(options: argparse.Namespace) -> int:
    """Run the command; EngineErrors go to the caller. Returns the exit code."""
    from ..cases.dataset_export import export_dataset
    from ..images.volume import quiet

    quiet()
    cases = cases_of(options, task_of(options), training=False)
    with ProgressBar(unit="cases") as bar:
        export_dataset(cases, options.output, options.channel, lambda done, total: bar.show(done, total, None))
    print(f"{len(cases.cases)} cases are in {options.output.name}.")
    if any(case.role == "held-out" for case in cases.cases):
        print("For nnU-Net, copy splits_final.json into its folder nnUNet_preprocessed after preprocessing (fold 0).")
    return 0
