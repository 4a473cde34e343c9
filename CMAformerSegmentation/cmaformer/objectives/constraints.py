"""The constraints of Eq. (3), as an augmented Lagrangian that can be solved.

As printed, p cancels out of the bounds of Eq. (3), both signs minimize slack that is allowed, and the norm term rewards
large weights. What it is meant to be is: minimize the task's loss subject to g_j <= 0, with g, for each foreground
class c with share S_c of the labeled pixels,

    upper bound   E[relu(p_c - mu+_c)] / S_c - eps         mu+- = the teacher's mean +- k standard deviations,
    lower bound   E[relu(mu-_c - p_c)] / S_c - eps                within [0, 1]
    size above    (q_c - S_c (1 + d_c)) / S_c              q_c = mean of the student's softmax over unlabeled pixels
    size below    (S_c (1 - d_c) - q_c) / S_c              d_c = the tolerance of the class
    norm          (|w|^2 - C) / C                          adaptive weight decay

Non-negativity, p >= 0, holds for every softmax, so its multiplier zeta stays 0; the lowest p is reported. The problem
is not convex in the weights: the conditions of Karush, Kuhn and Tucker are necessary and local, and no more is claimed.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..parallel import distributed
from ..recipes.objectives import ConstraintSettings
from ..recipes.recipe import Recipe
from .term import Step, Term

# The limit of |w|^2 is this times its value at the beginning of the semi-supervised phase.
NORM_LIMIT = 1.1
FAMILIES = ("upper bound", "lower bound", "size above", "size below")
# "Approximately KKT" is said only below these: of g, of |multiplier * g|, and of the gradient's norm.
KKT_VIOLATION, KKT_SLACKNESS, KKT_GRADIENT = 0.02, 0.01, 0.05


class Constraints(Term):
    """The constraints of Eq. (3) with their multipliers; its state_dict belongs into the checkpoint.

    A class with share 0 is absent from the labels: nothing is known of its size and the teacher never saw it, so it is
    not constrained.

    Args:
        shares: S_c, (C-1,), share of each foreground class among the labeled pixels (see :func:`size_prior`).
        tolerance: d_c, (C-1,), by which part the size may differ.
        norm_limit: C, largest |w|^2 (1.05 to 1.2 of that after the warm-up); infinite leaves the norm free. Layers
            before a normalization do not care for their scale: a satisfied limit says little.
        settings: see :class:`ConstraintSettings`.
    """

    name = "constraints"
    views = 2

    shares: Tensor
    tolerance: Tensor
    norm_limit: Tensor
    active: Tensor
    multipliers: Tensor
    average: Tensor
    seen: Tensor
    calls: Tensor
    barrier: Tensor
    lowest: Tensor

    def __init__(
        self, shares: Tensor, tolerance: Tensor, norm_limit: float, settings: ConstraintSettings | None = None
    ) -> None:
        super().__init__()
        shares = torch.as_tensor(shares, dtype=torch.float32)
        tolerance = torch.as_tensor(tolerance, dtype=torch.float32)
        if shares.ndim != 1 or shares.shape != tolerance.shape:
            raise ValueError(f"shares {tuple(shares.shape)} and tolerance {tuple(tolerance.shape)} must both be (C-1,)")
        if float(shares.min()) < 0 or float(shares.sum()) > 1 + 1e-5 or float(tolerance.min()) < 0:
            raise ValueError("shares must not be negative nor sum to more than 1, and tolerance must not be negative")
        if not norm_limit > 0:
            raise ValueError(f"norm_limit must be positive, not {norm_limit}")
        self.settings = settings or ConstraintSettings()
        # One entry a constraint: the families in their order, (C-1) each, then the norm.
        free_norm = torch.tensor([math.isfinite(norm_limit)])
        active = torch.cat([(shares > 0).repeat(len(FAMILIES)), free_norm])
        count = len(active)
        self.register_buffer("shares", shares)
        self.register_buffer("tolerance", tolerance)
        self.register_buffer("norm_limit", torch.tensor(float(norm_limit)))
        self.register_buffer("active", active)
        self.register_buffer("multipliers", torch.zeros(count))
        self.register_buffer("average", torch.zeros(count))
        self.register_buffer("seen", torch.zeros(count, dtype=torch.int64))
        self.register_buffer("calls", torch.tensor(0))
        self.register_buffer("barrier", torch.tensor(self.settings.barrier_start))
        self.register_buffer("lowest", torch.tensor(1.0))

    @classmethod
    def of(cls, recipe: Recipe, pixels: Tensor) -> Constraints:
        """The constraints of a recipe, with the sizes of these labeled patches (cases, C)."""
        shares, tolerance = size_prior(pixels)
        return cls(shares, tolerance, 1.0, replace(recipe.constraint_settings, solver=recipe.constraint))

    def weight(self, recipe: Recipe) -> float:
        """That of Eq. (3)."""
        return recipe.constraint_weight

    def begin(self, student: nn.Module) -> None:
        """From here on the weights may not grow much."""
        self.norm_limit.fill_(NORM_LIMIT * float(squared_norm(student).detach()))

    def forward(self, step: Step) -> Tensor:
        """The penalty of one step, and the step of the multipliers."""
        opinions = torch.stack([view.logits.float().softmax(1) for view in step.views])
        probabilities = step.prediction.logits.float().softmax(1)
        mean, spread = opinions.mean(0), opinions.std(0, correction=0)
        result = self.penalty(probabilities, mean, spread, squared_norm(step.student))
        self.dual_step()
        return result

    def penalty(
        self, probabilities: Tensor, mean: Tensor | None, spread: Tensor | None, squared_norm: Tensor
    ) -> Tensor:
        """The term that is added to the loss: its value from the averaged g, its gradient from this batch.

        A batch is too small to measure the size of a rare class, so g is averaged over batches; the gradient passes
        straight through the average to the batch at hand.

        Args:
            probabilities: the student's softmax on unlabeled slices (B, C, H, W); B may be 0, and is the same in every
                process: g is measured on the joint batch, so that all have the same multipliers.
            mean: the teacher's mean probabilities, likewise; None leaves the bounds out in this step.
            spread: their standard deviation, likewise.
            squared_norm: |w|^2, see :func:`squared_norm`.

        Returns:
            A scalar; of the constraints that this batch measures only. A barrier can be negative.
        """
        values, measured = self._measure(probabilities, mean, spread, squared_norm)
        values, chosen = values[measured], measured.nonzero().squeeze(1)
        with torch.no_grad():
            self._update_averages(values, chosen)
        through = self.average[chosen] + values - values.detach()
        return self._barrier(through) if self.settings.solver == "log-barrier" else self._quadratic(through, chosen)

    @torch.no_grad()
    def dual_step(self) -> None:
        """Call once an iteration: every K calls after the warm-up, multipliers step along g and are projected."""
        self.calls += 1
        after = int(self.calls) - self.settings.warm_up
        if after <= 0 or after % self.settings.every:
            return
        limit = self.settings.multiplier_max
        if self.settings.solver == "alm":
            stepped = (self.multipliers + self.settings.dual_rate * self.average).clamp(0.0, limit)
            self.multipliers.copy_(torch.where(self.active & (self.seen > 0), stepped, self.multipliers))
        elif self.settings.solver == "log-barrier":
            self.barrier.mul_(self.settings.barrier_growth).clamp_(max=max(limit, self.settings.barrier_start))

    @torch.no_grad()
    def effective_multipliers(self) -> Tensor:
        """What multiplies the gradient of each averaged g (4 (C-1) + 1,); without "alm", the slope of the penalty."""
        if self.settings.solver == "alm":
            return self.multipliers.clone()
        if self.settings.solver == "penalty":
            return self.settings.rho * self.average.relu()
        t = self.barrier
        slope = torch.where(self.average <= -1 / t**2, -1 / (t * self.average.clamp_max(-1e-12)), t)
        return torch.where(self.active & (self.seen > 0), slope, torch.zeros_like(slope))

    def report(self, gradient_norm: float | None = None) -> dict[str, Any]:
        """What the multipliers do, as plain JSON types; constraints that were never measured are left out.

        Args:
            gradient_norm: of the whole loss; given, "approximately_kkt" tells whether violation, slackness and gradient
                all lie below KKT_VIOLATION, KKT_SLACKNESS and KKT_GRADIENT.

        Returns:
            "max_violation" and "max_slackness" over all constraints, "lowest_probability", and "constraints": for each
            name ("size above 2": of the second foreground class) "value" (g), "multiplier", "slackness" (|product|).
        """
        values, multipliers = self.average.tolist(), self.effective_multipliers().tolist()
        known = (self.active & (self.seen > 0)).tolist()
        entries = {
            name: {"value": g, "multiplier": multiplier, "slackness": abs(multiplier * g)}
            for name, g, multiplier, wanted in zip(self.names(), values, multipliers, known)
            if wanted
        }
        violation = max((max(0.0, entry["value"]) for entry in entries.values()), default=0.0)
        slackness = max((entry["slackness"] for entry in entries.values()), default=0.0)
        report: dict[str, Any] = {
            "solver": self.settings.solver,
            "max_violation": violation,
            "max_slackness": slackness,
            "lowest_probability": float(self.lowest),
            "constraints": entries,
        }
        if gradient_norm is not None:
            small = violation <= KKT_VIOLATION and slackness <= KKT_SLACKNESS and gradient_norm <= KKT_GRADIENT
            report["approximately_kkt"] = small
        return report

    def names(self) -> list[str]:
        """The constraints in the order of the multipliers."""
        classes = range(1, len(self.shares) + 1)
        return [f"{family} {c}" for family in FAMILIES for c in classes] + ["norm"]

    def _measure(
        self, probabilities: Tensor, mean: Tensor | None, spread: Tensor | None, squared_norm: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Every g of this batch (4 (C-1) + 1,), and whether it is measured, likewise."""
        wanted = (len(self.shares) + 1,)
        if probabilities.ndim != 4 or probabilities.shape[1:2] != wanted:
            raise ValueError(f"expected probabilities (B, {wanted[0]}, H, W), but got {tuple(probabilities.shape)}")
        nothing = torch.zeros_like(self.shares)
        parts, has = [nothing] * len(FAMILIES), [False] * len(FAMILIES)
        scale = self.shares.clamp_min(1e-12)  # an absent class is not constrained, whatever stands here
        if probabilities.shape[0]:
            p = probabilities.float()
            self.lowest.copy_(distributed.lowest(p.min()))
            if mean is not None and spread is not None:
                middle, reach = mean[:, 1:].detach().float(), self.settings.spread * spread[:, 1:].detach().float()
                high, low = (middle + reach).clamp(0, 1), (middle - reach).clamp(0, 1)
                # Per class over the batch: multipliers of pixels could not last over slices drawn and augmented anew.
                above = distributed.mean(F.relu(p[:, 1:] - high).mean((0, 2, 3)))
                below = distributed.mean(F.relu(low - p[:, 1:]).mean((0, 2, 3)))
                parts[0], parts[1] = above / scale - self.settings.slack, below / scale - self.settings.slack
                has[:2] = [True, True]
            if self.settings.temperature != 1:
                p = (p.clamp_min(1e-8).log() / self.settings.temperature).softmax(1)
            relative = distributed.mean(p[:, 1:].mean((0, 2, 3))) / scale - 1
            parts[2], parts[3] = relative - self.tolerance, -relative - self.tolerance
            has[2:] = [True, True]
        norm = (squared_norm.float() / self.norm_limit - 1).reshape(1)
        measured = torch.tensor(has, device=self.active.device).repeat_interleave(len(self.shares))
        measured = torch.cat([measured, measured.new_ones(1)]) & self.active
        return torch.cat([*parts, norm]), measured

    def _update_averages(self, values: Tensor, chosen: Tensor) -> None:
        """Move the averages of the chosen constraints; short averages at first, so that they do not lean to 0."""
        finite = torch.isfinite(values)  # a loss that is not finite is the trainer's to handle, and must not stay here
        chosen, values = chosen[finite], values[finite]
        self.seen[chosen] += 1
        decay = (1 - 1 / self.seen[chosen]).clamp_max(self.settings.ema)
        self.average[chosen] = decay * self.average[chosen] + (1 - decay) * values

    def _quadratic(self, g: Tensor, chosen: Tensor) -> Tensor:
        """[max(0, mu + rho g)^2 - mu^2] / (2 rho), summed; with "penalty", mu stays 0."""
        rho, mu = self.settings.rho, self.multipliers[chosen]
        return ((F.relu(mu + rho * g) ** 2 - mu**2) / (2 * rho)).sum()

    def _barrier(self, g: Tensor) -> Tensor:
        """-log(-g)/t up to g = -1/t^2, and its tangent beyond, which (unlike the barrier) is defined where g > 0."""
        t = self.barrier.clone()  # a dual step may come before the gradient is taken
        corner = -1 / t**2
        inside = -torch.log(-torch.minimum(g, corner)) / t
        return (inside + t * F.relu(g - corner)).sum()


