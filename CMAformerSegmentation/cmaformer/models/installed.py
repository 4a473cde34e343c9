"""Which models are installed, and where."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import Model


def model_folders(extra: Sequence[str] = ()) -> list[Path]:
    """Folders of model folders, in the order they are searched: the given ones, then those shipped with this package.

    Shipped models lie in ``Resources/Models`` beside the package (an installed module), one level up (a checkout), in
    the package ``cmaformer_models`` beside this one (an installed wheel), or in the share folder of an extension.
    """
    here = Path(__file__).resolve().parents[1]
    candidates = [parent / "Resources" / "Models" for parent in here.parents[:2]]
    candidates.append(here.parent / "cmaformer_models")
    for parent in here.parents[:5]:
        candidates += sorted((parent / "share").glob("*/CMAformer*/Resources/Models"))
        candidates += sorted((parent / "share").glob("CMAformer*/Resources/Models"))
    # A given folder may appear later, when the first model is trained while a worker runs.
    return [Path(folder) for folder in extra] + [folder for folder in candidates if folder.is_dir()]


def open_model(name: str, extra: Sequence[str] = ()) -> Model:
    """A Model from its folder or its id. Raises ModelError."""
    from .model import find_model, load_model

    if Path(name).is_dir() or "/" in name or os.sep in name:
        return load_model(name)
    return find_model(model_folders(extra), name)
