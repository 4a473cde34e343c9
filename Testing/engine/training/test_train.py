"""Training on a job folder: it learns, stops, goes on to the very same result, and leaves a model that segments."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tinymodel import save_tiny
from trainingdata import SHORT, write_cases

from cmaformer.cases.case_list import CasesError
from cmaformer.cases.reading import read_cases
from cmaformer.door import job as jobs
from cmaformer.door.errors import CancelledError, EngineError, JobError
from cmaformer.images.volume import read_volume
from cmaformer.models.model import load_model
from cmaformer.recipes.recipe import Recipe
from cmaformer.segmenting.metrics import dice
from cmaformer.segmenting.segment import segment
from cmaformer.training.plan import create
from cmaformer.training.warm_start import warm_start
from cmaformer.training.work import train, work


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
        patch.setattr("cmaformer.training.loop.PROGRESS_S", 0.0)  # hear of every iteration
        with pytest.raises(CancelledError):
            work(tmp_path / "parts", "cpu", jobs.Events(watch))
    assert seen[-1]["type"] == "cancelled"
    assert not jobs.has_result(tmp_path / "parts")

    parts = work(tmp_path / "parts", "cpu")
    started = [e for e in jobs.read_events(tmp_path / "parts") if e["type"] == "started"]
    assert started[0]["resumed_at"] == stop
    one, two = weights(whole), weights(parts)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_whole_slices_and_batch_norm_go_on_to_the_same_model_too(tmp_path, cases):
    """The running statistics of student and teacher are in the checkpoint; the model says how to be looked through."""
    tiny = {"widths": [8, 8, 8, 16, 16, 16], "heads": 4, "depth": 1, "layout": "pyramid", "norm": "batch"}
    recipe = replace(SHORT, patch=64, whole=True, coarse=0.7)
    choices = {"recipe": recipe, "network": {**tiny, "gated": True}, "seed": 7}
    whole = train(cases, tmp_path / "whole", "model", None, device="cpu", **choices)

    create(cases, tmp_path / "parts", "model", None, **choices)

    def watch(line: str) -> None:
        event = json.loads(line)
        if event["type"] == "progress" and event["unit"] == "iterations" and event["done"] == 3:
            jobs.request_cancel(tmp_path / "parts")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cmaformer.training.loop.PROGRESS_S", 0.0)
        with pytest.raises(CancelledError):
            work(tmp_path / "parts", "cpu", jobs.Events(watch))
    one, two = weights(whole), weights(work(tmp_path / "parts", "cpu"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    means = [value for name, value in one.items() if name.endswith("running_mean")]
    assert means and all(value.abs().sum() > 0 for value in means)
    model = load_model(whole)
    assert model.description.network["norm"] == "batch" and model.description.input.patch is None  # whole slices
    result = segment(cases.with_role("held-out")[0].image, model, device="cpu")
    assert result.labels.shape == read_volume(cases.with_role("held-out")[0].image).array.shape


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
        patch.setattr("cmaformer.training.loop.PROGRESS_S", 0.0)
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
    index = tmp_path / "job" / "slices" / "index.json"
    content = json.loads(index.read_text())
    index.write_text(json.dumps({**content, "cases": [{**case, "crc32": {}} for case in content["cases"]]}))
    with pytest.raises(EngineError, match="not finite 3 times") as caught:
        work(tmp_path / "job", "cpu")
    assert caught.value.code == "loss-not-finite"
    events = jobs.read_events(tmp_path / "job")
    assert [event.get("code") for event in events].count("loss-not-finite") == 3  # two warnings and the error
    assert events[-1]["type"] == "error"
    assert jobs.state(tmp_path / "job") == "failed"


def test_full_disk_is_named_and_the_training_can_go_on(tmp_path, cases, base):
    create(cases, tmp_path / "job", "model", base, recipe=SHORT)

    def full(state, file):
        file.write(b"0" * 1000)
        raise OSError(28, "No space left on device", str(tmp_path))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.save", full)
        with pytest.raises(JobError, match=r"disk .* is full: \d+ MB are needed for a checkpoint") as caught:
            work(tmp_path / "job", "cpu")
    assert not list((tmp_path / "job").glob("*.tmp"))
    assert str(tmp_path) not in str(caught.value)
    assert jobs.state(tmp_path / "job") == "failed"
    assert load_model(work(tmp_path / "job", "cpu")).id == "model-1.0.0"


def test_warm_start_takes_what_fits_and_names_the_rest(tmp_path):
    from cmaformer.network.cmaformer import NetworkConfig

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
    # As many classes, but others: what the heads have learned means something else.
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


@pytest.mark.parametrize(
    ("name", "id_"), [("肝臓", "肝臓-1.0.0"), ("Печень 2", "печень-2-1.0.0"), ("Foie_gras!", "foie-gras-1.0.0")]
)
def test_a_model_may_be_named_in_any_script(tmp_path, cases, base, name, id_):
    recipe = replace(SHORT, iterations=2)
    folder = train(cases, tmp_path / "job", name, base, device="cpu", recipe=recipe)
    assert folder.name == id_ and load_model(folder).id == id_


def test_job_folders_are_not_used_twice(tmp_path, cases, base):
    train(cases, tmp_path / "job", "model", base, device="cpu", recipe=SHORT)
    with pytest.raises(JobError, match="done"):
        work(tmp_path / "job", "cpu")
    with pytest.raises(JobError, match="already"):
        create(cases, tmp_path / "job", "model", recipe=SHORT)


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
