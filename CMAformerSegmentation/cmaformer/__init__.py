"""CMAformer: medical image segmentation with a cross-attention network, without Slicer and without Qt.

Importing the package is cheap; PyTorch is loaded when one of the names below is first used.

    import cmaformer
    model = cmaformer.load_model("Resources/Models/cardiac-cine-mr-1.3.0")
    result = cmaformer.segment("heart.nrrd", model)
"""

from __future__ import annotations

import sys
import types
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# name -> module that defines it; loaded on first use so that `import cmaformer` stays free of torch
_LAZY = {
    "load_model": "model",
    "find_models": "model",
    "save_model": "model",
    "segment": "segment",
    "train": "train",
    "evaluate": "evaluate",
    "read_volume": "volume",
    "write_label_map": "volume",
    "Geometry": "volume",
    "Volume": "volume",
    "CMAformer": "network",
    "NetworkConfig": "network",
    "configuration": "network",
    "EngineError": "errors",
    "ModelError": "errors",
    "ImageError": "errors",
    "JobError": "errors",
    "CancelledError": "errors",
}

__all__ = ["__version__", *_LAZY]


class _Package(types.ModuleType):
    """The package module: `cmaformer.segment` stays the function although a submodule has the same name.

    The import system binds a submodule as an attribute of its package, which would replace the function of the same
    name as soon as anything imports `cmaformer.segment` the module; that binding is refused for the public names.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _LAZY and isinstance(value, types.ModuleType):
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
