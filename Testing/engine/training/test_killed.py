"""A training that is killed goes on to the very same model; a prepared one is carried to another computer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from tinymodel import save_tiny
from trainingdata import write_cases

from cmaformer.__main__ import main
from cmaformer.cases.reading import read_cases
from cmaformer.door import job as jobs
from cmaformer.models.model import load_model
from cmaformer.recipes.recipe import Recipe
from cmaformer.training.plan import create
from cmaformer.training.work import train, work

RECIPE = Recipe(
    iterations=8,
    semi_iterations=12,
    batch_size=2,
    patch=32,
    evaluate_every=0,
    checkpoint_every=2,
    look_every=6,
    look_slices=3,
    constraint="alm",
    contrast_weight=0.1,
)
RESUME = "import torch; torch.set_num_threads(1); from cmaformer.__main__ import main; raise SystemExit(main())"
# The process kills itself, some random moment after a checkpoint: that does not depend on how fast this computer is.
KILL = """
import os, random, signal, threading
from cmaformer.training.loop import Trainer
save = Trainer.save_checkpoint
def save_and_die(self):
    save(self)
    if self.state.iteration >= int(os.environ["KILL_AFTER"]):
        threading.Timer(random.uniform(0, 0.1), os.kill, (os.getpid(), signal.SIGKILL)).start()
Trainer.save_checkpoint = save_and_die
"""


def environment(**more) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", **more}


def resume(job, code: str = RESUME) -> list[str]:
    return [sys.executable, "-c", code, "train", "--resume", str(job), "--device", "cpu"]


def kill_after(job, iteration: int) -> int:
    """Run the training, killed a moment after the checkpoint of that iteration; returns that of the last checkpoint."""
    process = subprocess.run(resume(job, KILL + RESUME), env=environment(KILL_AFTER=str(iteration)))
    assert process.returncode == -signal.SIGKILL
    assert not jobs.has_result(job) and jobs.state(job) == "interrupted"
    return int(torch.load(job / "checkpoint.pt", weights_only=True)["iteration"])


@pytest.mark.skipif(sys.platform == "win32", reason="processes end otherwise there")
def test_killed_in_both_phases_it_ends_with_the_very_same_weights(tmp_path):
    cases = read_cases(write_cases(tmp_path, ["labeled", "unlabeled", "held-out"]))
    base = save_tiny(tmp_path / "base", structures=2)
    whole = train(cases, tmp_path / "whole", "model", base, device="cpu", recipe=RECIPE, seed=5)

    job = tmp_path / "killed"
    create(cases, job, "model", base, recipe=RECIPE, seed=5)
    work(job, "cpu", prepare_only=True)
    assert kill_after(job, 2) >= 2
    # What a kill can leave behind: half a line, half a checkpoint, half a result.
    with open(job / jobs.EVENTS, "a") as file:
        file.write('{"time": 1, "type": "metr')
    (job / "checkpoint.tmp").write_bytes(b"half")
    (job / "result.tmp").mkdir()
    assert RECIPE.iterations + 2 <= kill_after(job, RECIPE.iterations + 2)
    subprocess.run(resume(job), env=environment(), check=True, stdout=subprocess.DEVNULL)

    one, two = (torch.load(path / "weights.pt", weights_only=True) for path in (whole, job / "result" / "model-1.0.0"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert len([e for e in jobs.read_events(job) if e["type"] == "started"]) == 3
    assert jobs.state(job) == "finished" and not list(job.glob("**/*.tmp"))
    reports = [json.loads((tmp_path / name / "result" / "report.json").read_text()) for name in ("whole", "killed")]
    assert reports[0]["history"] == reports[1]["history"]


def test_prepared_job_is_trained_elsewhere_without_images_and_simpleitk(tmp_path, capsys):
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    path = write_cases(here, ["labeled", "unlabeled", "held-out"])
    save_tiny(here / "models" / "tiny-1.0.0", structures=2)
    short = {"iterations": 2, "semi_iterations": 2, "batch_size": 2, "patch": 32}
    (here / "recipe.json").write_text(json.dumps(short))
    arguments = ["train", "--cases", str(path), "--job", str(here / "job"), "--name", "m", "--prepare-only"]
    arguments += ["--recipe", str(here / "recipe.json"), "--base", "tiny-1.0.0", "--models", str(here / "models")]
    assert main(arguments) == 0
    shutil.move(here / "job", elsewhere)
    shutil.rmtree(here)
    capsys.readouterr()
    blocker = tmp_path / "blocker"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text("import sys\nsys.modules['SimpleITK'] = None  # importing it fails\n")
    variables = environment()
    variables["PYTHONPATH"] = os.pathsep.join([str(blocker), variables["PYTHONPATH"]])
    check = subprocess.run([sys.executable, "-c", "import SimpleITK"], env=variables, capture_output=True, text=True)
    assert "ModuleNotFoundError" in check.stderr  # or the test would show nothing
    subprocess.run(resume(elsewhere), env=variables, check=True, stdout=subprocess.DEVNULL)
    assert load_model(elsewhere / "result" / "m-1.0.0").description.parent == "tiny-1.0.0"
