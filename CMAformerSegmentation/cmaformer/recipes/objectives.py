"""Settings of the terms of the objective that learn from unlabeled patches: Eq. (3) and Eq. (4)."""

from __future__ import annotations

from dataclasses import dataclass

SOLVERS = ("alm", "penalty", "log-barrier")


@dataclass(frozen=True)
class ConstraintSettings:
    """How the constraints are enforced.

    The multipliers that a solution needs are about 0.3 in the toy problem of the tests. There, with batches and an
    average, a rho of 1 and dual steps of 0.3 and more swing around the solution, and these defaults settle.

    Attributes:
        solver: "alm", the augmented Lagrangian (Powell, Hestenes, Rockafellar) with dual steps; "penalty", its
            quadratic part alone; "log-barrier", the extension of Kervadec et al. (arXiv 1904.04205).
        rho: weight of the quadratic part ("alm" and "penalty").
        dual_rate: step of the multipliers, per violation ("alm").
        every: calls of ``Constraints.dual_step`` per dual step, or per growth of the barrier's t.
        warm_up: calls during which multipliers and t rest.
        ema: decay of the average of g over batches.
        multiplier_max: largest multiplier, and largest t (which is the barrier's steepest slope).
        spread: k, standard deviations of the teacher that a probability may differ from its mean.
        slack: eps, part of a class' area that may lie beyond the bounds.
        temperature: below 1, q is measured on sharpened probabilities, which diffuse low ones cannot satisfy.
        barrier_start, barrier_growth: first t of the barrier, and its factor at each growth. Where t is below
            1 / sqrt(2 d), the tangents of both sides of the size cancel, and nothing is enforced.
    """

    solver: str = "alm"
    rho: float = 0.3
    dual_rate: float = 0.05
    every: int = 25
    warm_up: int = 0
    ema: float = 0.95
    multiplier_max: float = 10.0
    spread: float = 2.0
    slack: float = 0.05
    temperature: float = 1.0
    barrier_start: float = 5.0
    barrier_growth: float = 1.1

    def __post_init__(self) -> None:
        if self.solver not in SOLVERS:
            raise ValueError(f"solver must be one of {', '.join(SOLVERS)}, not {self.solver!r}")
        if min(self.rho, self.dual_rate, self.multiplier_max, self.temperature, self.barrier_start) <= 0:
            raise ValueError("rho, dual_rate, multiplier_max, temperature and barrier_start must be positive")
        if self.every < 1 or self.warm_up < 0 or not 0 <= self.ema < 1 or self.barrier_growth < 1:
            raise ValueError("every and barrier_growth must be at least 1, warm_up at least 0, and ema in [0, 1)")
        if self.spread < 0 or self.slack < 0:
            raise ValueError("spread and slack must not be negative")


@dataclass(frozen=True)
class ContrastSettings:
    """How much is compared with what.

    Attributes:
        grid: G, cells on each side of a slice (or patch).
        width: D, length of a projected vector.
        temperature: tau.
        anchors: most anchors a step, at least half of them at boundaries; with `bank`, this bounds the memory.
        bank: vectors in the memory bank.
        enqueued: most vectors that a step adds to the bank; few, so that the bank holds many steps.
        boundary: |SDM| of the teacher below which a cell holds a boundary.
        near: slices of the same case up to this many apart are too alike to be negatives.
        least: an anchor with fewer negatives is skipped.
    """

    grid: int = 8
    width: int = 64
    temperature: float = 0.2
    anchors: int = 256
    bank: int = 2048
    enqueued: int = 64
    boundary: float = 0.1
    near: int = 2
    least: int = 8

    def __post_init__(self) -> None:
        if min(self.grid, self.width, self.enqueued, self.least) < 1 or self.anchors < 2 or self.near < 0:
            raise ValueError("grid, width, enqueued and least must be at least 1, anchors at least 2, near at least 0")
        if not 1024 <= self.bank <= 4096:
            raise ValueError(f"bank must lie in 1024 to 4096, not {self.bank}")
        if not 0 < self.temperature <= 1 or not 0 < self.boundary < 1:
            raise ValueError("temperature must lie in (0, 1] and boundary in (0, 1)")
