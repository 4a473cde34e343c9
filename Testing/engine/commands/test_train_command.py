"""The command train: its arguments, its exit codes, and the folder of a training that cannot be created."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tinymodel import save_tiny
from trainingdata import SHORT, phantom, write_cases, write_volume

from cmaformer.__main__ import main
from cmaformer.door import job as jobs
from cmaformer.models.model import load_model
from cmaformer.recipes.recipe import Recipe


def test_command_line_changes_the_preset(tmp_path):
    cases_file = str(write_cases(tmp_path, ["labeled", "labeled", "held-out"]))
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
    assert careful.patch == 48 and (usual.patch, usual.batch_size) == (64, 16)  # small images, small structures
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


@pytest.mark.parametrize(
    ("arguments", "attention", "norm"),
    [
        (["--iterations", "2"], True, "batch"),
        (["--minutes", "60"], False, "batch"),
        (["--minutes", "240"], True, "batch"),
        (["--minutes", "60", "--network", '{"transformer": true}'], True, "batch"),
        (["--minutes", "60", "--preset", "paper"], True, "group"),
    ],
)
def test_short_trainings_leave_attention_out_unless_it_is_asked_for(tmp_path, arguments, attention, norm):
    path = write_cases(tmp_path, ["labeled", "held-out"])
    command = ["train", "--cases", str(path), "--job", str(tmp_path / "job"), "--name", "m", "--prepare-only"]
    assert main([*command, *arguments]) == 0
    network = json.loads((tmp_path / "job" / "job.json").read_text())["parameters"]["network"]
    assert (network["transformer"], network["norm"]) == (attention, norm)
