"""How long a training takes: measured on its own steps, without a trace in the result, and fitted to a budget."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from tinymodel import save_tiny
from trainingdata import write_cases

from cmaformer.__main__ import main
from cmaformer.cases.reading import read_cases
from cmaformer.door import job as jobs
from cmaformer.door.errors import CancelledError, JobError
from cmaformer.door.names import PREFLIGHT
from cmaformer.recipes.recipe import Recipe
from cmaformer.training.estimate import Estimate
from cmaformer.training.plan import create
from cmaformer.training.schedule import Schedule
from cmaformer.training.timing import fit
from cmaformer.training.work import train, work

SHORT = Recipe(iterations=4, semi_iterations=8, batch_size=2, patch=32, evaluate_every=0, look_slices=3)
COSTS = Estimate({"supervised": 1.0, "semi-supervised": 2.0}, 10.0, 5.0, 0.5, 20.0, 100.0)


@pytest.fixture
def cases(tmp_path):
    return read_cases(write_cases(tmp_path, ["labeled", "unlabeled", "held-out"]))


@pytest.fixture
def base(tmp_path):
    return save_tiny(tmp_path / "base", structures=2)


def estimates(folder) -> list[dict]:
    values = [event.get("values", {}) for event in jobs.read_events(folder)]
    return [value["estimate"] for value in values if "estimate" in value]


def test_everything_that_takes_time_is_counted():
    recipe = Recipe(iterations=100, semi_iterations=200, evaluate_every=50, checkpoint_every=100, look_every=100)
    looks, places, checkpoints = (300 // 50 + 2) * 10, 2 * 5, 3 * 0.5
    assert COSTS.seconds(recipe) == pytest.approx(100 + 400 + looks + places + checkpoints + 20)
    assert COSTS.seconds(recipe, 200) == pytest.approx(200 + (100 // 50 + 2) * 10 + 5 + 0.5 + 20)
    one_phase = Estimate({"supervised": 1.0}, 0.0, 0.0, 0.0, 0.0, None)
    assert one_phase.seconds(Recipe(iterations=60)) == 60


def test_time_left_follows_the_estimate_corrected_by_what_was_true():
    schedule = Schedule(Recipe(iterations=100, semi_iterations=200, evaluate_every=0))
    costs = Estimate({"supervised": 1.0, "semi-supervised": 2.0}, 0.0, 0.0, 0.0, 0.0, None)
    assert schedule.seconds_left(50, 100.0, costs) == pytest.approx(2 * (50 + 400))  # everything takes twice as long
    assert schedule.seconds_left(50, 100.0, None) == pytest.approx(2 * 250)


@pytest.mark.parametrize("minutes", [5, 60, 1000])
def test_length_fits_the_budget_in_the_proportion_of_the_recipe(minutes):
    recipe = Recipe(iterations=100, semi_iterations=300, evaluate_every=500)
    fitted = fit(recipe, COSTS, 60 * minutes)
    assert 0.9 * 60 * minutes < COSTS.seconds(fitted) <= 0.95 * 60 * minutes
    assert fitted.semi_iterations == pytest.approx(3 * fitted.iterations, rel=0.05)
    assert fitted == replace(recipe, iterations=fitted.iterations, semi_iterations=fitted.semi_iterations)


def test_budget_that_fits_nothing_leaves_one_iteration_of_each_phase():
    fitted = fit(Recipe(iterations=100, semi_iterations=300), COSTS, 1.0)
    assert (fitted.iterations, fitted.semi_iterations) == (1, 1)
    assert fit(Recipe(iterations=100), COSTS, 1.0).semi_iterations == 0


def test_budget_is_measured_once_and_told(tmp_path, cases, base):
    create(cases, tmp_path / "job", "model", base, recipe=SHORT, minutes=0.1)
    (tmp_path / "job" / PREFLIGHT).write_text('{"findings": []}')

    def watch(line: str) -> None:
        with open(tmp_path / "job" / jobs.EVENTS, "a") as file:
            file.write(line + "\n")
        event = json.loads(line)
        if event["type"] == "progress" and event["unit"] == "iterations":
            jobs.request_cancel(tmp_path / "job")

    with pytest.raises(CancelledError):
        work(tmp_path / "job", "cpu", jobs.Events(watch))
    length = json.loads((tmp_path / "job" / "schedule.json").read_text())
    assert 1 < length["seconds"] + length["after_s"] < 6
    (estimate,) = estimates(tmp_path / "job")
    assert set(estimate["seconds_per_step"]) == {"supervised", "semi-supervised"}
    assert all(seconds > 0 for seconds in estimate["seconds_per_step"].values())
    assert estimate["look_s"] > 0 and estimate["peak_mb"] > 10
    kept = json.loads((tmp_path / "job" / PREFLIGHT).read_text())
    assert kept["findings"] == [] and kept["estimate"]["iterations"] == length["iterations"]
    small = [e for e in jobs.read_events(tmp_path / "job") if e.get("code") == "budget-small"]
    assert bool(small) == (length["iterations"] + length["semi_iterations"] < 50)

    before = (tmp_path / "job" / "schedule.json").read_bytes()
    folder = work(tmp_path / "job", "cpu")
    assert (tmp_path / "job" / "schedule.json").read_bytes() == before
    about = json.loads((folder / "model.json").read_text())
    assert about["training"]["iterations"] > 2


def test_budget_for_next_to_nothing_is_refused_with_one_that_is_enough(tmp_path, cases, base):
    create(cases, tmp_path / "job", "model", base, recipe=SHORT, minutes=0.001)
    with pytest.raises(JobError, match=r"Only 2 iterations fit into 0.001 minutes.*Give it \d+ minutes") as caught:
        work(tmp_path / "job", "cpu")
    assert caught.value.code == "budget-small"
    assert not (tmp_path / "job" / "schedule.json").exists() and not (tmp_path / "job" / "result").exists()


@pytest.mark.parametrize("made_before", [False, True])
def test_command_with_too_few_minutes_works_with_more(tmp_path, made_before, capsys):
    listed = write_cases(tmp_path, ["labeled", "unlabeled", "held-out"])
    save_tiny(tmp_path / "models" / "tiny-1.0.0", structures=2)
    job = tmp_path / "job"
    if made_before:
        job.mkdir()
    arguments = ["train", "--cases", str(listed), "--job", str(job), "--name", "new", "--device", "cpu"]
    arguments += ["--base", str(tmp_path / "models" / "tiny-1.0.0"), "--batch-size", "2", "--patch", "32"]
    assert main([*arguments, "--minutes", "0.001"]) == 1
    assert "Give it" in capsys.readouterr().err
    left = {path.name for path in job.iterdir()} if made_before else set()
    assert left <= {jobs.EVENTS, PREFLIGHT} and job.exists() == made_before
    assert main([*arguments, "--minutes", "0.05"]) == 0
    assert (job / "result").is_dir()


def test_trial_leaves_no_trace_in_the_result(tmp_path, cases, base, monkeypatch):
    recipe = replace(SHORT, constraint="alm", contrast_weight=0.1)
    plain = train(cases, tmp_path / "plain", "model", base, device="cpu", recipe=recipe)
    assert not estimates(tmp_path / "plain")  # over before an estimate would tell anything
    monkeypatch.setattr("cmaformer.training.timing.WORTH_A_TRIAL", 1)
    tried = train(cases, tmp_path / "tried", "model", base, device="cpu", recipe=recipe)
    (estimate,) = estimates(tmp_path / "tried")
    assert estimate["seconds_left"] > 0 and estimate["iterations"] == 4
    one, two = (torch.load(folder / "weights.pt", weights_only=True) for folder in (plain, tried))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_impossible_budgets_are_refused(tmp_path, cases, base, capsys):
    with pytest.raises(JobError, match="minutes"):
        create(cases, tmp_path / "job", "model", base, recipe=SHORT, minutes=0)
    assert main(["train", "--resume", str(tmp_path / "job"), "--minutes", "0"]) == 1
    assert "more than 0 minutes" in capsys.readouterr().err
