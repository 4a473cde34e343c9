"""A training that was given minutes ends when they are over, whatever the computer does meanwhile."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from tinymodel import save_tiny
from trainingdata import write_cases

from cmaformer.cases.reading import read_cases
from cmaformer.door import job as jobs
from cmaformer.door.errors import CancelledError
from cmaformer.recipes.recipe import Recipe
from cmaformer.training.plan import create
from cmaformer.training.work import work

SHORT = Recipe(
    iterations=20,
    semi_iterations=10,
    batch_size=2,
    patch=32,
    evaluate_every=0,
    look_slices=3,
    look_every=4,
    warm_up=0.1,
)


class Clock:
    """Time passes with every look at it: as much as the list says, the last one for ever."""

    def __init__(self, *steps: tuple[int, float]) -> None:
        self.steps, self.looks, self.now = list(steps), 0, 0.0

    def __call__(self) -> float:
        self.looks += 1
        self.now += next((step for until, step in self.steps if self.looks <= until), self.steps[-1][1])
        return self.now


@pytest.fixture
def cases(tmp_path):
    return read_cases(write_cases(tmp_path, ["labeled", "unlabeled", "held-out"]))


@pytest.fixture
def base(tmp_path):
    return save_tiny(tmp_path / "base", structures=2)


def shares(folder: Path) -> dict[int, float]:
    rows = (line.split() for line in (folder / "shares.txt").read_text().splitlines())
    return {int(number): float(share) for number, share in rows}


def rates(folder: Path) -> list[float]:
    values = [event.get("values", {}) for event in jobs.read_events(folder)]
    return [value["learning_rate"] for value in values if "learning_rate" in value]


@pytest.mark.parametrize("later", [0.15, 0.5, 3.0])
def test_minutes_are_kept_whatever_the_first_steps_took(tmp_path, cases, base, later, monkeypatch):
    monkeypatch.setattr("cmaformer.training.loop.METRIC_EVERY", 1)
    clock = Clock((100, 0.5), (10**9, later))  # faster, as before, or much slower than when it was planned
    create(cases, tmp_path / "job", "model", base, recipe=SHORT, minutes=3)
    folder = work(tmp_path / "job", "cpu", clock=clock)
    assert 150 < clock.now < 205
    done = json.loads((folder / "model.json").read_text())["training"]["iterations"]
    found = shares(tmp_path / "job")
    assert sorted(found) == list(range(done + 1)) and found[done] >= 1 > found[done - 1]
    assert rates(tmp_path / "job")[-1] < 0.3 * SHORT.learning_rate * 0.25 or later == 3.0
    seconds = [
        e["phase"] for e in jobs.read_events(tmp_path / "job") if "phase" in e and "learning_rate" in e["values"]
    ]
    second = seconds.index("semi-supervised")
    assert found[second] == pytest.approx(2 / 3, abs=0.1)  # of the time, as of the iterations of the recipe


def test_resumed_training_repeats_what_it_had_done(tmp_path, cases, base):
    create(cases, tmp_path / "job", "model", base, recipe=SHORT, minutes=1)

    def stop_at(iteration: int):
        def watch(line: str) -> None:
            if json.loads(line)["type"] == "checkpoint" and json.loads(line)["iteration"] >= iteration:
                jobs.request_cancel(tmp_path / "job")

        return jobs.Events(watch)

    monkeypatched = pytest.MonkeyPatch()
    monkeypatched.setattr("cmaformer.training.loop.CHECKPOINT_S", 5.0)
    with pytest.raises(CancelledError):
        work(tmp_path / "job", "cpu", stop_at(5), clock=Clock((10**9, 0.3)))
    early = (tmp_path / "job" / "checkpoint.pt").read_bytes()
    with pytest.raises(CancelledError):
        work(tmp_path / "job", "cpu", stop_at(15), clock=Clock((10**9, 0.3)))
    monkeypatched.undo()
    later = torch.load(tmp_path / "job" / "checkpoint.pt", weights_only=True)
    journal = shares(tmp_path / "job")
    assert later["iteration"] >= 15 and max(journal) == later["iteration"]

    # As if it had been killed there, and its last checkpoint were the early one: on a computer that is slower now.
    (tmp_path / "job" / "checkpoint.pt").write_bytes(early)
    with open(tmp_path / "job" / "shares.txt", "a") as file:
        file.write(f"{later['iteration'] + 1} 0.9")  # cut short
    again: dict[str, torch.Tensor] = {}

    def watch(line: str) -> None:
        event = json.loads(line)
        if event["type"] == "checkpoint" and event["iteration"] == later["iteration"]:
            again.update(torch.load(tmp_path / "job" / "checkpoint.pt", weights_only=True)["student"])

    monkeypatched.setattr("cmaformer.training.loop.CHECKPOINT_S", 0.0)
    work(tmp_path / "job", "cpu", jobs.Events(watch), clock=Clock((10**9, 0.9)))
    monkeypatched.undo()
    assert again and all(torch.equal(again[name], value) for name, value in later["student"].items())
    kept = shares(tmp_path / "job")
    assert all(kept[number] == share for number, share in journal.items()) and len(kept) > len(journal)


@pytest.mark.parametrize("timed", [False, True])
def test_what_is_left_can_be_given_other_minutes(tmp_path, cases, base, timed):
    create(cases, tmp_path / "job", "model", base, recipe=SHORT, minutes=5 if timed else None)

    def watch(line: str) -> None:
        if json.loads(line)["type"] == "checkpoint" and json.loads(line)["iteration"] >= 4:
            jobs.request_cancel(tmp_path / "job")

    monkeypatched = pytest.MonkeyPatch()
    monkeypatched.setattr("cmaformer.training.loop.CHECKPOINT_S", 0.0)
    with pytest.raises(CancelledError):
        work(tmp_path / "job", "cpu", jobs.Events(watch), clock=Clock((10**9, 0.3)))
    monkeypatched.undo()
    stood = shares(tmp_path / "job") if timed else {4: 4 / 30}
    clock = Clock((10**9, 0.2))
    folder = work(tmp_path / "job", "cpu", minutes=1, clock=clock)
    assert 50 < clock.now < 70
    kept = shares(tmp_path / "job")
    assert all(kept[number] == pytest.approx(share) for number, share in stood.items())
    assert json.loads((folder / "model.json").read_text())["training"]["iterations"] == max(kept) > 30


def test_rate_rises_and_falls_with_the_time():
    recipe = Recipe(learning_rate=1e-2, warm_up=0.1)
    assert recipe.rate_at(0.0, 0) == pytest.approx(1e-2 / 25)
    assert recipe.rate_at(0.5, 3) == pytest.approx(4e-2 / 25)  # never only a few steps
    assert recipe.rate_at(0.1, 500) == pytest.approx(1e-2)
    assert recipe.rate_at(0.55, 500) == pytest.approx(1e-2 * (0.01 + 0.99 * 0.5))
    assert recipe.rate_at(1.2, 500) == pytest.approx(1e-4)
    assert recipe.ramp_at(0.0) == pytest.approx(math.exp(-5)) and recipe.ramp_at(0.3) == 1


def test_short_work_is_saved_every_minute(tmp_path, cases, base):
    create(cases, tmp_path / "job", "model", base, recipe=SHORT)
    work(tmp_path / "job", "cpu", clock=Clock((10**9, 9.0)))  # slow steps: half a minute each
    saved = [e["iteration"] for e in jobs.read_events(tmp_path / "job") if e["type"] == "checkpoint"]
    assert len(saved) > 8 and max(b - a for a, b in zip(saved, saved[1:])) <= 4
