"""How many cases are generated: many by `make hard`, few by `make test`; always the same ones."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

HARD = bool(os.environ.get("HARD_TALLY"))
MANY = settings(
    max_examples=400 if HARD else 25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
