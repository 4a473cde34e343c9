"""Processes that are killed at any moment: what they leave is resumed to the same bits, or done again."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from segmentjobs import make_job
from tinymodel import save_tiny
from trainingdata import write_cases

from cmaformer.door import job as jobs
from cmaformer.images.volume import read_volume

HARD = bool(os.environ.get("HARD_TALLY"))
TRAININGS, JOBS = (25, 25) if HARD else (1, 1)
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such kills there")
_ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}


def _weights(job):
    (path,) = (job / "result").glob("*/weights.pt")
    return torch.load(path, weights_only=True)


def test_trainings_killed_at_random_end_with_the_same_weights(tmp_path, tally):
    listed = write_cases(tmp_path, ["labeled", "unlabeled", "held-out"])
    base = save_tiny(tmp_path / "base", structures=2)
    command = [sys.executable, "-m", "cmaformer", "train", "--device", "cpu"]
    new = ["--cases", str(listed), "--name", "new", "--base", str(base.folder), "--iterations", "12"]
    new += ["--semi-iterations", "12", "--batch-size", "2", "--patch", "32", "--evaluate-every", "6"]
    begun = time.monotonic()
    subprocess.run(
        [*command, *new, "--job", str(tmp_path / "whole")], env=_ENVIRONMENT, check=True, capture_output=True
    )
    took, wanted = time.monotonic() - begun, _weights(tmp_path / "whole")
    rng = random.Random(0)
    for number in range(TRAININGS):
        job = tmp_path / f"job{number}"
        arguments = [*new, "--job", str(job)]
        for _ in range(40):
            process = subprocess.Popen([*command, *arguments], env=_ENVIRONMENT, stderr=subprocess.PIPE, text=True)
            try:
                _out, said = process.communicate(timeout=rng.uniform(0.3, 1.2) * took)
                assert process.returncode == 0, said
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
            if (job / "result").exists():  # killed on its way out
                break
            if (job / "job.json").exists():
                arguments = ["--resume", str(job)]
            else:
                shutil.rmtree(job, ignore_errors=True)
        found = _weights(job)
        assert all(torch.equal(found[name], value) for name, value in wanted.items())
        tally("killed trainings", "right")


def test_workers_killed_at_random_leave_a_job_that_another_can_do(tmp_path, tally):
    models = tmp_path / "models"
    save_tiny(models / "tiny-1.0.0")
    command = [sys.executable, "-m", "cmaformer", "run", "--models", str(models)]
    begun = time.monotonic()
    whole = make_job(tmp_path / "whole")
    subprocess.run([*command, str(whole)], env=_ENVIRONMENT, check=True, capture_output=True)
    took, wanted = time.monotonic() - begun, read_volume(whole / "result" / "segmentation.mha").array
    rng = random.Random(1)
    for number in range(JOBS):
        job = make_job(tmp_path / f"job{number}")
        for _ in range(40):
            process = subprocess.Popen([*command, str(job)], env=_ENVIRONMENT, stderr=subprocess.PIPE)
            try:
                process.communicate(timeout=rng.uniform(0.3, 1.3) * took)
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
            assert not (job / "result").exists() or jobs.state(job) == "finished"
        assert jobs.state(job) == "finished"
        assert (read_volume(job / "result" / "segmentation.mha").array == wanted).all()
        tally("killed workers", "right")


def test_a_suspended_training_goes_on(tmp_path, tally):
    listed = write_cases(tmp_path, ["labeled", "held-out"])
    command = [sys.executable, "-m", "cmaformer", "train", "--device", "cpu", "--cases", str(listed), "--name", "new"]
    command += ["--job", str(tmp_path / "job"), "--iterations", "4", "--batch-size", "2", "--patch", "32"]
    process = subprocess.Popen(command, env=_ENVIRONMENT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    time.sleep(1.0)
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    process.send_signal(signal.SIGCONT)
    assert process.wait(120) == 0 and jobs.state(tmp_path / "job") == "finished"
    tally("suspended trainings", "right")
