"""The recipe of a training: its settings, presets, rates and optimizers."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import torch
from tinymodel import save_tiny

from cmaformer.network.cmaformer import CMAformer, configuration
from cmaformer.objectives.build import build as build_terms
from cmaformer.recipes.presets import preset
from cmaformer.recipes.recipe import Recipe, changed, configured
from cmaformer.training import optimizer
from cmaformer.training.optimizer import build


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 3},
        {"iterations": 0},
        {"learning_rate": 2.0},
        {"iterations": "many"},
        {"optimizer": "lion"},
        {"augmentation": {"warp": 1}},
    ],
)
def test_impossible_recipes_are_refused(values):
    with pytest.raises(ValueError):
        Recipe.from_dict(values)


def test_recipe_survives_json_and_its_rate_rises_and_falls():
    recipe = Recipe(iterations=1000, learning_rate=1e-3)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    rates = [recipe.rate(i) for i in range(1000)]
    assert max(rates) == pytest.approx(1e-3, rel=0.01) and rates.index(max(rates)) in (49, 50)
    assert rates[0] < rates[20] and rates[-1] < 0.02 * max(rates)


def test_short_training_does_not_leap_away_from_the_model_that_it_starts_from():
    recipe = Recipe(iterations=10, learning_rate=1e-3)
    assert recipe.rate(0) == pytest.approx(1e-3 / 25) and recipe.rate(9) == pytest.approx(1e-3 * 10 / 25)


def test_transformer_has_a_rate_of_its_own():
    torch.manual_seed(0)
    network = CMAformer(configuration("small", classes=2))
    before = {name: value.clone() for name, value in network.named_parameters()}
    recipe = Recipe(transformer_rate=0.5, weight_decay=0.0)
    steps = optimizer.build(recipe, [network])
    optimizer.set_rate(steps, 1e-3)
    prediction = network(torch.randn(2, 1, 64, 64))
    (prediction.logits.square().mean() + prediction.sdm.square().mean()).backward()
    steps.step()
    # A first step of AdamW is as long as the rate, wherever there is more than a tiny gradient.
    moved = {name: float((value - before[name]).detach().abs().max()) for name, value in network.named_parameters()}
    of_transformer = [step for name, step in moved.items() if name.startswith(optimizer.TRANSFORMER)]
    others = [step for name, step in moved.items() if not name.startswith(optimizer.TRANSFORMER)]
    assert max(of_transformer) == pytest.approx(5e-4, rel=0.02) and max(others) == pytest.approx(1e-3, rel=0.02)
    with pytest.raises(ValueError, match="transformer_rate"):
        Recipe(transformer_rate=2.0)


def test_paper_preset_is_what_was_published():
    recipe = preset("paper")
    assert (recipe.optimizer, recipe.momentum, recipe.learning_rate) == ("sgd", 0.99, 1e-3)
    assert (recipe.weight_decay, recipe.constraint, recipe.contrast_weight) == (3e-5, "alm", 0.1)
    length = recipe.iterations + recipe.semi_iterations
    assert recipe.rate(0) == 1e-3 and recipe.rate(length // 2) == pytest.approx(1e-3 * 0.5**0.9)
    assert 0 < recipe.rate(length - 1) < 1e-6
    assert preset() == Recipe()
    with pytest.raises(ValueError, match="no recipe"):
        preset("thesis")


def test_sgd_steps_as_the_recipe_says_and_norms_do_not_decay():
    layer = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.GroupNorm(1, 2))
    optimizer = build(preset("paper"), [layer])
    assert isinstance(optimizer, torch.optim.SGD) and optimizer.defaults["nesterov"]
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decays[id(layer[0].weight)] == 3e-5
    assert decays[id(layer[0].bias)] == 0 and decays[id(layer[1].weight)] == 0
    assert isinstance(build(replace(preset("paper"), momentum=0.0), [layer]), torch.optim.SGD)
    assert isinstance(build(Recipe(), [layer]), torch.optim.AdamW)


def test_recipes_of_older_jobs_are_read():
    old = Recipe().to_dict()
    for name in ("optimizer", "momentum", "schedule"):
        del old[name]
    assert Recipe.from_dict(old) == Recipe()


def test_settings_of_every_term_are_reached_from_a_recipe() -> None:
    settings = {"constraint": "alm", "constraint_settings": {"rho": 0.7, "every": 3}, "contrast_weight": 0.1}
    recipe = Recipe.from_dict({**settings, "contrast_settings": {"grid": 4, "bank": 1024}})
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    terms = build_terms(recipe, 3, lambda: torch.tensor([[90.0, 6.0, 4.0], [80.0, 12.0, 8.0]]))
    assert [term.name for term in terms.all] == ["constraints", "contrast"] and terms.views == 2
    assert (terms.constraints.settings.rho, terms.constraints.settings.solver) == (0.7, "alm")
    assert terms.contrast.bank.shape[0] == 1024
    assert terms.weights(recipe) == {"constraints": recipe.constraint_weight, "contrast": 0.1}
    assert len(build_terms(Recipe(), 3, lambda: pytest.fail("nobody wants to know"))) == 0
    with pytest.raises(ValueError, match="rho"):
        Recipe.from_dict({"constraint_settings": {"rho": 0}})


def test_terms_go_on_from_a_checkpoint_of_version_0_1_0() -> None:
    recipe = Recipe.from_dict({"constraint": "alm", "contrast_weight": 0.1})
    terms, other = (build_terms(recipe, 3, lambda: torch.tensor([[90.0, 6.0, 4.0]])) for _ in range(2))
    state = terms.state_dict()
    of_before = {re.sub(r"^contrast\.(student|teacher)_head", r"\1_head", name): state[name] for name in state}
    assert any(name.startswith("student_head.") for name in of_before)
    other.load_state_dict(of_before)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in terms.state_dict().items())


def test_named_settings_of_the_augmentation_change_and_the_others_stay():
    abdomen = changed(Recipe(), {"augmentation": {"right_angle": 0.0, "flip": 0.0, "noise": 0.3}})
    later = changed(abdomen, {"augmentation": {"noise": 0.2}, "constraint_settings": {"slack": 0.3}})
    assert later.augmentation == replace(abdomen.augmentation, noise=0.2)
    assert later.augmentation.right_angle == 0.0 and later.constraint_settings.slack == 0.3


def test_mirrors_of_a_base_stay_where_other_settings_of_the_augmentation_are_changed(tmp_path):
    base = save_tiny(tmp_path / "base", structures=2, input={"mirror": ["columns"]})
    recipe = configured(Recipe(), {"augmentation": {"noise": 0.2}}, base)
    assert (recipe.augmentation.flip, recipe.augmentation.noise) == (0.5, 0.2)
