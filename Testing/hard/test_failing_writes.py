"""Each write of a command fails in turn, alone or with all that follow: a sentence, and nothing half written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tinymodel import save_tiny
from trainingdata import phantom, write_cases, write_volume

HERE = Path(__file__).resolve().parent
HARD = bool(os.environ.get("HARD_TALLY"))
COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or COMPILER is None, reason="needs Linux and a C compiler"
)
# Of a training, `make hard` lets so many writes fail; of everything else, all.
TRAINING = 40


@pytest.fixture(scope="module")
def shim(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("faults") / "faults.so"
    assert COMPILER is not None
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", str(path), str(HERE / "faults.c"), "-ldl"], check=True)
    return path


def attempts(shim, tmp_path, command, most=0, resume=None, job=""):
    """Every try of a command, whose files are in the folder "work"; the first line is the one without a fault."""
    spec = {"template": str(tmp_path / "template"), "work": str(tmp_path / "work"), "command": command}
    spec.update(most=most, resume=resume, job=job)
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    environment = {**os.environ, "LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, str(HERE / "faults.py"), str(tmp_path / "spec.json"), str(tmp_path / "results")],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    first, *lines = (json.loads(line) for line in (tmp_path / "results").read_text().splitlines())
    assert first["count"] > 1 and len(lines) > 1, "nothing was counted: is the library preloaded?"
    return first, lines


def in_words(line):
    """Whether a command that failed said why in one sentence."""
    said = line["said"]
    assert line["code"] in (1, 2), line
    assert "Traceback" not in said and "unexpected" not in said.lower(), said
    words = said.lower()
    assert any(word in words for word in ("no space", "full", "cannot be written", "could not be written")), said
    return True


def judge(first, lines, tally, kind, ignored=()):
    """Files are those of before or those that were to be, and nothing else is there."""
    for line in lines:
        where = (line["at"], line["following"], line["said"])
        for name, content in line["after"].items():
            if not name.endswith(tuple(ignored)):
                assert content in (first["before"].get(name), first["whole"].get(name)), (name, where)
        missing = set(first["before"]) - set(line["after"])
        assert not missing, (missing, where)
        if line["code"] == 0:
            assert set(line["after"]) == set(first["whole"]), where
            for name, content in first["whole"].items():
                assert name.endswith(tuple(ignored)) or line["after"][name] == content, (name, where)
            tally(kind, "right")
        else:
            assert in_words(line)
            tally(kind, "refused")


@pytest.fixture
def template(tmp_path) -> Path:
    folder = tmp_path / "template"
    folder.mkdir()
    for name in ("data", "images"):
        (tmp_path / name).mkdir()
    save_tiny(tmp_path / "tiny-1.0.0", structures=2)
    return folder


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".seg.nrrd", ".mha"] if HARD else [".nii.gz"])
def test_a_label_map(shim, tmp_path, template, suffix, tally):
    write_volume(tmp_path / "image.nrrd", phantom(0)[0])
    (template / f"labels{suffix}").write_bytes(b"of before")
    output = tmp_path / "work" / f"labels{suffix}"
    command = ["segment", str(tmp_path / "image.nrrd"), "-o", str(output), "--model", str(tmp_path / "tiny-1.0.0")]
    first, lines = attempts(shim, tmp_path, [*command, "--device", "cpu"])
    judge(first, lines, tally, "failing writes, label map")


def test_many_label_maps_and_their_table(shim, tmp_path, template, tally):
    for number in range(3):
        write_volume(tmp_path / "images" / f"case{number}.nrrd", phantom(number)[0])
    command = ["segment", str(tmp_path / "images"), "-o", str(tmp_path / "work" / "out"), "--device", "cpu"]
    command += ["--model", str(tmp_path / "tiny-1.0.0"), "--skip-done"]
    (template / "out").mkdir()
    first, lines = attempts(shim, tmp_path, command)
    for line in lines:
        where = (line["at"], line["following"], line["said"])
        # One that fails does not stop the rest: what is there is whole, and the table tells of all.
        for name, content in line["after"].items():
            assert content == first["whole"].get(name) or name == "out/volumes.csv", (name, where)
        if line["code"] == 0:
            assert line["after"] == first["whole"], where
        tally("failing writes, many", "right" if line["code"] == 0 else "refused")
        assert line["code"] == 0 or in_words(line)


@pytest.mark.skipif(not HARD, reason="only with make hard")
@pytest.mark.parametrize("what", ["evaluate", "export", "report", "uncertainty"])
def test_other_results(shim, tmp_path, template, what, tally):
    listed = write_cases(tmp_path / "data", ["labeled", "unlabeled", "held-out"])
    image, labels = (sorted((tmp_path / "data").glob(f"{kind}*"))[0] for kind in ("image", "label"))
    model, work = str(tmp_path / "tiny-1.0.0"), tmp_path / "work"
    commands = {
        "evaluate": ["evaluate", "--cases", str(listed), "--model", model, "--csv", str(work / "dice.csv")],
        "export": ["export", "--cases", str(listed), "-o", str(work / "Dataset001_Hearts")],
        "report": ["report", str(image), str(labels), "--model", model, "-o", str(work / "page.html")],
        "uncertainty": ["segment", str(image), "--model", model, "-o", str(work / "a.nrrd"), "--uncertainty"],
    }
    (template / {"evaluate": "dice.csv", "report": "page.html", "uncertainty": "a.nrrd"}.get(what, "x")).write_text("a")
    command = commands[what] + ([] if what == "export" else ["--device", "cpu"])
    first, lines = attempts(shim, tmp_path, command)
    judge(first, lines, tally, "failing writes, other results", ignored=[".html"])


@pytest.mark.skipif(not HARD, reason="only with make hard")
def test_a_training_goes_on_to_the_same_weights(shim, tmp_path, template, tally):
    listed = write_cases(tmp_path / "data", ["labeled", "unlabeled", "held-out"])
    job = str(tmp_path / "work" / "job")
    command = ["train", "--cases", str(listed), "--name", "new", "--device", "cpu", "--job", job]
    command += ["--base", str(tmp_path / "tiny-1.0.0"), "--iterations", "2", "--semi-iterations", "2"]
    command += ["--batch-size", "2", "--patch", "32"]
    resume = ["train", "--resume", job, "--device", "cpu"]
    first, lines = attempts(shim, tmp_path, command, TRAINING, resume, "job")
    weights = next(name for name in first["whole"] if name.endswith("weights.pt"))
    for line in lines:
        where = (line["at"], line["following"], line["said"], line.get("said_again"))
        if line["code"] == 0:
            assert line["after"][weights] == first["whole"][weights], where
            tally("failing writes, training", "right")
            continue
        assert in_words(line), where
        assert line["again"] == 0 and line["resumed"][weights] == first["whole"][weights], where
        tally("failing writes, training", "refused")
