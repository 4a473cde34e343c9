"""Installing PyTorch in the background, with a program that does what the test says in the place of Python."""

from __future__ import annotations

import json
import sys

import pytest

import standin

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for Python")


@pytest.fixture
def python(module, tmp_path, monkeypatch):
    """Write the script that stands for Slicer's Python; it records its arguments, one line a call."""
    from CMAformerSegmentationLib.computer import torchInstaller

    program = tmp_path / "python"
    monkeypatch.setattr(torchInstaller, "pythonExecutable", lambda: str(program))

    def write(script: str):
        program.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/calls"\n{script}\n')
        program.chmod(0o755)
        return lambda: (tmp_path / "calls").read_text().splitlines()

    return write


@pytest.fixture
def installer(module, tmp_path):
    from CMAformerSegmentationLib.computer.torchInstaller import TorchInstaller

    installer = TorchInstaller(tmp_path / "log" / "install.txt")
    yield installer
    installer.cancel()


def run(installer, **how):
    installer.start(**how)
    standin.processUntil(lambda: installer.poll() != "running")
    return installer.state


def test_the_steps_of_the_pytorch_extension(python, installer):
    calls = python('echo "Successfully installed $4"')
    assert run(installer) == "done" and installer.problem is None
    first, second = calls()
    assert first.startswith("-m pip") and "light-the-torch" in first
    assert second.startswith("-m light_the_torch install torch>=2.6") and second.endswith("torchvision")
    assert installer.lastLine().startswith("Successfully installed")


def test_a_pytorch_that_there_is_stays_until_the_other_is_here(python, installer):
    calls = python("true")
    assert run(installer, replace=True) == "done"
    assert not any("uninstall" in call for call in calls()) and len(calls()) == 3
    first, second = calls()[1:]
    assert "install --force-reinstall --no-deps torch>=2.6" in first and "install torch>=2.6" in second


def test_from_a_folder_without_a_network(python, installer, tmp_path):
    calls = python("true")
    assert run(installer, folder=str(tmp_path / "my wheels")) == "done"
    assert "--no-index --find-links" in calls()[0] and "my wheels" in calls()[0] and len(calls()) == 1


@pytest.mark.parametrize(
    "printed, code, words",
    [
        ("NewConnectionError('<pip>: Failed to establish a new connection')", "no-network", "From folder"),
        ("ProxyError('Cannot connect to proxy.')", "no-network", "HTTPS_PROXY"),
        ("ERROR: No matching distribution found for torch>=2.6", "no-wheel", "pip download"),
        ("OSError: [Errno 28] No space left on device", "disk-full", "Make room"),
        ("[WinError 206] The filename or extension is too long", "long-paths", "short name"),
        ("OSError: [Errno 13] Permission denied: '/opt/Slicer'", "no-permission", "other Slicer windows"),
        ("Traceback: something else", "install-failed", "log"),
    ],
)
def test_failures_in_words(python, installer, printed, code, words):
    python(f"cat << 'END'\n{printed}\nEND\nexit 1")
    assert run(installer) == "failed"
    assert installer.problem.code == code and words in installer.problem.hint and printed in installer.log()


def test_cancelling_ends_the_process_and_its_children(python, installer, tmp_path):
    import time

    python(f'sleep 60 & echo $! > "{tmp_path}/child"\nwait')
    installer.start()
    standin.processUntil(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip())
    begin = time.monotonic()
    installer.cancel()
    assert installer.state == "cancelled" and installer.poll() == "cancelled" and time.monotonic() - begin < 2

    from cmaformer.door.process import is_alive as isAlive

    child = {"pid": int((tmp_path / "child").read_text())}
    standin.processUntil(lambda: not isAlive(child))


def test_a_python_that_is_not_there(installer, tmp_path, monkeypatch):
    from CMAformerSegmentationLib.computer import torchInstaller

    monkeypatch.setattr(torchInstaller, "pythonExecutable", lambda: str(tmp_path / "nothing"))
    installer.start()
    assert installer.state == "failed" and installer.problem.code == "install-failed"


def test_versions(module):
    from CMAformerSegmentationLib.computer.torchInstaller import isTooOld, torchRequirement

    assert torchRequirement("win32") == "torch>=2.6,<2.13" and torchRequirement("linux") == "torch>=2.6"
    assert [isTooOld(version) for version in ("2.2.1+cu121", "2.5.1", "2.6.0", "2.13.0+cpu", "3.0")] == [True] * 2 + [
        False
    ] * 3


@pytest.mark.parametrize("system", ["linux", "win32", "darwin"])
def test_the_offline_command_finds_wheels(module, tmp_path, system):
    """What PyTorch needs beside itself, whose servers are not those of every machine that tests."""
    import subprocess
    import sys

    from CMAformerSegmentationLib.computer.torchInstaller import downloadArguments, wheelHint

    arguments = downloadArguments(system)
    assert " ".join(arguments) in wheelHint(system)
    assert ("whl/cpu" in wheelHint(system)) is (system != "darwin")
    needed = ["filelock", "typing-extensions", "sympy", "networkx", "jinja2", "fsspec", "numpy"]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed"]
    command += ["--target", str(tmp_path / "target"), "--report", str(tmp_path / "report.json"), *arguments, *needed]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.skip("the package index does not answer")
    if done.returncode and "No matching distribution" not in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "report.json").read_text())["install"]
    names = [entry["download_info"]["url"].rsplit("/", 1)[-1] for entry in found]
    assert len(names) >= len(needed) and all(name.endswith(".whl") for name in names)
    built = next(name for name in names if name.startswith("markupsafe"))
    assert {"linux": "manylinux", "win32": "win_amd64", "darwin": "macosx"}[system] in built
