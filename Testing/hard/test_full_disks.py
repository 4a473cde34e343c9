"""Files that may not grow beyond so many bytes, as on a disk that is full: a sentence, and what was there stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from forked import forked
from tinymodel import save_tiny
from trainingdata import phantom, write_cases, write_volume

# `make hard` tries every 97th byte, `make test` a few sizes.
HARD = bool(os.environ.get("HARD_TALLY"))
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file sizes")


def limited(arguments: list[str], most: int | None) -> tuple[int, str]:
    """Run a command whose files may have so many bytes; returns the exit code and what it said."""

    def limit() -> None:
        import resource
        import signal

        if most is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    return forked(arguments, limit)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-1.0.0"
    save_tiny(folder, structures=2)
    return folder


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
def test_a_label_map_is_whole_or_not_there(tmp_path, model, suffix, tally):
    write_volume(tmp_path / "image.nrrd", phantom(0)[0])
    output = tmp_path / f"labels{suffix}"
    command = ["segment", str(tmp_path / "image.nrrd"), "-o", str(output), "--model", str(model), "--device", "cpu"]
    assert limited(command, None)[0] == 0
    whole = output.read_bytes()
    output.write_bytes(b"of before")
    for most in range(0, len(whole), 97) if HARD else (0, 1, len(whole) // 2, len(whole) - 1):
        code, said = limited(command, most)
        assert code == 1 and output.read_bytes() == b"of before", (most, said)
        assert "Traceback" not in said and "cannot be written" in said, (most, said)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["image.nrrd", output.name])
        tally("full disk, result", "refused")
    assert limited(command, None)[0] == 0 and output.read_bytes() == whole
    tally("full disk, result", "right")


def test_a_training_says_that_it_cannot_write_and_goes_on_later(tmp_path, model, tally):
    listed = write_cases(tmp_path, ["labeled", "unlabeled", "held-out"])
    command = ["train", "--cases", str(listed), "--name", "new", "--device", "cpu", "--base", str(model)]
    command += ["--iterations", "2", "--semi-iterations", "2", "--batch-size", "2", "--patch", "32"]
    sizes = (0, 100, 2000, 9000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000)
    for most in sizes if HARD else sizes[::3]:
        job = tmp_path / str(most)
        code, said = limited([*command, "--job", str(job)], most)
        if code == 0:
            tally("full disk, training", "right")
            continue
        assert code == 1 and "Traceback" not in said and said.strip(), (most, said)
        assert not (job / "result").exists()
        if (job / "job.json").exists():
            code, said = limited(["train", "--resume", str(job), "--device", "cpu"], None)
            assert code == 0, (most, said)
        tally("full disk, training", "refused")


def test_the_limit_is_one(tmp_path):
    """The test itself: a child that writes more than it may fails."""
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_bytes(b'0' * 100)"
    script = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    script += f"resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)); {code}"
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "file")], capture_output=True)
    assert done.returncode != 0