def size_prior(pixels: Tensor, factor: float = 1.0, unknown: float = 0.5) -> tuple[Tensor, Tensor]:
    """The sizes that the labeled volumes let expect, and how much they vary: d_c = max(0.1, factor CV_c).

    The unlabeled windows must be drawn as these volumes were counted: windows that are smaller than a slice, or
    centered on a structure, hold larger shares of it.

    Args:
        pixels: (volumes, C), pixels of each class (background first) in each labeled volume.
        factor: of the coefficient of variation (standard deviation over mean of the volumes' shares).
        unknown: the tolerance where one volume tells nothing about the variation.

    Returns:
        shares and tolerance of the foreground classes, (C-1,) each; 0 and `unknown` for a class that never occurs.
    """
    counts = torch.as_tensor(pixels, dtype=torch.float64)
    each = counts[:, 1:] / counts.sum(1, keepdim=True).clamp_min(1)
    shares = counts[:, 1:].sum(0) / counts.sum().clamp_min(1)
    if len(counts) < 2:
        return shares.float(), torch.full_like(shares, unknown).float()
    variation = each.std(0) / each.mean(0).clamp_min(1e-12)
    tolerance = torch.where(shares > 0, (factor * variation).clamp_min(0.1), unknown)
    return shares.float(), tolerance.float()


def squared_norm(network: nn.Module) -> Tensor:
    """|w|^2 over weights (not norms, biases and gains, as in the weight decay): a scalar with a gradient."""
    weights = [p.float().square().sum() for p in network.parameters() if p.ndim > 1]
    return torch.stack(weights).sum() if weights else torch.zeros(())
