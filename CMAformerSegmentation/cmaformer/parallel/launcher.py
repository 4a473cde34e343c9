"""Whether ``torchrun`` has started this process with others, by the variables that it sets."""

from __future__ import annotations

import os

# Of one of several processes; those of the rendezvous are there only where a launcher runs.
PLACE, RENDEZVOUS = ("RANK", "WORLD_SIZE"), ("MASTER_ADDR", "MASTER_PORT")


def own_place() -> tuple[int, int]:
    """Number of this process and of all that were started together; (0, 1) for one alone."""
    if not all(name in os.environ for name in (*PLACE, *RENDEZVOUS)):
        return 0, 1
    try:
        number, count = (int(os.environ[name]) for name in PLACE)
    except ValueError:
        return 0, 1
    return (number, count) if 0 <= number < count else (0, 1)


def leftovers() -> list[str]:
    """Variables of a launcher that are set although none has started this process; they count for nothing."""
    there = [name for name in PLACE if name in os.environ]
    return there if there and not all(name in os.environ for name in RENDEZVOUS) else []
