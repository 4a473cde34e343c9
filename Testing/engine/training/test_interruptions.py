"""What a training does when it is cancelled, when memory is short, and when something unexpected happens."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from tinymodel import describe, save_tiny
from trainingdata import write_cases

from cmaformer.__main__ import main
from cmaformer.cases.reading import read_cases
from cmaformer.data import slices as slicestore
from cmaformer.door import job as jobs
from cmaformer.door.errors import CancelledError, EngineError, JobError
from cmaformer.network.cmaformer import CMAformer, NetworkConfig
from cmaformer.network.memory import PortionedNetwork
from cmaformer.recipes.recipe import Recipe
from cmaformer.training import timing as estimate
from cmaformer.training.plan import create
from cmaformer.training.teaching.pseudo_labels import Labeler
from cmaformer.training.work import train, work

SHORT = Recipe(iterations=2, semi_iterations=3, batch_size=2, patch=32, evaluate_every=0, checkpoint_every=2)
EVERYTHING = replace(SHORT, constraint="alm", contrast_weight=0.1)


@pytest.fixture
def cases(tmp_path):
    return read_cases(write_cases(tmp_path, ["labeled", "unlabeled", "held-out"]))


@pytest.fixture
def base(tmp_path):
    return save_tiny(tmp_path / "base", structures=2)


def codes(folder) -> list[str]:
    return [event["code"] for event in jobs.read_events(folder) if "code" in event]


def same_weights(one, two) -> bool:
    states = [torch.load(folder / "weights.pt", weights_only=True) for folder in (one, two)]
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.fixture
def at_forward(monkeypatch):
    """Call a function before every pass of a network forward, with the number of the pass and of the images."""

    def install(function):
        original, passes = CMAformer.forward, [0]

        def forward(self, x, frame=None):
            passes[0] += 1
            function(passes[0], len(x))
            return original(self, x, frame)

        monkeypatch.setattr(CMAformer, "forward", forward)
        return passes

    return install


def test_cancelled_anywhere_it_saves_and_goes_on_to_the_same_model(tmp_path, cases, base, at_forward):
    """In a step, in the teacher's look at unlabeled slices, at held-out cases, in the final report."""
    recipe = replace(EVERYTHING, look_slices=3)
    whole = train(cases, tmp_path / "whole", "model", base, device="cpu", recipe=recipe)
    create(cases, tmp_path / "parts", "model", base, recipe=recipe)
    requests = {2, 6, 14, 20, 27, 33, 41, 50, 58}

    def cancel(number, images):
        if number in requests:
            jobs.request_cancel(tmp_path / "parts")

    passes, stops = at_forward(cancel), []
    while not jobs.has_result(tmp_path / "parts"):
        try:
            work(tmp_path / "parts", "cpu")
        except CancelledError:
            stops.append(passes[0])
            assert jobs.read_events(tmp_path / "parts")[-1]["type"] == "cancelled"
            assert (tmp_path / "parts" / "checkpoint.pt").exists()
    # Not one more pass after the request.
    assert stops == sorted(requests)[: len(stops)] and len(stops) >= 6
    assert same_weights(whole, tmp_path / "parts" / "result" / "model-1.0.0")
    reports = [json.loads((tmp_path / name / "result" / "report.json").read_text()) for name in ("whole", "parts")]
    assert reports[0]["history"] == reports[1]["history"] and len(reports[0]["history"]) == 2


def test_cancelled_in_the_first_labeling_after_a_trial_it_goes_on(tmp_path, cases, base, monkeypatch):
    """The trial, which tells how long it will take, has labeled some slices for itself."""
    monkeypatch.setattr(estimate, "WORTH_A_TRIAL", 0)
    recipe, folder = replace(SHORT, look_slices=30), tmp_path / "job"
    create(cases, folder, "model", base, recipe=recipe)
    original = Labeler.label

    def cancelling(self, labels, slices, *arguments) -> None:
        if slices == recipe.look_slices:
            monkeypatch.setattr(Labeler, "label", original)
            jobs.request_cancel(folder)
        original(self, labels, slices, *arguments)

    monkeypatch.setattr(Labeler, "label", cancelling)
    with pytest.raises(CancelledError):
        work(folder, "cpu")
    assert Labeler.label is original
    assert work(folder, "cpu").name == "model-1.0.0"


def test_cancelled_while_preparing_it_goes_on_with_the_next_case(tmp_path, cases, base):
    create(cases, tmp_path / "job", "model", base, recipe=SHORT)

    def watch(line: str) -> None:
        event = json.loads(line)
        if event["type"] == "progress" and event["unit"] == "cases" and event["done"] == 1:
            jobs.request_cancel(tmp_path / "job")

    with pytest.raises(CancelledError):
        work(tmp_path / "job", "cpu", jobs.Events(watch))
    assert not (tmp_path / "job" / "slices" / "00002.json").exists()
    assert work(tmp_path / "job", "cpu").name == "model-1.0.0"


