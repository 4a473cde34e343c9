"""The constraints of Eq. (3): signs, projection, and the toy problem that they solve."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from toyproblem import PRIOR, solve_toy

from cmaformer.objectives.constraints import Constraints, size_prior, squared_norm
from cmaformer.recipes.objectives import SOLVERS, ConstraintSettings

FREE = torch.zeros(())


def constraints(shares: tuple[float, ...] = (0.08, 0.02), norm_limit: float = math.inf, **changed: Any) -> Constraints:
    """Constraints that look at one batch at a time and step at every call, unless changed."""
    settings = ConstraintSettings(**{"every": 1, "ema": 0.0, "rho": 1.0, "dual_rate": 1.0, **changed})
    return Constraints(torch.tensor(shares), torch.full((len(shares),), 0.1), norm_limit, settings)


def flat(*foreground: float) -> torch.Tensor:
    """Slices with the same probabilities everywhere: (2, C, 4, 4)."""
    p = torch.tensor([1 - sum(foreground), *foreground])
    return p[None, :, None, None].expand(2, -1, 4, 4).clone()


def entry(found: Constraints, name: str) -> dict[str, float]:
    return found.report()["constraints"][name]


# --- the toy problem -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unconstrained() -> tuple[torch.Tensor, list[float]]:
    return solve_toy(None)


@pytest.mark.parametrize("solver", SOLVERS)
def test_toy_problem(solver: str, unconstrained: tuple[torch.Tensor, list[float]]):
    biased, poor = unconstrained
    # 20 labels of each class make the rare ones seem common: (0.53, 0.25, 0.22) instead of (0.90, 0.08, 0.02).
    assert biased[0] < 0.6 and biased[1] > 0.2 and biased[2] > 0.2
    strong = {"rho": 5.0, "dual_rate": 5.0, "multiplier_max": 20.0, "barrier_growth": 1.3}
    found = constraints(norm_limit=200.0, solver=solver, **strong)
    proportions, dice = solve_toy(found)
    report = found.report()
    # A penalty without multipliers has to leave some violation, or there would be no force.
    allowed = 1.1 + (0.08 if solver == "penalty" else 0.002)
    assert ((proportions[1:] / PRIOR[1:]) < allowed).all() and ((proportions[1:] / PRIOR[1:]) > 0.9).all()
    assert all(after > before + 0.02 for before, after in zip(poor, dice))
    assert dice[2] > poor[2] + 0.08
    assert report["max_violation"] < allowed - 1.1
    assert report["constraints"]["size above 1"]["multiplier"] > 0.1
    # The norm is far below its limit: multiplier 0, or what is left of a barrier.
    assert report["constraints"]["norm"]["value"] < -0.9
    assert report["constraints"]["norm"]["multiplier"] <= (0.06 if solver == "log-barrier" else 0.0)
    if solver == "alm":
        assert report["max_slackness"] < 1e-3
        assert report["constraints"]["size below 1"]["multiplier"] == 0.0


# --- the gradient ----------------------------------------------------------------------------------------------------


def slope_of_class(found: Constraints, probabilities: torch.Tensor, c: int, *teacher: torch.Tensor) -> float:
    """Change of the penalty with the logit of class c, summed over pixels."""
    logits = probabilities.log().requires_grad_()
    found.penalty(logits.softmax(1), *(teacher or (None, None)), FREE).backward()
    assert logits.grad is not None
    return float(logits.grad[:, c].sum())


@pytest.mark.parametrize("solver", SOLVERS)
def test_too_large_a_class_is_pushed_down_and_too_small_a_one_up(solver: str):
    assert slope_of_class(constraints(solver=solver), flat(0.2, 0.02), 1) > 1e-3
    assert slope_of_class(constraints(solver=solver), flat(0.02, 0.02), 1) < -1e-3


@pytest.mark.parametrize("solver", SOLVERS)
def test_probabilities_are_pushed_back_between_the_bounds(solver: str):
    spread = torch.full((2, 3, 4, 4), 0.01)
    # The size is right in all of them: only the bounds around the teacher's mean push.
    assert slope_of_class(constraints(solver=solver), flat(0.08, 0.02), 1, flat(0.02, 0.02), spread) > 1e-3
    assert slope_of_class(constraints(solver=solver), flat(0.08, 0.02), 1, flat(0.20, 0.02), spread) < -1e-3
    inside = constraints(solver="alm")
    assert slope_of_class(inside, flat(0.08, 0.02), 1, flat(0.09, 0.02), spread) == 0.0
    assert entry(inside, "upper bound 1")["value"] == pytest.approx(-inside.settings.slack)


def test_bounds_are_as_wide_as_the_teacher_is_unsure():
    wide = torch.full((2, 3, 4, 4), 0.05)
    assert slope_of_class(constraints(spread=2.0), flat(0.08, 0.02), 1, flat(0.17, 0.02), wide) == 0.0
    assert slope_of_class(constraints(spread=1.0), flat(0.08, 0.02), 1, flat(0.17, 0.02), wide) < 0.0


def test_the_teacher_gets_no_gradient():
    mean, spread = flat(0.02, 0.02).requires_grad_(), torch.full((2, 3, 4, 4), 0.01, requires_grad=True)
    probabilities = flat(0.08, 0.02).requires_grad_()
    constraints().penalty(probabilities, mean, spread, FREE).backward()
    assert mean.grad is None and spread.grad is None and probabilities.grad is not None


def test_weights_shrink_where_their_norm_is_too_large_only():
    def slope(weight: float) -> float:
        network = torch.nn.Linear(1, 1)
        torch.nn.init.constant_(network.weight, weight)
        constraints(norm_limit=4.0).penalty(flat(0.08, 0.02), None, None, squared_norm(network)).backward()
        assert network.bias.grad is None and network.weight.grad is not None
        return float(network.weight.grad)

    assert slope(3.0) > 0 and slope(-3.0) < 0 and slope(1.9) == 0


def test_value_comes_from_the_average_and_gradient_from_the_batch():
    found = constraints(ema=0.9, solver="penalty", norm_limit=math.inf)
    for _ in range(50):
        found.penalty(flat(0.08, 0.02), None, None, FREE)
    # One outlier moves the average by a tenth; the whole of its gradient counts.
    odd = flat(0.40, 0.02).requires_grad_()
    value = found.penalty(odd, None, None, FREE)
    value.backward()
    g = 0.9 * -0.1 + 0.1 * (0.40 / 0.08 - 1.1)
    assert entry(found, "size above 1")["value"] == pytest.approx(g, rel=1e-3)
    assert float(value.detach()) == pytest.approx(g**2 / 2, rel=1e-3)
    assert odd.grad is not None
    assert float(odd.grad[:, 1].sum()) == pytest.approx(g / 0.08, rel=1e-3)


def test_sharpened_probabilities_see_through_diffuse_ones():
    # Everywhere 8 %: the right size in sum, but nowhere the class.
    diffuse = flat(0.08, 0.02)
    plain, sharp = constraints(), constraints(temperature=0.25)
    for found in (plain, sharp):
        found.penalty(diffuse, None, None, FREE)
    assert entry(plain, "size below 1")["value"] < 0 < entry(sharp, "size below 1")["value"]


def test_barrier_is_smooth_where_its_tangent_begins():
    found = constraints(solver="log-barrier", barrier_start=5.0)
    g = torch.tensor([-1 / 25 - 1e-4, -1 / 25 + 1e-4, 0.5], requires_grad=True)
    values = [found._barrier(g[i : i + 1]) for i in range(3)]
    (slopes,) = torch.autograd.grad(sum(values), g)
    assert float(values[1].detach() - values[0].detach()) == pytest.approx(5 * 2e-4, rel=0.01)
    assert slopes.tolist() == pytest.approx([5.0, 5.0, 5.0], rel=0.01)


# --- the multipliers -------------------------------------------------------------------------------------------------


def test_multiplier_rises_to_its_cap_while_violated_and_falls_to_zero_when_slack():
    found = constraints(multiplier_max=2.0)
    history = []
    for size in [0.16] * 5 + [0.04] * 8:
        found.penalty(flat(size, 0.02), None, None, FREE)
        found.dual_step()
        history.append(found.multipliers.clone())
    above = [float(m[found.names().index("size above 1")]) for m in history]
    assert above[:5] == pytest.approx([0.9, 1.8, 2.0, 2.0, 2.0])
    assert above[5:9] == pytest.approx([1.4, 0.8, 0.2, 0.0], abs=1e-5) and above[9:] == [0.0] * 4
    assert min(float(m.min()) for m in history) == 0.0
    # The other class was right all the time.
    assert all(float(m[found.names().index("size above 2")]) == 0.0 for m in history)


def test_multipliers_rest_in_warm_up_and_between_steps():
    found = constraints(warm_up=5, every=3)
    rises = []
    for _ in range(11):
        before = float(found.multipliers.max())
        found.penalty(flat(0.16, 0.02), None, None, FREE)
        found.dual_step()
        rises.append(float(found.multipliers.max()) > before)
    assert [i for i, rose in enumerate(rises, 1) if rose] == [8, 11]


def test_barrier_steepens_to_its_cap():
    found = constraints(solver="log-barrier", barrier_start=5.0, barrier_growth=1.5, multiplier_max=10.0)
    steps = []
    for _ in range(4):
        found.dual_step()
        steps.append(float(found.barrier))
    assert steps == pytest.approx([7.5, 10.0, 10.0, 10.0])
    assert not found.multipliers.any()


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_gradient_is_that_of_before_the_dual_step(solver: str):
    """The trainer steps the multipliers as soon as it has the loss, and takes the gradient later."""
    gradients = []
    for steps in (0, 3):
        found = constraints(solver=solver)
        logits = torch.zeros(2, 3, 4, 4, requires_grad=True)
        loss = found.penalty(logits.softmax(1), None, None, FREE)
        for _ in range(steps):
            found.dual_step()
        loss.backward()
        gradients.append(logits.grad.clone())
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_state_survives_the_checkpoint(solver: str):
    found = constraints(solver=solver, norm_limit=5.0, ema=0.9, every=2)
    for size in (0.2, 0.1, 0.3):
        found.penalty(flat(size, 0.02), None, None, torch.tensor(6.0))
        found.dual_step()
    # Built again before the limit of the norm is known, as a resumed training does it.
    restored = constraints(solver=solver, norm_limit=math.inf, ema=0.9, every=2)
    restored.load_state_dict(found.state_dict())
    after = []
    for one in (found, restored):
        value = one.penalty(flat(0.15, 0.02), None, None, torch.tensor(7.0))
        one.dual_step()
        after.append((float(value), one.report()))
    assert after[0] == after[1]


def test_non_negativity_is_reported_and_never_needs_a_multiplier():
    found = constraints()
    found.penalty(torch.randn(2, 3, 4, 4).softmax(1), None, None, FREE)
    assert 0 <= found.report()["lowest_probability"] < 1
    assert not any("negativ" in name for name in found.names())


# --- what may be missing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
def test_class_absent_from_the_labels_is_not_constrained(solver: str):
    found = constraints((0.08, 0.0), solver=solver)
    spread = torch.zeros(2, 3, 4, 4)
    assert slope_of_class(found, flat(0.08, 0.5), 2, flat(0.08, 0.1), spread) == pytest.approx(0.0, abs=1e-3)
    found.dual_step()
    assert sorted(found.report()["constraints"]) == [
        "lower bound 1",
        "size above 1",
        "size below 1",
        "upper bound 1",
    ]
    assert not found.effective_multipliers()[found.names().index("size above 2")]
    assert all(math.isfinite(value) for value in found.average.tolist())


@pytest.mark.parametrize("solver", SOLVERS)
def test_batch_without_unlabeled_slices_measures_the_norm_only(solver: str):
    found = constraints(solver=solver, norm_limit=4.0)
    none = torch.zeros(0, 3, 4, 4)
    weight = torch.tensor(3.0, requires_grad=True)
    found.penalty(none, none, none, weight**2).backward()
    found.dual_step()
    assert weight.grad is not None and float(weight.grad) > 0
    assert list(found.report()["constraints"]) == ["norm"]
    json.dumps(found.report(), allow_nan=False)
    nothing = constraints(solver=solver)
    assert float(nothing.penalty(none, None, None, FREE)) == 0.0
    assert nothing.report()["max_violation"] == 0.0


def test_a_batch_that_is_not_finite_leaves_no_trace():
    found = constraints(ema=0.9)
    found.penalty(flat(0.2, 0.02), None, None, FREE)
    before = found.average.clone()
    assert not torch.isfinite(found.penalty(flat(math.nan, 0.02), None, None, FREE))
    assert torch.equal(found.average[4:8], before[4:8])


def test_approximately_kkt_is_said_below_all_thresholds_only():
    found = constraints()
    found.penalty(flat(0.08, 0.02), None, None, FREE)
    assert found.report(gradient_norm=0.01)["approximately_kkt"] is True
    assert found.report(gradient_norm=1.0)["approximately_kkt"] is False
    assert "approximately_kkt" not in found.report()
    found.penalty(flat(0.2, 0.02), None, None, FREE)
    assert found.report(gradient_norm=0.01)["approximately_kkt"] is False


def test_sizes_of_the_labeled_volumes():
    pixels = torch.tensor([[90, 10, 0, 0], [170, 20, 10, 0], [80, 10, 10, 0]])
    shares, tolerance = size_prior(pixels)
    assert shares.tolist() == pytest.approx([0.1, 0.05, 0.0])
    assert tolerance[0] == pytest.approx(0.1)  # always the same, and yet no less than a tenth
    each = torch.tensor([0.0, 0.05, 0.1])
    assert tolerance[1] == pytest.approx(float(each.std() / each.mean()))
    assert tolerance[2] == 0.5
    alone, unsure = size_prior(pixels[:1])
    assert alone.tolist() == pytest.approx([0.1, 0.0, 0.0]) and unsure.tolist() == [0.5] * 3


def test_impossible_arguments_are_refused():
    share, tolerance = torch.tensor([0.1]), torch.tensor([0.1])
    for shares, tolerances, limit in (
        (share, torch.ones(2), 1.0),
        (-share, tolerance, 1.0),
        (share, -tolerance, 1.0),
        (11 * share, tolerance, 1.0),
        (share, tolerance, 0.0),
        (share, tolerance, math.nan),
    ):
        with pytest.raises(ValueError):
            Constraints(shares, tolerances, limit)
    for wrong in ({"solver": "admm"}, {"rho": 0.0}, {"every": 0}, {"ema": 1.0}, {"slack": -1.0}, {"spread": -1.0}):
        with pytest.raises(ValueError):
            ConstraintSettings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="3"):
        constraints().penalty(flat(0.1), None, None, FREE)
