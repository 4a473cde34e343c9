"""The commands and blocks of code of README.md and the documentation, each run on small real files of those names.

What would take hours is made short: see `TINY`, `torchrun` and readme/console.py. What cannot be run here is in
`NOT_RUN`, with the reason; a command that is neither run nor listed fails `test_every_command_is_run_or_says_why_not`.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import readme
from cmaformer.__main__ import CANCELLED, main
from cmaformer.door import job as jobs
from cmaformer.training import loop as trainer
from readme.examples import FILES, console, listed

ROOT = readme.repository
BLOCKS = readme.blocks()
INLINE = readme.inline_commands()

# Added to every training that begins: a tiny network, two steps a phase.
NETWORK = '{"widths": [8, 8, 8, 16, 16, 16], "heads": 2, "depth": 1, "pooled": 4}'
TINY = ["--iterations", "2", "--semi-iterations", "2", "--batch-size", "2", "--patch", "32", "--network", NETWORK]

# Stops the training that is resumed afterwards.
TOUCH = "touch training/CANCEL"

# Why a command is not run here.
NOT_RUN = {
    "git clone --depth 1 https://github.com/CMAformer/SlicerCMAformer": "needs the network",
    "pip install ./SlicerCMAformer": "would change this environment; `make install` installs the same package in it",
    "make install": "made the environment that runs this test",
    'make install PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"': "the CI of GitHub does this",
    "apt-get install libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1": "changes the computer; .ci/run does it",
    "make test": "runs this test",
    "make lint": "a step of its own of .ci/run",
    "make demo": "Testing/test_demo.py runs what it runs, and looks at what is found",
    "make pictures": "the tests that it runs are those of Testing/module; it would change the repository",
    ".venv/bin/python -m cmaformer ...": "the dots stand for the commands that are run",
    "torchrun --nproc_per_node=4 -m cmaformer segment ...": "Testing/engine/test_cohort.py: two processes share images",
    "torchrun --nnodes=2": "needs two computers; its parts but the addresses are those of the command before it",
    "#!/bin/bash": "needs Slurm",
}


def not_run(command: str) -> bool:
    """Whether the command is in the list: whole, or, where it is long, by its beginning."""
    return command in NOT_RUN or command.startswith(("torchrun --nnodes=2", "#!/bin/bash"))


def engine_command(command: str) -> bool:
    """Whether the tests below run it as a command of the engine."""
    return command.startswith(("python -m cmaformer ", "torchrun --standalone "))


def demo_command(command: str) -> bool:
    """Whether the test of the demo runs it."""
    return command.startswith("make demo ")


def sections() -> list[str]:
    """Those with something for the engine: commands, or Python that imports it."""

    def runs(block: readme.Block) -> bool:
        python = block.language == "python" and "import cmaformer" in block.text
        return python or any(map(engine_command, block.commands()))

    found = [block.section for block in BLOCKS if runs(block)]
    return list(dict.fromkeys(found))


def test_every_command_is_run_or_says_why_not() -> None:
    commands = [command for block in BLOCKS for command in block.commands()] + INLINE
    assert len(commands) > 30
    ways = (engine_command, demo_command, not_run, lambda command: command == TOUCH)
    assert {c: n for c in commands if (n := sum(way(c) for way in ways)) != 1} == {}
    unknown = {start for start in NOT_RUN if not any(command.startswith(start) for command in commands)}
    assert unknown == set(), "these are in no page any more"
    assert {block.language for block in BLOCKS} <= {"", "python", "json", "text"}
    assert set(sections()) == set(FILES)


def cases_of(section: str) -> str | None:
    """The list of cases that a section shows, or else the one that was shown last."""
    order = [block.section for block in BLOCKS]
    last = len(order) - order[::-1].index(section)
    own = [block.text for block in BLOCKS if block.section == section and block.language == "json"]
    earlier = [block.text for block in BLOCKS[:last] if block.language == "json"]
    return own[0] if own else (earlier or [None])[-1]


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize("section", sections())
def test_the_commands_of_a_section(section: str, tmp_path: Path, monkeypatch, capsys, one_thread) -> None:
    """In their order, in one folder, with the Python blocks of the engine between them."""
    monkeypatch.chdir(tmp_path)
    FILES[section](tmp_path)
    text = cases_of(section)
    if text is not None:
        listed(tmp_path, text)
    own = [block for block in BLOCKS if block.section == section]
    commands = [command for block in own for command in block.commands()]
    for block in own:
        if block.language == "python":
            exec(compile(block.text, f"README.md, {section}", "exec"), {})
        for command in filter(engine_command, block.commands()):
            arguments = expanded(command, tmp_path)
            later = commands[commands.index(command) + 1 :]
            if stops(arguments, later):
                stop_in_the_middle(arguments, monkeypatch)
            elif arguments[0] == "torchrun":
                torchrun(arguments)
            else:
                code = main(arguments)
                assert code == 0, f"{command}\n{capsys.readouterr().err}"
            for option in ("-o", "--csv"):
                if option in arguments:
                    assert Path(arguments[arguments.index(option) + 1]).exists(), command
            capsys.readouterr()


def expanded(command: str, folder: Path) -> list[str]:
    """The arguments of the engine's command as a shell gives them, short and on the processor."""
    words = [word.replace("/shared/", f"{folder.as_posix()}/") for word in shlex.split(command)]
    words = [found for word in words for found in (sorted(glob.glob(word)) if "*" in word else [word])]
    if words[0] == "torchrun":
        return words
    words = words[words.index("cmaformer") + 1 :]
    if words[0] == "train" and "--cases" in words:
        words += TINY
    return words + (["--device", "cpu"] if words[0] in ("segment", "train", "evaluate") else [])


