"""Trainings whose words, cases, disks or files are wrong: said before hours are spent, or nothing is lost."""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path

import numpy as np
import pytest
from tinymodel import save_tiny
from trainingdata import SHORT, write_cases

from cmaformer.__main__ import main
from cmaformer.cases.reading import read_cases
from cmaformer.door.errors import JobError
from cmaformer.door.job import read_events
from cmaformer.models.model import load_model
from cmaformer.training.plan import create
from cmaformer.training.work import train, work


@pytest.fixture
def cases(tmp_path):
    return read_cases(write_cases(tmp_path, ["labeled", "labeled", "held-out"]))


@pytest.fixture
def base(tmp_path):
    return save_tiny(tmp_path / "base", structures=2)


def test_a_computer_called_like_a_structure_trains_it(tmp_path, cases, base, monkeypatch, tally):
    monkeypatch.setattr(platform, "node", lambda: "disc")
    folder = train(cases, tmp_path / "job", "Ring and disc", base, device="cpu", recipe=SHORT)
    assert load_model(folder).description.classes[1].name == "disc"
    tally("name of the computer", "right")


@pytest.mark.parametrize("words", ["for zaphod", "Zaphod", "/data/patients/Doe", r"C:\\Doe"])
def test_names_in_the_title_are_said_before_the_training(tmp_path, cases, base, monkeypatch, words, tally):
    monkeypatch.setattr(platform, "node", lambda: "zaphod.clinic")
    with pytest.raises(JobError, match="names a folder, a user or this computer") as caught:
        create(cases, tmp_path / "job", "hearts", base, recipe=SHORT, facts={"title": words})
    assert "Choose other words" in caught.value.hint and not (tmp_path / "job").exists()
    tally("name of the computer", "refused")


def test_what_was_trained_elsewhere_is_saved_without_the_name_of_that_computer(
    tmp_path, cases, base, monkeypatch, tally
):
    create(cases, tmp_path / "job", "hearts of zaphod", base, recipe=SHORT, facts={"title": "Hearts by zaphod"})
    monkeypatch.setattr(platform, "node", lambda: "zaphod")
    model = load_model(work(tmp_path / "job", "cpu"))
    assert "zaphod" not in json.dumps(model.description.data["title"]) and model.network()
    assert "words-withheld" in {event.get("code") for event in read_events(tmp_path / "job")}
    tally("name of the computer", "warned")


def test_broken_cases_are_all_named_and_left_out_on_request(tmp_path, capsys, tally):
    listed = write_cases(tmp_path, ["labeled"] * 5 + ["held-out"])
    (tmp_path / "image1.nrrd").write_text("no image")
    (tmp_path / "labels2.nrrd").unlink()
    (tmp_path / "image3.nrrd").write_bytes((tmp_path / "image3.nrrd").read_bytes()[:-100])
    command = ["train", "--cases", str(listed), "--name", "new", "--device", "cpu", "--patch", "32"]
    command += ["--iterations", "2", "--batch-size", "2"]
    assert main([*command, "--job", str(tmp_path / "all")]) == 1
    said = capsys.readouterr().err
    assert all(f"Case {number}" in said for number in (2, 3, 4)) and "--skip-broken" in said
    tally("broken cases", "refused")
    assert main([*command, "--job", str(tmp_path / "some"), "--skip-broken"]) == 0
    said = capsys.readouterr().err
    assert said.count("left out:") == 3 and "3 of 6 cases are left out" in said
    (model,) = (tmp_path / "some" / "result").glob("*/model.json")
    assert json.loads(model.read_text())["training"]["labeled_cases"] == 2
    tally("broken cases", "right")


def test_a_long_list_is_read_in_seconds(tmp_path, tally):
    image = tmp_path / "image.nrrd"
    image.touch()
    cases = [{"name": f"case {n}", "image": str(image), "role": "unlabeled"} for n in range(100_000)]
    cases[0] = {"name": "case 0", "image": str(image), "labels": str(image)}
    (tmp_path / "cases.json").write_text(json.dumps({"classes": {"1": "heart"}, "cases": cases}))
    begun = time.perf_counter()
    assert len(read_cases(tmp_path / "cases.json").cases) == 100_000
    assert time.perf_counter() - begun < 10
    tally("long list", "right")


@pytest.mark.parametrize("kind", ["images", "labels", "distances"])
@pytest.mark.parametrize("damage", ["one bit", "cut short", "gone"])
def test_slices_that_were_damaged_on_the_way_are_not_learned_from(tmp_path, cases, base, kind, damage, tally):
    create(cases, tmp_path / "job", "model", base, recipe=SHORT)
    slices = work(tmp_path / "job", "cpu", prepare_only=True)
    spoil(slices / f"00001.{kind}.npy", damage)
    with pytest.raises(JobError, match="slices of case 2 are missing or damaged"):
        work(tmp_path / "job", "cpu")
    tally("carried job", "refused")


@pytest.mark.parametrize("damage", ["one bit", "cut short"])
def test_a_damaged_checkpoint_is_not_gone_on_from(tmp_path, cases, base, damage, tally):
    create(cases, tmp_path / "job", "model", base, recipe=SHORT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cmaformer.training.result.finish", lambda trainer: 1 / 0)
        with pytest.raises(Exception, match="unexpected failure"):
            work(tmp_path / "job", "cpu")
    good = (tmp_path / "job" / "checkpoint.pt").read_bytes()
    spoil(tmp_path / "job" / "checkpoint.pt", damage)
    with pytest.raises(JobError, match=r"checkpoint\.pt of the training is damaged"):
        work(tmp_path / "job", "cpu")
    (tmp_path / "job" / "checkpoint.pt").write_bytes(good)
    assert load_model(work(tmp_path / "job", "cpu")).network()  # with the whole one, it ends
    tally("carried job", "refused")


def spoil(path: Path, damage: str) -> None:
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
        return
    if damage == "one bit":
        rng = np.random.default_rng(0)
        data[int(rng.integers(len(data) // 4, 3 * len(data) // 4))] ^= 16
    path.write_bytes(data if damage == "one bit" else data[: len(data) // 2])
