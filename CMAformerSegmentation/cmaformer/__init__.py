"""CMAformer: medical image segmentation with a cross-attention network, without Slicer and without Qt.

Importing the package is cheap; PyTorch is loaded when one of the names below is first used.

    import cmaformer
    model = cmaformer.load_model("Resources/Models/cardiac-cine-mr-1.4.0")
    result = cmaformer.segment("heart.nrrd", model)
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

# `python -m cmaformer` looks for modules in the working directory first: a random.py or torch.py of the user's there
# would be taken for Python's own. The package itself is found where it was found.
_beside = sys.argv[:1] == ["-m"] and sys.path[:1] in ([""], [os.getcwd()])
if _beside and os.path.dirname(os.path.dirname(os.path.abspath(__file__))) != os.getcwd():
    del sys.path[0]

from .door.version import __version__  # noqa: E402 - the search path first

# name -> module that defines it; loaded on first use so that `import cmaformer` stays free of torch
_LAZY = {
    "load_model": "models.model",
    "find_models": "models.model",
    "save_model": "models.model",
    "segment": "segmenting.segment",
    "train": "training.work",
    "evaluate": "segmenting.evaluate",
    "read_volume": "images.volume",
    "write_label_map": "images.volume",
    "Watcher": "door.watcher",
    "Geometry": "images.geometry",
    "Volume": "images.geometry",
    "CMAformer": "network.cmaformer",
    "NetworkConfig": "network.cmaformer",
    "configuration": "network.cmaformer",
    "EngineError": "door.errors",
    "ModelError": "door.errors",
    "ImageError": "door.errors",
    "JobError": "door.errors",
    "CancelledError": "door.errors",
}

__all__ = ["__version__", *_LAZY]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