def stops(arguments: list[str], later: list[str]) -> bool:
    """Whether the training of the command is one that README.md resumes, and is not only prepared."""
    if arguments[0] != "train" or "--job" not in arguments or "--prepare-only" in arguments:
        return False
    return any(f"--resume {arguments[arguments.index('--job') + 1]}" in command for command in later)


def stop_in_the_middle(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin the training and stop it after a step, with the `touch` of README.md."""
    job = Path(arguments[arguments.index("--job") + 1])
    touched = Path(TOUCH.split()[1])
    assert touched == job / "CANCEL"
    tell = trainer.Trainer.report_progress

    def told(self, *values):
        tell(self, *values)
        touched.touch()

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "METRIC_EVERY", 1)
        patch.setattr(trainer.Trainer, "report_progress", told)
        assert main(arguments) == CANCELLED
    assert jobs.state(job) == "cancelled"


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "QT_QPA_PLATFORM": "offscreen", "PYTHONUTF8": "1", **changes}


def torchrun(arguments: list[str]) -> None:
    """With two processes instead of more, on processors."""
    words = [re.sub(r"^--nproc_per_node=\d+$", "--nproc_per_node=2", word) for word in arguments[1:]]
    path = str(ROOT / "CMAformerSegmentation")
    started = subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *words, "--device", "cpu"],
        env=environment(PYTHONPATH=path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = started.communicate(timeout=300)
    except BaseException:
        os.killpg(started.pid, signal.SIGKILL)  # torchrun's processes too
        raise
    assert started.returncode == 0, errors
    assert Path(output.split()[-1]).is_dir()


@pytest.mark.slow
def test_the_blocks_for_slicers_console(tmp_path: Path) -> None:
    data = tmp_path / "data"
    console(data)
    script = Path(readme.__file__).with_name("console.py")
    done = subprocess.run([sys.executable, str(script), str(data)], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "cardiac-cine-mr-1.4.0" in done.stdout  # the list of models


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not on this computer")
def test_the_demo_on_a_volume_of_ones_own(tmp_path: Path) -> None:
    """What make would run is run here: make itself would look after the environment first."""
    FILES["Segment"](tmp_path)
    commands = [command for block in BLOCKS for command in block.commands() if demo_command(command)]
    assert len(commands) == 3
    running = []
    for command in commands:
        make = ["make", "--no-print-directory", "-n", *command.split()[1:]]
        line = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
        path, _python, *arguments = shlex.split(line)
        arguments[arguments.index("--output") + 1] = f"demo{len(running)}"
        program = [sys.executable, *arguments]
        folders = path.removeprefix("PYTHONPATH=").split(":")
        changed = environment(PYTHONPATH=os.pathsep.join(str(ROOT / folder) for folder in folders))
        running.append(subprocess.Popen(program, cwd=tmp_path, env=changed, stderr=subprocess.PIPE, text=True))
    ends = [process.communicate(timeout=300)[1] for process in running]
    assert ends == [""] * 3 and [process.returncode for process in running] == [0] * 3
    for number in range(len(running)):
        assert {path.suffix for path in (tmp_path / f"demo{number}").iterdir()} == {".nrrd", ".stl", ".png"}


def test_commands_within_sentences(capsys) -> None:
    found = [command for command in INLINE if engine_command(command)]
    assert found
    for command in found:
        assert main(expanded(command, Path())) == 0
        assert capsys.readouterr().out


def test_options_within_sentences_exist(capsys) -> None:
    """Every option that a sentence names is one of some command, of make's, torchrun's or pip's."""
    known = {"--nproc_per_node", "--extra-index-url", "--help", "--depth"}
    for command in ("segment", "check", "train", "evaluate", "function", "inspect", "next", "report", "export"):
        assert main([command, "--help"]) == 0
        known |= set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))
    prose = re.sub(r"^```.*?^```", "", readme.text(), flags=re.S | re.M)
    spans = re.findall(r"`([^`]+)`", prose)
    named = {option for span in spans for option in re.findall(r"(?<![\w-])--[a-z][a-z_-]*", span)}
    assert len(named) > 10
    assert named - known == set()


def test_pages_are_for_reading() -> None:
    """README.md is a page and a half, every page is in both indexes, and lines of prose are short."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
    pages = {path.name for path in readme.DOCUMENTATION.glob("*.md")}
    assert pages == {path.name for path in readme.PAGES}
    for index, prefix in ((ROOT / "README.md", "Resources/Documentation/"), (readme.DOCUMENTATION / "README.md", "")):
        text = index.read_text(encoding="utf-8")
        assert [page for page in pages - {"README.md"} if f"]({prefix}{page})" not in text] == []
    for page in readme.PAGES:
        prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
        assert [line for line in prose.splitlines() if len(line) > 118 and line[:1] not in "|!"] == [], page.name


def test_messages_of_the_troubleshooting_page_are_those_of_the_code() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "CMAformerSegmentation").rglob("*.py"))
    joined = re.sub(r'"\s*\n\s*f?"', "", code)
    page = (readme.DOCUMENTATION / "troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert len(messages) > 20
    for message in messages:
        parts = re.split(r"\{\w+\}", message)
        assert all(part in joined for part in parts), message
