"""The commands, run as people and programs run them."""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from geometries import GRIDS, blobs, geometry
from tinymodel import save_tiny

from cmaformer import __main__ as cli
from cmaformer.commands.console import ProgressBar, duration
from cmaformer.images.volume import read_volume, write_label_map
from cmaformer.models import installed

GRID = GRIDS["anisotropic 1:1:6"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_tiny(folder / "tiny-1.0.0")
    return folder


@pytest.fixture
def image(tmp_path: Path) -> Path:
    write_label_map(tmp_path / "image.nrrd", blobs(GRID), GRID)
    return tmp_path / "image.nrrd"


def command(*arguments: object, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}
    words = [sys.executable, "-m", "cmaformer", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, env=environment, timeout=120, **options)


def test_segment_writes_a_label_map_and_a_table(image: Path, models: Path) -> None:
    out = image.parent / "labels.nii.gz"
    done = command("segment", image, "--model", "tiny-1.0.0", "--models", models, "-o", out, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert read_volume(out).array.shape == GRID.shape_kji
    assert "left ventricle" in done.stdout
    assert " ml" in done.stdout
    assert "of which network" in done.stdout
    assert done.stderr == ""  # no progress bar where no terminal is


@pytest.mark.parametrize("link", [False, True])
def test_the_image_is_never_overwritten(image: Path, models: Path, capsys: pytest.CaptureFixture, link: bool) -> None:
    before, out = image.read_bytes(), image
    if link:
        out = image.with_name("other.nrrd")
        out.symlink_to(image)
    words = ["segment", str(image), "--model", "tiny-1.0.0", "--models", str(models), "-o", str(out)]
    assert cli.main(words) == 2
    assert "never overwritten" in capsys.readouterr().err and image.read_bytes() == before


@pytest.mark.parametrize("name", ["random.py", "numpy.py", "torch.py"])
def test_files_beside_the_command_are_not_taken_for_modules(image: Path, models: Path, name: str) -> None:
    (image.parent / name).write_text("x = 1")
    done = command(
        *("segment", image, "--model", models / "tiny-1.0.0", "-o", image.parent / "out.nrrd"), cwd=image.parent
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the names of files are text")
def test_one_image_with_a_name_that_is_no_text_does_not_stop_the_others(image: Path, models: Path) -> None:
    folder = image.parent / "in"
    folder.mkdir()
    for name in (b"a.nrrd", b"m\xfcller.nrrd", b"z.nrrd"):
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:
            file.write(image.read_bytes())
    done = command("segment", folder, "--model", models / "tiny-1.0.0", "-o", image.parent / "out", "--device", "cpu")
    assert done.returncode == 1
    made = sorted(path.name for path in (image.parent / "out").iterdir())
    assert made == ["a-labels.nrrd", "volumes.csv", "z-labels.nrrd"]
    assert "is not text" in (image.parent / "out" / "volumes.csv").read_text(encoding="utf-8")


def test_segment_prints_events_on_request(image: Path, models: Path, capsys: pytest.CaptureFixture) -> None:
    out = image.parent / "labels.mha"
    arguments = [
        "segment",
        str(image),
        "--model",
        str(models / "tiny-1.0.0"),
        "-o",
        str(out),
        "--device",
        "cpu",
        "--json",
    ]
    assert cli.main([*arguments, "--batch-size", "3", "--no-cleanup"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [e["type"] for e in events if e["type"] != "progress"] == ["started", "finished"]
    assert events[-1]["batch_size"] == 3
    assert "cleanup" not in events[-1]["steps"]
    counts = np.bincount(read_volume(out).array.ravel(), minlength=4)
    assert [s["voxels"] for s in events[-1]["structures"]] == counts[1:].tolist()


@pytest.mark.parametrize("as_json", [False, True])
def test_failures_have_code_one_and_a_message(image: Path, models: Path, capsys, as_json: bool) -> None:
    image.write_bytes(b"nothing")
    arguments = [
        "segment",
        str(image),
        "--model",
        "tiny-1.0.0",
        "--models",
        str(models),
        "-o",
        str(image.parent / "o.mha"),
    ]
    assert cli.main([*arguments, *(["--json"] if as_json else [])]) == 1
    captured = capsys.readouterr()
    if as_json:
        error = json.loads(captured.out.splitlines()[-1])
        assert (error["type"], error["code"]) == ("error", "unreadable-image")
    text = captured.out if as_json else captured.err
    assert ("the file cannot be read" if as_json else "image.nrrd cannot be read") in text
    assert str(image.parent) not in text
    assert "Traceback" not in captured.err
    assert (
        cli.main(
            ["segment", str(image), "--model", "nothing", "--models", str(models), "-o", str(image.parent / "o.mha")]
        )
        == 1
    )
    assert "tiny-1.0.0" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["segment"],
        ["segment", "i.nrrd", "--model", "m"],
        ["segment", "i.nrrd", "--model", "m", "-o", "out.txt"],
        ["segment", "i.nrrd", "--model", "m", "-o", "no/such/folder/out.mha"],
        ["segment", "i.nrrd", "--model", "m", "-o", "out.mha", "--batch-size", "0"],
        ["worker", "--idle-minutes", "soon"],
    ],
)
def test_wrong_usage_has_code_two(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize("name", ["segment", "inspect", "run", "worker", "train", "evaluate"])
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture) -> None:
    assert cli.main([name, "--help"]) == 0
    assert f"cmaformer {name}" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a single process")
def test_control_c_has_code_three_and_leaves_no_file(tmp_path: Path, models: Path) -> None:
    grid = geometry((512, 512, 60))
    write_label_map(tmp_path / "large.mha", np.zeros(grid.shape_kji, np.uint8), grid)
    words = ["segment", tmp_path / "large.mha", "--model", models / "tiny-1.0.0", "-o", tmp_path / "out.mha", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cmaformer", *map(str, words), "--device", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
        # A shell that runs the tests in its background has them ignore Ctrl+C, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for line in process.stdout:
        if json.loads(line)["type"] == "progress":
            break
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 3, error
    assert json.loads(out.splitlines()[-1])["type"] == "cancelled"
    assert [p.name for p in tmp_path.iterdir()] == ["large.mha"]


def test_inspect_prints_the_card(models: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["inspect", str(models / "tiny-1.0.0")]) == 0
    text = capsys.readouterr().out
    for words in (
        "tiny-1.0.0",
        "Random weights, for tests",
        "2 myocardium",
        "1.5 x 1.5 mm",
        "CC0-1.0",
        "A card for people.",
    ):
        assert words in text
    assert cli.main(["inspect", "tiny-1.0.0", "--models", str(models), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Tiny"


def test_inspect_lists_models_and_problems(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "foreign").mkdir()
    assert cli.main(["inspect", "--models", str(models), "--models", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "tiny-1.0.0  Tiny: Random weights" in captured.out
    assert "foreign: model.json is missing" in captured.err


def test_models_are_looked_for_where_a_checkout_and_an_installation_have_them(tmp_path: Path, monkeypatch) -> None:
    package = tmp_path / "lib" / "Slicer-5.12" / "qt-scripted-modules" / "cmaformer"
    places = [
        tmp_path / "own",
        package.parent / "Resources" / "Models",
        package.parent.parent / "Resources" / "Models",
        tmp_path / "share" / "Slicer-5.12" / "CMAformer" / "Resources" / "Models",
    ]
    for place in (package, *places):
        place.mkdir(parents=True)
    monkeypatch.setattr(installed, "__file__", str(package / "models" / "installed.py"))
    later = tmp_path / "later"
    assert installed.model_folders([str(places[0]), str(later)]) == [places[0], later, *places[1:]]


def test_run_does_one_job(tmp_path: Path, models: Path) -> None:
    from segmentjobs import make_job

    job = make_job(tmp_path / "job")
    assert cli.main(["run", str(job), "--models", str(models)]) == 0
    assert cli.main(["run", str(job), "--models", str(models)]) == 1
    assert cli.main(["run", str(make_job(tmp_path / "bad", "nothing")), "--models", str(models)]) == 1
    cancelled = make_job(tmp_path / "cancelled")
    (cancelled / "CANCEL").touch()
    assert cli.main(["run", str(cancelled), "--models", str(models)]) == 3


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_progress_bar_is_for_terminals() -> None:
    for stream, shown in ((io.StringIO(), False), (Terminal(), True)):
        with ProgressBar(stream=stream) as bar:
            bar.show(0, 20, None)
            bar.show(10, 20, 75.2)
            bar.line("A note")
            bar.show(20, 20, 0.0)
        text = stream.getvalue()
        assert ("10/20 slices  1:15 left" in text) == shown
        assert "A note\n" in text
        assert text.endswith("\n")
    assert duration(59.6) == "1:00"


def test_waiting_threads_sleep_unless_the_user_wants_otherwise() -> None:
    """Spinning ones make a segmentation beside a training four to fifty times slower."""
    code = "import os, cmaformer.__main__ as m; m.main(['inspect']); print(os.environ['OMP_WAIT_POLICY'])"
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}
    for given, expected in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        environment.pop("OMP_WAIT_POLICY", None)
        environment.update({"OMP_WAIT_POLICY": given} if given else {})
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == expected


def test_commands_start_fast_without_torch() -> None:
    begin = time.perf_counter()
    done = command("--version")
    assert done.stdout.strip() == "cmaformer 0.1.0"
    assert time.perf_counter() - begin < 20
    code = "import sys; from cmaformer.__main__ import main; main(['--help']); sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}
    assert subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True).returncode == 0


@pytest.mark.parametrize("word", ["small", "[1]", "{", "3"])
def test_what_is_no_settings_of_a_network_is_refused_in_words(word) -> None:
    done = command("train", "--cases", "x.json", "--name", "a", "--job", "no-such", "--network", word)
    assert done.returncode == 2 and f'{word} is no JSON object such as {{"transformer": true}}' in done.stderr


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_option_says_what_it_is(name: str) -> None:
    parser = argparse.ArgumentParser()
    importlib.import_module(f"cmaformer.commands.{name}").add_arguments(parser)
    assert [action.dest for action in parser._actions if not action.help] == []
