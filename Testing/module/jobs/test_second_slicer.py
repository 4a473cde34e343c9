"""Another Slicer, a process of its own, finds a training that runs, and can stop it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import standin

repository = Path(__file__).resolve().parents[3]

# What stands for the engine: it tells that it works, and leaves when it is asked to.
engine = """
import json, sys, time
from pathlib import Path
job = Path(sys.argv[1])
(job / "job.json").write_text("{}")
def tell(**event):
    with open(job / "events.jsonl", "a") as file:
        file.write(json.dumps({"time": time.time(), **event}) + "\\n")
tell(type="started", device="cpu")
tell(type="progress", done=7, total=100, unit="iterations", eta_s=60)
while not (job / "CANCEL").exists():
    time.sleep(0.05)
tell(type="cancelled")
"""

# The other Slicer: it says what it sees, and cancels.
other = """
import json, os, sys
sys.path[:0] = [sys.argv[1] + "/Testing"]
import standin
standin.start()
module = standin.loadModule(sys.argv[1] + "/CMAformerSegmentation/CMAformerSegmentation.py")
import qt
from CMAformerSegmentationLib.jobs import environment
qt.QSettings().setValue(environment.trainingsKey, sys.argv[2])
logic = module.CMAformerSegmentationLogic()
(training,) = logic.jobs()
seen = [training.name, training.state, training.job.progress.done]
training.cancel()
standin.processUntil(lambda: training.poll() or training.ended, timeout=20)
print("\\n" + json.dumps([*seen, training.state, str(training.problem)]))
logic.cleanup()
"""


def test_another_slicer_finds_a_running_training_and_stops_it(module, scene, tmp_path):
    from CMAformerSegmentationLib.training.folder import TrainingFolder
    from CMAformerSegmentationLib.training.job import Training
    from CMAformerSegmentationLib.training.process import TrainingProcess

    files = TrainingFolder.make(tmp_path / "trainings", {"name": "Our hearts", "structures": ["ring"]})
    (files.cases / "cases.json").write_text("{}")
    training = Training(files.path, TrainingProcess(files.path))
    training.begin([sys.executable, "-c", engine, str(files.job)], dict(os.environ), tmp_path)
    try:
        standin.processUntil(lambda: training.poll() or training.job.progress.done == 7)
        command = [sys.executable, "-c", other, str(repository), str(tmp_path / "trainings")]
        environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
        begin = time.monotonic()
        said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True).stdout
        name, state, done, end, problem = json.loads(said.splitlines()[-1])
        assert (name, state, done, end) == ("Our hearts", "running", 7, "cancelled") and "stopped" in problem
        standin.processUntil(lambda: training.poll() or training.ended)
        assert training.state == "cancelled" and time.monotonic() - begin < 60
    finally:
        training.process.kill()
