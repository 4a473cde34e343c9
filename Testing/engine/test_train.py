"""Training on a job folder: it learns, stops, goes on to the very same result, and leaves a model that segments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from tinymodel import save_tiny
from trainingdata import phantom, write_cases, write_volume

from cmaformer import job as jobs
from cmaformer import optimizer
from cmaformer.__main__ import main
from cmaformer.cases import CasesError, read_cases
from cmaformer.errors import CancelledError, EngineError, JobError
from cmaformer.metrics import dice
from cmaformer.model import load_model
from cmaformer.network import CMAformer, configuration
from cmaformer.optimizer import build
from cmaformer.recipe import Recipe, preset
from cmaformer.segment import segment
from cmaformer.train import train, work
from cmaformer.training_job import create
from cmaformer.volume import read_volume
from cmaformer.warmstart import warm_start

SHORT = Recipe(iterations=6, batch_size=2, patch=32, evaluate_every=0, checkpoint_every=2)


@pytest.fixture
def cases(tmp_path):
    return read_cases(write_cases(tmp_path, ["labeled", "labeled", "held-out"]))


@pytest.fixture
def base(tmp_path):
    """A tiny network to start from: the same code as a fresh one, in a fraction of the time."""
    return save_tiny(tmp_path / "base", structures=2)


def weights(folder) -> dict[str, torch.Tensor]:
    return torch.load(folder / "weights.pt", weights_only=True)


def test_learns_two_structures_and_the_model_segments_a_held_out_image(tmp_path, cases, base):
    recipe = Recipe(iterations=150, batch_size=4, patch=32, learning_rate=5e-3, evaluate_every=50)
    folder = train(cases, tmp_path / "job", "Disc & ring", base, device="cpu", recipe=recipe)
    assert folder == tmp_path / "job" / "result" / "disc-ring-1.0.0"

    model = load_model(folder)
    held_out = cases.with_role("held-out")[0]
    result = segment(held_out.image, model, device="cpu")
    truth = read_volume(held_out.labels).array
    assert dice(result.labels, truth, 3).min() > 0.8

    about = model.description
    assert about.parent == base.id and [c.name for c in about.classes] == ["ring", "disc"]
    assert about.training["labeled_cases"] == 2 and about.training["iterations"] == 150
    assert about.metrics["held_out_dice"]["disc"]["mean"] > 0.8
    assert "ring" in model.card and "not a medical device" in model.card

    events = jobs.read_events(tmp_path / "job")
    kinds = {event["type"] for event in events}
    assert {"started", "progress", "metric", "checkpoint", "finished"} <= kinds
    curve = [e["values"]["dice_mean"] for e in events if e["type"] == "metric" and "dice" in e["values"]]
    assert len(curve) == 3 and curve[-1] > curve[0]
    assert jobs.state(tmp_path / "job") == "finished"


def test_nothing_that_leaves_the_computer_names_a_case(tmp_path, cases):
    folder = train(cases, tmp_path / "job", "model", device="cpu", recipe=SHORT)
    texts = [
        path.read_text() for path in (folder / "model.json", folder / "card.md", tmp_path / "job" / "events.jsonl")
    ]
    for word in ("Doe", "Jane", str(tmp_path), "image0"):
        assert not any(word in text for text in texts)
    assert b"Doe" not in (folder / "weights.pt").read_bytes()


@pytest.mark.parametrize("stop", [1, 3, 4])
def test_stopped_and_resumed_training_ends_where_an_uninterrupted_one_does(tmp_path, cases, base, stop):
    whole = train(cases, tmp_path / "whole", "model", base, device="cpu", recipe=SHORT, seed=7)

    create(cases, tmp_path / "parts", "model", base, recipe=SHORT, seed=7)
    seen = []

    def watch(line: str) -> None:
        seen.append(json.loads(line))
        if seen[-1]["type"] == "progress" and seen[-1]["unit"] == "iterations" and seen[-1]["done"] == stop:
            jobs.request_cancel(tmp_path / "parts")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cmaformer.trainer.PROGRESS_S", 0.0)  # hear of every iteration
        with pytest.raises(CancelledError):
            work(tmp_path / "parts", "cpu", jobs.Events(watch))
    assert seen[-1]["type"] == "cancelled"
    assert not jobs.has_result(tmp_path / "parts")

    parts = work(tmp_path / "parts", "cpu")
    started = [e for e in jobs.read_events(tmp_path / "parts") if e["type"] == "started"]
    assert started[0]["resumed_at"] == stop
    one, two = weights(whole), weights(parts)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_killed_after_a_checkpoint_goes_on_from_it(tmp_path, cases, base):
    """A kill loses the iterations since the last checkpoint, and they are repeated exactly."""
    whole = train(cases, tmp_path / "whole", "model", base, device="cpu", recipe=SHORT, seed=7)

    create(cases, tmp_path / "killed", "model", base, recipe=SHORT, seed=7)

    class Killed(BaseException):
        pass

    def die(line: str) -> None:
        event = json.loads(line)
        if event["type"] == "progress" and event["unit"] == "iterations" and event["done"] == 5:
            raise Killed  # checkpoints are at 2 and 4

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cmaformer.trainer.PROGRESS_S", 0.0)
        with pytest.raises(Killed):
            work(tmp_path / "killed", "cpu", jobs.Events(die))
    resumed = work(tmp_path / "killed", "cpu")
    one, two = weights(whole), weights(resumed)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_images_that_break_the_loss_end_in_a_clear_error(tmp_path, cases, base):
    create(cases, tmp_path / "job", "model", base, recipe=SHORT)
    work(tmp_path / "job", "cpu", prepare_only=True)
    for path in (tmp_path / "job" / "slices").glob("*.images.npy"):
        np.save(path, np.full_like(np.load(path), np.inf))
    with pytest.raises(EngineError, match="not finite 3 times") as caught:
        work(tmp_path / "job", "cpu")
    assert caught.value.code == "loss-not-finite"
    events = jobs.read_events(tmp_path / "job")
    assert [event.get("code") for event in events].count("loss-not-finite") == 3  # two warnings and the error
    assert events[-1]["type"] == "error"
    assert jobs.state(tmp_path / "job") == "failed"


def test_full_disk_is_named_and_the_training_can_go_on(tmp_path, cases, base):
    create(cases, tmp_path / "job", "model", base, recipe=SHORT)

    def full(state, path):
        raise OSError(28, "No space left on device", str(path))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cmaformer.checkpoints.save_atomically", full)
        with pytest.raises(JobError, match="No space left") as caught:
            work(tmp_path / "job", "cpu")
    assert str(tmp_path) not in str(caught.value)
    assert jobs.state(tmp_path / "job") == "failed"
    assert load_model(work(tmp_path / "job", "cpu")).id == "model-1.0.0"


def test_warm_start_takes_what_fits_and_names_the_rest(tmp_path):
    from cmaformer.network import NetworkConfig

    base = save_tiny(tmp_path / "base", structures=3)
    same = NetworkConfig.from_dict(base.description.network)
    account = warm_start(base, same)[1]
    assert account.left == account.unplaced == [] and account.taken == len(base.network().state_dict())
    other = NetworkConfig.from_dict({**base.description.network, "classes": 6})
    state, account = warm_start(base, other)
    assert sorted(account.left) == ["logits.bias", "logits.weight", "sdm.bias", "sdm.weight"]
    assert account.unplaced == account.left and "start afresh: logits, sdm" in account.message()
    taken = base.network().state_dict()
    assert torch.equal(state["cma1.block.conv1.weight"], taken["cma1.block.conv1.weight"])
    # As many classes, but others: what the heads have learnt means something else.
    assert warm_start(base, same, ["liver", "spleen", "aorta"])[1].left == account.left
    assert warm_start(base, same, ["Right  ventricle", "myocardium", "left ventricle"])[1].left == []


def test_spacing_of_a_fresh_model_is_the_median_of_the_images(tmp_path, cases):
    job = create(cases, tmp_path / "job", "model", recipe=SHORT)
    assert job.parameters["description"]["input"]["spacing_mm"] == [1.5, 1.5]


def test_clean_up_of_the_new_model_is_chosen(tmp_path, cases):
    job = create(cases, tmp_path / "job", "model", recipe=SHORT, largest_component=[2], together=[1, 2])
    wanted = {"largest_component": [2], "fill_holes": [], "together": [1, 2]}
    assert job.parameters["description"]["postprocessing"] == wanted
    with pytest.raises(CasesError, match="no class 3"):
        create(cases, tmp_path / "other", "model", recipe=SHORT, largest_component=[3])
    with pytest.raises(CasesError, match="no class 4"):
        create(cases, tmp_path / "other", "model", recipe=SHORT, together=[1, 4])


def test_job_folders_are_not_used_twice(tmp_path, cases, base):
    train(cases, tmp_path / "job", "model", base, device="cpu", recipe=SHORT)
    with pytest.raises(JobError, match="done"):
        work(tmp_path / "job", "cpu")
    with pytest.raises(JobError, match="already"):
        create(cases, tmp_path / "job", "model", recipe=SHORT)


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


def test_command_line_changes_the_preset(tmp_path, cases):
    cases_file = str(tmp_path / "cases.json")
    settings = tmp_path / "recipe.json"
    settings.write_text(json.dumps({"patch": 64, "iterations": 9}))
    arguments = ["train", "--cases", cases_file, "--job", str(tmp_path / "job"), "--name", "m", "--prepare-only"]
    arguments += ["--preset", "paper", "--recipe", str(settings), "--iterations", "7", "--constraint", "penalty"]
    assert main(arguments) == 0
    recipe = Recipe.from_dict(jobs.read_job(tmp_path / "job").parameters["recipe"])
    assert (recipe.optimizer, recipe.momentum, recipe.patch) == ("sgd", 0.99, 64)
    assert (recipe.iterations, recipe.constraint, recipe.contrast_weight) == (7, "penalty", 0.1)


def test_command_prepares_and_resumes(tmp_path, capsys):
    path = write_cases(tmp_path, ["labeled", "held-out"])
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(SHORT.to_dict()))
    job = str(tmp_path / "job")
    assert main(["train", "--cases", str(path)]) == 2
    assert main(["train", "--cases", str(path), "--job", job, "--name", "m", "--recipe", str(tmp_path / "no")]) == 1
    save_tiny(tmp_path / "models" / "tiny-1.0.0", structures=2)
    arguments = ["--job", job, "--name", "m", "--recipe", str(recipe), "--device", "cpu"]
    arguments += ["--base", "tiny-1.0.0", "--models", str(tmp_path / "models")]
    assert main(["train", "--cases", str(path), *arguments, "--prepare-only"]) == 0
    for file in tmp_path.glob("*.nrrd"):
        file.unlink()  # a prepared job needs its images no more
    elsewhere = "import sys; sys.modules['SimpleITK'] = None; from cmaformer.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", elsewhere, "train", "--resume", job, "--device", "cpu"]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert load_model(tmp_path / "job" / "result" / "m-1.0.0").description.parent == "tiny-1.0.0"
    assert main(["train", "--resume", job]) == 1
    assert "done" in capsys.readouterr().err


def test_command_treats_a_model_to_start_from_with_care(tmp_path):
    path = write_cases(tmp_path, ["labeled", "held-out"])
    about = {"patch": 48, "normalization": {"type": "percentile", "low": 0.5, "high": 99.5}, "spacing_mm": [1.5, 1.5]}
    base = save_tiny(tmp_path / "base", structures=2, input=about)
    assert base.description.input.patch == 48

    def recipe(job: str, *arguments: str) -> Recipe:
        command = ["train", "--cases", str(path), "--job", str(tmp_path / job), "--name", "m", "--prepare-only"]
        assert main([*command, *arguments]) == 0
        return Recipe.from_dict(json.loads((tmp_path / job / "job.json").read_text())["parameters"]["recipe"])

    usual, careful = recipe("fresh"), recipe("base", "--base", str(base.folder))
    assert careful.patch == 48 and usual.patch == Recipe().patch
    assert careful.learning_rate == pytest.approx(usual.learning_rate / 4)
    assert usual.semi_iterations == 0
    asked = recipe("asked", "--base", str(base.folder), "--patch", "64", "--learning-rate", "0.002")
    assert (asked.patch, asked.learning_rate) == (64, 0.002)


def test_command_learns_from_unlabeled_cases_unless_told_otherwise(tmp_path):
    path = write_cases(tmp_path, ["labeled", "unlabeled", "held-out"])
    for number, (arguments, expected) in enumerate((([], 100), (["--semi-iterations", "0"], 0))):
        job = tmp_path / str(number)
        command = ["train", "--cases", str(path), "--job", str(job), "--name", "m", "--prepare-only"]
        assert main([*command, "--iterations", "200", *arguments]) == 0
        recipe = json.loads((job / "job.json").read_text())["parameters"]["recipe"]
        assert (recipe["iterations"], recipe["semi_iterations"]) == (200, expected)


def test_clean_up_is_that_of_the_base_by_name_unless_another_is_wanted(tmp_path, cases):
    about = {"structures": 2, "postprocessing": {"largest_component": [2], "fill_holes": [], "together": [1, 2]}}
    base = save_tiny(tmp_path / "base", **about)
    other = base.description.to_dict()
    assert [c["name"] for c in other["classes"]] == ["right ventricle", "myocardium"]
    renamed = replace(
        cases, structures=tuple(replace(s, name=n) for s, n in zip(cases.structures, ("Myocardium", "x")))
    )

    def cleaned(job, **settings) -> list[int]:
        return job.parameters["description"]["postprocessing"]["largest_component"]

    warm = create(renamed, tmp_path / "a", "model", base)
    assert cleaned(warm) == [1]
    assert warm.parameters["description"]["postprocessing"]["together"] == [1]
    assert cleaned(create(renamed, tmp_path / "b", "model", base, largest_component=[])) == []
    assert cleaned(create(cases, tmp_path / "c", "model", base, largest_component=[2])) == [2]
    assert cleaned(create(cases, tmp_path / "d", "model")) == []


def test_a_training_that_cannot_be_created_says_so_in_its_folder_without_names(tmp_path, capsys):
    path = write_cases(tmp_path, ["labeled", "held-out"])
    (tmp_path / "labels0.nrrd").unlink()
    job = tmp_path / "job"
    job.mkdir()  # by somebody who watches it
    assert main(["train", "--cases", str(path), "--job", str(job), "--name", "model"]) == 1
    assert jobs.state(job) == "failed" and not (job / "job.json").exists()
    told = (job / "events.jsonl").read_text()
    assert "label map" in told and "Doe" not in told and "labels0" not in told
    assert json.loads((job / "preflight.json").read_text())["ok"] is False

    _image, labels = phantom(0)
    write_volume(tmp_path / "labels0.nrrd", labels)
    arguments = ["--iterations", "2", "--patch", "32", "--batch-size", "1", "--evaluate-every", "0"]
    assert main(["train", "--cases", str(path), "--job", str(job), "--name", "model", *arguments]) == 0
    assert jobs.state(job) == "finished"
