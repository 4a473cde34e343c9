"""What the hard tests share: they count what they try, for the table of README.md (`make hard`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_ENGINE = Path(__file__).resolve().parents[1] / "engine"
if str(_ENGINE) not in sys.path:
    sys.path.insert(0, str(_ENGINE))  # the phantoms and tiny models of the engine's tests

# `make hard` tries more, and writes what became of it here.
TALLY = os.environ.get("HARD_TALLY", "")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tiny networks are faster on one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tally() -> Callable[[str, str], None]:
    """Counts one try of a kind, with one of the outcomes in `table.py`."""

    def count(kind: str, outcome: str) -> None:
        if TALLY:
            with open(TALLY, "a", encoding="utf-8") as file:
                file.write(f"{kind}\t{outcome}\n")

    return count
