"""What a description may say at most, so that a damaged or hostile one costs a line of text and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .errors import ModelError
from .names import MODEL

LONGEST_NAME = 200
# Levels of objects and lists within each other.
DEEPEST = 20
# Lowest and highest value of the whole numbers of a network (see cmaformer.network.cmaformer.NetworkConfig).
_NUMBERS = {
    "in_channels": (1, 65),
    "classes": (2, 256),
    "heads": (1, 64),
    "depth": (0, 24),
    "pooled": (1, 64),
    "bottleneck_stride": (16, 32),
    "cross_head_width": (0, 1024),
}
_WORDS = ("layout", "norm", "cross_sources")
_WIDEST = 1024


def check_numbers(data: Any) -> None:
    """Raise ModelError if nested JSON values hold a number that is not finite, or are too deep; never recurses."""
    rest = [(data, 0)]
    while rest:
        value, level = rest.pop()
        if level > DEEPEST:
            raise fault(f"has more than {DEEPEST} levels")
        if isinstance(value, float) and not math.isfinite(value):
            raise fault("holds a number that is not finite")
        if isinstance(value, int) and abs(value) > 2**63:
            raise fault("holds a number that is too large")
        entries = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
        rest += [(entry, level + 1) for entry in entries]


def check_network(network: Mapping[str, Any]) -> None:
    """Raise ModelError if a setting of the network is of the wrong kind or too large to be one."""
    for name, value in network.items():
        if name == "widths":
            good = isinstance(value, (list, tuple)) and len(value) == 6 and all(_within(v, 1, _WIDEST) for v in value)
            wanted = f"six whole numbers from 1 to {_WIDEST}"
        elif name in _NUMBERS:
            good = _within(value, *_NUMBERS[name])
            wanted = "a whole number from {} to {}".format(*_NUMBERS[name])
        elif name in _WORDS:
            good, wanted = isinstance(value, str), "a text"
        else:
            good, wanted = isinstance(value, bool), "true or false"
        if not good:
            shown = repr(value)
            raise fault(f'"network.{name}" must be {wanted}, not {shown if len(shown) < 60 else "that"}')


def fault(what: str) -> ModelError:
    """The error of a description that cannot be used."""
    return ModelError("bad-model-json", f"{MODEL}: {what}." if what.startswith('"') else f"{MODEL} {what}.")


def _within(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