def test_cancelled_within_a_case_it_is_prepared_again(tmp_path, cases, base, monkeypatch):
    """Distances of many classes in many slices take a while."""
    create(cases, tmp_path / "job", "model", base, recipe=SHORT)
    slices, original = [], slicestore.signed_distance

    def watch(mask):
        slices.append(mask)
        if len(slices) == 4:
            jobs.request_cancel(tmp_path / "job")
        return original(mask)

    monkeypatch.setattr(slicestore, "signed_distance", watch)
    with pytest.raises(CancelledError):
        work(tmp_path / "job", "cpu")
    assert len(slices) == 4 and not (tmp_path / "job" / "slices" / "00000.json").exists()
    assert work(tmp_path / "job", "cpu").name == "model-1.0.0"


def test_portions_change_neither_the_prediction_nor_the_gradient():
    torch.manual_seed(0)
    network = PortionedNetwork(NetworkConfig.from_dict(describe(2)["network"]))
    images, frames = torch.randn(5, 1, 32, 32), torch.rand(5, 4)
    sizes, gradients = [], []
    network.stem.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    for rows in (None, 2):
        network.rows = rows
        network.zero_grad()
        prediction = network(images, frames)
        loss = prediction.logits.softmax(1)[:, 1].mean() ** 2 + prediction.sdm.mean() ** 2  # no mean over the images
        loss.backward()
        gradients.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    assert sizes == [5, 2, 2, 1, 1, 2, 2]  # whole; in portions; and once more, from the last, for the gradient
    assert gradients[0] and all(torch.allclose(a, b, atol=1e-4 * a.abs().max()) for a, b in zip(*gradients))


def test_short_of_memory_the_batch_goes_through_in_portions(tmp_path, cases, base, at_forward):
    def full(number, images):
        if images > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")

    at_forward(full)
    recipe = replace(EVERYTHING, batch_size=4)
    folder = train(cases, tmp_path / "job", "model", base, device="cpu", recipe=recipe)
    assert codes(tmp_path / "job").count("batch-halved") == 2
    assert json.loads((folder.parent / "report.json").read_text())["patches_at_a_time"] == 1
    state = torch.load(tmp_path / "job" / "checkpoint.pt", weights_only=True)
    assert state["rows"] == 1 and state["iteration"] == 5
    assert int(state["unlabeled"]["constraints.calls"]) == 3  # a step that is repeated counts once


def test_without_memory_for_one_patch_it_ends_with_a_hint(tmp_path, cases, base, at_forward):
    def full(number, images):
        raise torch.OutOfMemoryError("CUDA out of memory")

    passes = at_forward(full)
    create(cases, tmp_path / "job", "model", base, recipe=replace(SHORT, batch_size=4))
    with pytest.raises(EngineError, match="smaller patch") as caught:
        work(tmp_path / "job", "cpu")
    assert caught.value.code == "out-of-memory" and passes[0] == 3
    assert jobs.state(tmp_path / "job") == "failed"


def test_memory_that_runs_out_in_the_optimizer_is_no_half_step(tmp_path, cases, base, monkeypatch):
    whole = train(cases, tmp_path / "whole", "model", base, device="cpu", recipe=SHORT)
    original, calls = torch.optim.AdamW.step, [0]

    def step(self, closure=None):
        calls[0] += 1
        if calls[0] == 4:
            self.param_groups[0]["params"][0].data.zero_()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, closure)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    folder = train(cases, tmp_path / "job", "model", base, device="cpu", recipe=SHORT)
    assert "batch-halved" in codes(tmp_path / "job")
    one, two = (torch.load(path / "weights.pt", weights_only=True) for path in (whole, folder))
    assert all(torch.allclose(one[name], two[name], atol=0.02) for name in one)  # of 5 steps of at most 1e-3


def test_unexpected_failure_is_an_event_without_folders(tmp_path, cases, base, monkeypatch, capsys):
    create(cases, tmp_path / "job", "model", base, recipe=SHORT)

    def fail(*_):
        raise ZeroDivisionError(f"in {tmp_path}")

    monkeypatch.setattr("cmaformer.training.supervised.SupervisedPhase.loss", fail)
    assert main(["train", "--resume", str(tmp_path / "job"), "--device", "cpu"]) == 1
    last = jobs.read_events(tmp_path / "job")[-1]
    assert last["type"] == "error" and last["code"] == "unexpected" and "ZeroDivisionError" in last["message"]
    assert str(tmp_path) not in (tmp_path / "job" / "events.jsonl").read_text()
    assert "Traceback" in capsys.readouterr().err
    assert jobs.state(tmp_path / "job") == "failed"


def test_damaged_checkpoint_is_named(tmp_path, cases, base):
    """A folder that was copied in part, for example."""
    create(cases, tmp_path / "job", "model", base, recipe=SHORT)
    work(tmp_path / "job", "cpu", prepare_only=True)
    (tmp_path / "job" / "checkpoint.pt").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(JobError, match=r"checkpoint\.pt of the training is damaged") as caught:
        work(tmp_path / "job", "cpu")
    assert caught.value.code == "bad-checkpoint" and str(tmp_path) not in str(caught.value)
