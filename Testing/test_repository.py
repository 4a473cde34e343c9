"""The repository itself: what may be in it, what must be, and that it says the same version everywhere."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

ROOT = Path(__file__).resolve().parents[1]
IMAGE_DATA = re.compile(r"\.(nrrd|nhdr|nii|nii\.gz|mha|mhd|dcm|ima|h5|hdf5|npy|npz|mat)$", re.IGNORECASE)
MEGABYTE = 1024 * 1024
# Files of Slicer's Extensions Index that Testing/INDEX_CHECKLIST.md names, and what `git` and GitHub call things.
OF_THE_INDEX = {"extension_ai_analysis.py", "LICENSE.txt", "model.json"}
# Where PyTorch is looked for, and installed when the user says so.
INSTALLING = {"environment.py", "torchInstaller.py"}
# Reads an index of models, when the user asks for it.
INDEX = "index.py"
CONNECTING = {"socket", "ssl", "http", "urllib", "urllib3", "ftplib", "smtplib", "requests", "aiohttp", "httpx"}


def committed() -> list[Path]:
    """Files that git tracks; the tests also run from an archive without git, and then have nothing to look at."""
    try:
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is not a git checkout")
    return [ROOT / name for name in listing.decode().split("\0") if name and (ROOT / name).is_file()]


def test_no_image_data_is_committed() -> None:
    assert [str(path) for path in committed() if IMAGE_DATA.search(path.name)] == []


def test_no_file_is_large_and_the_checkout_stays_small() -> None:
    sizes = {str(path.relative_to(ROOT)): path.stat().st_size for path in committed()}
    assert {name: size for name, size in sizes.items() if size > 20 * MEGABYTE} == {}
    assert sum(sizes.values()) < 60 * MEGABYTE


def test_pictures_are_few_and_light() -> None:
    pictures = [path for path in committed() if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
    assert [str(path) for path in pictures if path.stat().st_size > 300_000] == []


@pytest.mark.parametrize(
    "name",
    [
        "CMakeLists.txt",
        "CMAformer.s4ext",
        "CMAformer.json",
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "CITATION.cff",
        "Makefile",
        "pyproject.toml",
        ".ci/run",
        "CMAformerSegmentation/CMAformerSegmentation.py",
        "CMAformerSegmentation/CMAformerSegmentationLib/__init__.py",
        "CMAformerSegmentation/cmaformer/__init__.py",
        "CMAformerSegmentation/cmaformer/__main__.py",
    ],
)
def test_the_layout_is_there(name: str) -> None:
    assert (ROOT / name).is_file()


def test_the_licence_is_apache_2_in_full() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "Version 2.0, January 2004" in text
    assert "9. Accepting Warranty or Additional Liability." in text


def test_the_version_is_the_same_everywhere() -> None:
    version = _first(r'^__version__ = "([^"]+)"', "CMAformerSegmentation/cmaformer/door/version.py")
    assert _first(r"^version: (\S+)", "CITATION.cff") == version
    assert _first(r"^## \[([^\]]+)\]", "CHANGELOG.md") == version
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_what_is_pinned_satisfies_the_lower_bounds_of_the_package() -> None:
    pinned = dict(re.findall(r"^([A-Za-z0-9_-]+)==([0-9.]+)", _text("Testing/requirements.txt"), re.MULTILINE))
    dependencies = _first(r"^dependencies = \[(.*)\]", "pyproject.toml")
    bounds = re.findall(r'"([A-Za-z0-9_-]+)>=([0-9.]+)"', dependencies)
    assert len(bounds) == 5
    for name, least in bounds:
        assert _numbers(pinned[name]) >= _numbers(least), name


def test_local_links_of_the_documents_lead_somewhere() -> None:
    broken = []
    for document in (*ROOT.glob("*.md"), *(ROOT / "Resources").rglob("*.md"), *(ROOT / "Testing").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            if "://" not in target and not (document.parent / target).exists():
                broken.append(f"{document.name}: {target}")
    assert broken == []


def test_the_rooms_that_contributing_draws_are_those_of_the_code() -> None:
    """The figure names every room of both floors (their order: test_rooms.py)."""
    figure = _text("CONTRIBUTING.md").partition("## How the code is laid out")[2].split("```")[1]
    for floor in ("cmaformer", "CMAformerSegmentationLib"):
        rooms = {path.parent.name for path in (ROOT / "CMAformerSegmentation" / floor).glob("*/__init__.py")}
        assert {name for name in rooms if f" {name}/ " in figure} == rooms


def test_the_evidence_of_the_index_checklist_exists() -> None:
    named = re.findall(r"`([\w./-]+(?:::\w+)?)`", _text("Testing/INDEX_CHECKLIST.md"))
    files = [name.partition("::") for name in named if "/" in name or "." in name]
    ours = [(path, test) for path, _, test in files if path not in OF_THE_INDEX]
    assert len(ours) > 30
    assert [path for path, _test in ours if not (ROOT / path).exists()] == []
    assert [test for path, test in ours if test and f"def {test}(" not in _text(path)] == []


def test_nothing_opens_a_network_connection_but_what_the_user_asks_for() -> None:
    """No file imports, calls or starts what connects to other computers, but to install PyTorch and to get a model.

    torch.distributed does, among the processes that a user starts with torchrun, and is no way to the outside.
    """
    tools = re.compile(r"\b(curl|wget|pip_install|pip_ensure|urlopen|urlretrieve|QNetworkAccessManager|downloadFile)\b")
    installs = re.compile(r"\bPyTorchUtils\b|[\"']pip[\"']")
    for path in (ROOT / "CMAformerSegmentation").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name != INDEX:
            assert not _imported(text) & CONNECTING, path.name
            assert tools.search(text) is None, path.name
            # What the user asks for with a menu, and then agrees to.
            asked = len(re.findall(r"\b(readIndex|fetchModel)\(", text))
            assert asked == (2 if path.parent.name == "models" and path.name == "panel.py" else 0), path.name
        assert installs.search(text) is None or path.name in INSTALLING, path.name


def _imported(text: str) -> set[str]:
    """The top names of the packages that a file imports anywhere."""
    nodes = list(ast.walk(ast.parse(text)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def test_scripts_that_must_run_can_run() -> None:
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _first(pattern: str, name: str) -> str:
    match = re.search(pattern, _text(name), re.MULTILINE)
    assert match is not None, f"{name} has no line like {pattern}"
    return match.group(1)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_the_tests_that_make_runs_by_name_exist() -> None:
    named = re.findall(r"Testing/[\w/]+\.py", _text("Makefile"))
    assert len(named) > 3
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_package_lists_every_room_and_brings_the_models() -> None:
    text = _text("pyproject.toml")
    engine = ROOT / "CMAformerSegmentation" / "cmaformer"
    rooms = {".".join(("cmaformer", *path.parent.relative_to(engine).parts)) for path in engine.rglob("__init__.py")}
    listed = re.findall(r'"([\w.]+)"', text.partition("packages = [")[2].partition("]")[0])
    assert set(listed) == rooms | {"cmaformer_models"} and len(listed) == len(set(listed))
    assert '"cmaformer_models" = "Resources/Models"' in text and (engine / "py.typed").is_file()


def test_a_wheel_segments_wherever_it_is_installed(tmp_path: Path) -> None:
    """Built from the files of the repository, unpacked as pip does, and run from another folder without it."""
    for path in (path.relative_to(ROOT) for path in committed()):
        if len(path.parts) > 1 and path.parts[0] not in ("CMAformerSegmentation", "Resources"):
            continue
        (tmp_path / "source" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, tmp_path / "source" / path)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*build, "-w", str(tmp_path / "dist"), str(tmp_path / "source")], check=True)
    (wheel,) = (tmp_path / "dist").glob("cmaformer-*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    run = [sys.executable, "-m", "cmaformer"]
    told = subprocess.run([*run, "inspect"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    shipped = {path.name for path in (ROOT / "Resources" / "Models").iterdir() if path.is_dir()}
    assert {line.split()[0] for line in told.stdout.splitlines()} == shipped
    code = "import cmaformer; print(cmaformer.__file__)"
    where = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert str(tmp_path / "site") in where.stdout

    labels = np.zeros((4, 60, 60), np.float32)
    labels[:, 20:40, 20:40] = 500
    image = SimpleITK.GetImageFromArray(labels)
    image.SetSpacing((1.5, 1.5, 10.0))
    SimpleITK.WriteImage(image, str(tmp_path / "image.nrrd"))
    arguments = ["segment", "image.nrrd", "--model", "cardiac-cine-mr", "-o", "labels.nrrd", "--device", "cpu"]
    subprocess.run([*run, *arguments], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert SimpleITK.ReadImage(str(tmp_path / "labels.nrrd")).GetSize() == image.GetSize()
