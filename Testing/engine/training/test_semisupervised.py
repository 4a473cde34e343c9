"""The second phase: mixed patches, pseudo-labels, and the choice between the two models."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tinymodel import save_tiny
from trainingdata import write_cases

from cmaformer.cases.reading import read_cases
from cmaformer.data.augmentation import Batch
from cmaformer.door import job as jobs
from cmaformer.door.errors import CancelledError
from cmaformer.models.model import load_model
from cmaformer.objectives.consistency import class_weights, consistency_loss
from cmaformer.objectives.supervised import supervised_loss
from cmaformer.recipes.recipe import Recipe
from cmaformer.training.plan import create
from cmaformer.training.teaching.copy_paste import boxes, largest_components, mix
from cmaformer.training.work import train, work

SHORT = Recipe(iterations=3, semi_iterations=4, batch_size=2, patch=32, evaluate_every=0, checkpoint_every=2)


@pytest.fixture
def cases(tmp_path):
    return read_cases(write_cases(tmp_path, ["labeled", "unlabeled", "unlabeled", "held-out"]))


@pytest.fixture
def base(tmp_path):
    return save_tiny(tmp_path / "base", structures=2)


def patches(value: float, label: int | None) -> Batch:
    """Four constant patches of 24 pixels."""
    images = torch.full((4, 1, 24, 24), value)
    frames = torch.full((4, 4), value)
    if label is None:
        return Batch(images, images, frames)
    return Batch(images, images, frames, torch.full((4, 24, 24), label), torch.zeros(4, 2, 24, 24))


def test_mixed_patches_take_image_and_label_from_the_same_side():
    pseudo = torch.full((4, 24, 24), 2)
    mixed = mix(patches(1.0, 1), patches(5.0, None), pseudo, 0.5, np.random.default_rng(0))
    known = mixed.labeled.bool()
    assert (mixed.images[:, 0][known] == 1).all() and (mixed.labels[known] == 1).all()
    assert (mixed.images[:, 0][~known] == 5).all() and (mixed.labels[~known] == 2).all()
    # Every second patch is labeled; the others are unlabeled ones with a labeled box.
    pixels = mixed.labeled.sum((1, 2)).tolist()
    assert pixels[0] == pixels[2] == 24 * 24
    assert all(6 * 6 <= pixels[place] <= 12 * 12 for place in (1, 3))
    assert mixed.frames[:, 0].tolist() == [1.0, 5.0, 1.0, 5.0]


def test_nothing_is_pasted_where_the_recipe_says_so():
    mixed = mix(patches(1.0, 1), patches(5.0, None), torch.full((4, 24, 24), 2), 0.0, np.random.default_rng(0))
    assert mixed.labeled.sum((1, 2)).tolist() == [576.0, 0.0, 576.0, 0.0]


def test_boxes_are_squares_of_many_sizes_that_stay_inside_and_move():
    drawn = boxes(200, 32, 0.5, np.random.default_rng(0))
    sides = np.sqrt(drawn.sum((1, 2)))
    assert set(sides) == set(range(8, 17))
    corners = np.array([(np.argwhere(box).min(0), np.argwhere(box).max(0)) for box in drawn])
    assert (corners[:, 1] - corners[:, 0] + 1 == sides[:, None]).all()
    assert corners.min() == 0 and corners.max() == 31


def test_only_the_largest_component_of_a_pseudo_label_is_kept():
    labels = torch.zeros(2, 20, 20, dtype=torch.int64)
    labels[0, 1:8, 1:8], labels[0, 15:17, 15:17], labels[0, 10:12, 2:6] = 1, 1, 2
    kept = largest_components(labels, 3)
    assert int((kept[0] == 1).sum()) == 49 and int((kept[0] == 2).sum()) == 8
    assert not kept[1].any()


def test_losses_look_only_where_they_are_told_to():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 3, 8, 8), torch.randint(3, (2, 8, 8))
    target = torch.nn.functional.one_hot(labels, 3).permute(0, 3, 1, 2).float()
    distances, beta = torch.zeros(2, 2, 8, 8), class_weights([0.5, 0.5])
    half = torch.zeros(2, 8, 8)
    half[:, :, :4] = 1
    other = logits.clone()
    other[..., 4:] += 100
    for a, b in [
        (consistency_loss(logits, target, beta, where=half), consistency_loss(other, target, beta, where=half)),
        (
            supervised_loss(logits, distances, labels, distances, half),
            supervised_loss(other, distances, labels, distances, half),
        ),
    ]:
        torch.testing.assert_close(a, b)
    everywhere = torch.ones(2, 8, 8)
    torch.testing.assert_close(
        consistency_loss(logits, target, beta, where=everywhere), consistency_loss(logits, target, beta)
    )
    assert float(consistency_loss(logits, target, beta, where=torch.zeros(2, 8, 8))) == pytest.approx(0, abs=1e-6)


def test_without_unlabeled_cases_all_the_time_is_for_the_labeled_ones(tmp_path, base):
    cases = read_cases(write_cases(tmp_path, ["labeled", "held-out"]))
    about = load_model(train(cases, tmp_path / "job", "one", base, device="cpu", recipe=SHORT)).description
    assert about.training["phases"] == ["supervised"] and about.training["iterations"] == 7


@pytest.mark.parametrize(("teaching", "joint"), [("volumes", True), ("patches", True), ("patches", False)])
def test_second_phase_uses_the_unlabeled_cases_and_reports_both_models(tmp_path, cases, base, teaching, joint):
    length = {"iterations": 20, "semi_iterations": 20, "evaluate_every": 0}
    recipe = Recipe(batch_size=2, patch=32, teaching=teaching, joint=joint, **length)
    folder = train(cases, tmp_path / "job", "both", base, device="cpu", recipe=recipe)
    about = load_model(folder).description
    assert about.training["phases"] == ["supervised", "semi-supervised"]
    assert about.training["unlabeled_cases"] == 2 and about.training["iterations"] == 40
    report = json.loads((folder.parent / "report.json").read_text())
    assert set(report["held_out_dice"]) == {"supervised", "semi-supervised"}
    assert report["kept"] == about.training["kept"]
    assert report["reason"] == about.training["reason"] and "kept" in report["reason"]
    events = [e for e in jobs.read_events(tmp_path / "job") if e["type"] == "metric" and "loss" in e["values"]]
    assert {e["phase"] for e in events} == {"supervised", "semi-supervised"}
    (values,) = [e["values"] for e in events if e["phase"] == "semi-supervised"]
    assert values["unlabeled"] > 0
    terms = ("supervised", "consistency") if joint else ("supervised", "consistency", "unlabeled")
    assert values["loss"] == pytest.approx(sum(values[name] for name in terms), rel=1e-5)  # the ramp is over


def test_pixels_count_with_their_weight():
    rng = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(2, 3, 8, 8, generator=rng), torch.randint(0, 3, (2, 8, 8), generator=rng)
    target = torch.nn.functional.one_hot(labels, 3).permute(0, 3, 1, 2).float()
    weights, beta = torch.rand(2, 8, 8, generator=rng), class_weights([0.1, 0.2])
    p, y, w = logits.softmax(1).numpy(), target.numpy(), weights.numpy()
    entropy = -(w * np.log((p * y).sum(1))).sum() / w.sum()
    dice = [(2 * (w * p[:, c] * y[:, c]).sum() + 1) / ((w * p[:, c]).sum() + (w * y[:, c]).sum() + 1) for c in (1, 2)]
    expected = 0.3 * entropy + 0.7 * sum(float(b) * (1 - d) for b, d in zip(beta, dice))
    assert float(consistency_loss(logits, target, beta, where=weights)) == pytest.approx(expected, rel=1e-5)


def test_without_unlabeled_cases_there_is_one_phase(tmp_path, base):
    cases = read_cases(write_cases(tmp_path, ["labeled", "held-out"]))
    folder = train(cases, tmp_path / "job", "one", base, device="cpu", recipe=SHORT)
    assert load_model(folder).description.training["phases"] == ["supervised"]


EVERYTHING = replace(SHORT, constraint="alm", contrast_weight=0.1)


@pytest.mark.parametrize("solver", ["alm", "penalty", "log-barrier"])
def test_constraints_and_contrast_are_terms_of_the_second_phase(tmp_path, cases, base, solver):
    recipe = replace(SHORT, iterations=20, semi_iterations=20, constraint=solver, contrast_weight=0.1)
    train(cases, tmp_path / "job", "model", base, device="cpu", recipe=recipe)
    events = [e for e in jobs.read_events(tmp_path / "job") if e["type"] == "metric" and "loss" in e["values"]]
    (values,) = [e["values"] for e in events if e["phase"] == "semi-supervised"]
    assert {"supervised", "consistency", "unlabeled", "constraints", "contrast"} <= set(values)
    assert values["contrast"] > 0 and np.isfinite(values["loss"])
    report = values["constraints_report"]
    assert report["solver"] == solver and np.isfinite(report["max_violation"])


PATCHES = replace(SHORT, teaching="patches")


@pytest.mark.parametrize(("recipe", "stop"), [(SHORT, 3), (PATCHES, 2), (PATCHES, 5), (EVERYTHING, 5)])
def test_resumed_training_is_exact_across_the_phases(tmp_path, cases, base, recipe, stop):
    whole = train(cases, tmp_path / "whole", "model", base, device="cpu", recipe=recipe, seed=3)
    create(cases, tmp_path / "parts", "model", base, recipe=recipe, seed=3)

    def watch(line: str) -> None:
        event = json.loads(line)
        if event["type"] == "progress" and event["unit"] == "iterations" and event["done"] == stop:
            jobs.request_cancel(tmp_path / "parts")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cmaformer.training.loop.PROGRESS_S", 0.0)
        with pytest.raises(CancelledError):
            work(tmp_path / "parts", "cpu", jobs.Events(watch))
    parts = work(tmp_path / "parts", "cpu")
    one, two = (torch.load(folder / "weights.pt", weights_only=True) for folder in (whole, parts))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_supervised_model_is_kept_when_the_second_phase_harms(tmp_path, base):
    """The second phase is made harmful by its learning rate: the result must be the model of the first."""
    cases = read_cases(write_cases(tmp_path, ["labeled", "labeled", "held-out", "unlabeled"]))
    recipe = Recipe(iterations=150, semi_iterations=8, batch_size=4, patch=32, learning_rate=5e-3, evaluate_every=0)
    # Labels that a teacher gave to whole volumes keep a network together; its own, patch by patch, do not.
    recipe = replace(recipe, teaching="patches", paste=0.67)
    create(cases, tmp_path / "job", "model", base, recipe=recipe)

    def harmful(self, iteration):
        return 5e-3 if iteration < self.iterations else 0.5

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recipe, "rate", harmful)
        folder = work(tmp_path / "job", "cpu")
    report = json.loads((folder.parent / "report.json").read_text())
    means = {phase: np.mean(scores) for phase, scores in report["held_out_dice"].items()}
    assert means["supervised"] > 0.8 and means["semi-supervised"] < means["supervised"] - 0.01
    assert report["kept"] == "supervised"
    kept = torch.load(folder / "weights.pt", weights_only=True)
    supervised = torch.load(tmp_path / "job" / "supervised.pt", weights_only=True)["teacher"]
    assert all(torch.equal(kept[name], supervised[name].half()) for name in kept)
    assert "supervised-kept" in {e.get("code") for e in jobs.read_events(tmp_path / "job")}
    assert "did not help" in report["reason"] and report["reason"] in load_model(folder).card
    assert f"{means['semi-supervised']:.3f} after the unlabeled" in report["reason"]
