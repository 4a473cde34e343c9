"""The command ``inspect``: the card of a model, or the models that are installed."""

from __future__ import annotations

import argparse
import json
import sys

from ..models.installed import model_folders, open_model
from ..models.model import find_models
from .console import model_facts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m cmaformer inspect``."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="id or folder; without it, the installed models")
    parser.add_argument("--models", action="append", default=[], metavar="DIR", help="further folder of model folders")
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line, instead of text")


def run(options: argparse.Namespace) -> int:
    """Show a model's facts and card, or list the models; EngineErrors go to the caller. Returns the exit code."""
    if options.model is not None:
        model = open_model(options.model, options.models)
        print(json.dumps(model.description.to_dict()) if options.json else model_facts(model))
        return 0
    models, problems = find_models(model_folders(options.models))
    for model in models:
        about = model.description
        print(json.dumps(about.to_dict()) if options.json else f"{model.id}  {about.title}: {about.description}")
    for problem in problems:
        print(f"{problem.folder.name}: {problem.error}", file=sys.stderr)
    if not models and not problems:
        print("No models are installed. Give the folder of one, or folders of models with --models.", file=sys.stderr)
    return 0
