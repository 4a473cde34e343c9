"""The extension as its users have it: made by CMake from the lists, in a read-only folder with an awkward name, alone.

Slicer's own build is not here; `installation/slicer` has what the lists ask of it, written after Slicer's macros.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import installation
import synthetic

ROOT = Path(__file__).resolve().parents[1]
MODEL = "cardiac-cine-mr-1.4.0"


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the extension in a Slicer whose path has spaces and letters of other languages; read-only."""
    folder = tmp_path_factory.mktemp("installation")
    prefix = folder / "Slicer 5.12 für Ärzte (心臓)" / "Extensions-34567" / "CMAformer"
    installation.install(ROOT, folder / "build", prefix)
    paths = [prefix, *prefix.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield prefix
    for path in paths:  # or pytest could not delete it
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture(scope="module")
def heart(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small synthetic heart and its true label map."""
    drawn = synthetic.short_axis_heart(rows=128, columns=128, slices=4, spacing=(1.5, 1.5, 20.0))
    folder = tmp_path_factory.mktemp("images")
    for name, array in (("heart", drawn.image), ("truth", drawn.labels)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(drawn.spacing)
        image.SetOrigin(drawn.origin)
        image.SetDirection(drawn.direction)
        sitk.WriteImage(image, str(folder / f"{name}.nrrd"))
    return folder / "heart.nrrd", folder / "truth.nrrd"


@pytest.fixture(autouse=True)
def untouched(extension: Path):
    """Nothing in the installation is new, gone or changed after the test: root may write what is read-only."""
    before = state(extension)
    yield
    assert state(extension) == before


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of all there is; a folder's time changes when something in it comes or goes."""
    facts = {str(path.relative_to(folder)): path.stat() for path in (folder, *folder.rglob("*"))}
    return {name: (fact.st_size, fact.st_mtime_ns) for name, fact in facts.items()}


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1", "QT_QPA_PLATFORM": "offscreen", **changes}


def test_the_installation_has_the_files_of_the_repository_and_no_others(extension: Path) -> None:
    source = ROOT / "CMAformerSegmentation"
    expected = {
        path.relative_to(source).as_posix(): path
        for path in (*source.rglob("*.py"), *(source / "Resources").rglob("*"))
        if path.is_file()
    }
    for path in (ROOT / "Resources" / "Models").glob("*/*"):
        if path.is_file():
            expected[path.relative_to(ROOT).as_posix()] = path
    modules = extension / installation.modules
    found = {path.relative_to(modules).as_posix(): path for path in modules.rglob("*") if path.is_file()}
    found = {name: path for name, path in found.items() if path.suffix != ".pyc"}
    assert set(found) == set(expected)
    assert [name for name in found if found[name].read_bytes() != expected[name].read_bytes()] == []


def test_the_description_that_is_installed_is_the_one_of_the_catalog(extension: Path) -> None:
    def entries(path: Path) -> dict[str, str]:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
        return dict(line.partition(" ")[::2] for line in lines)

    installed = entries(extension / "share" / "Slicer-5.12" / "CMAformer.s4ext")
    ours = entries(ROOT / "CMAformer.s4ext")
    assert len(installed) == 6
    assert {key: ours.get(key) for key in installed} == installed


def test_the_self_test_is_known_to_the_build(extension: Path) -> None:
    tests = extension.parents[2] / "build" / "CMAformerSegmentation" / "CTestTestfile.cmake"
    assert "py_CMAformerSegmentation" in tests.read_text()


def test_segment_from_the_command_line(extension: Path, heart: tuple[Path, Path], tmp_path: Path) -> None:
    command = ["segment", str(heart[0]), "--model", MODEL, "-o", "labels.nrrd", "--device", "cpu", "--json"]
    done = subprocess.run(
        [sys.executable, "-v", "-m", "cmaformer", *command],  # -v: Python tells where each module comes from
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(extension / installation.modules)),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert str(extension / installation.modules / "cmaformer" / "segmenting" / "segment.py") in done.stderr
    assert os.path.join("CMAformerSegmentation", "cmaformer") not in done.stderr  # nothing of a checkout
    assert json.loads(done.stdout.splitlines()[-1])["type"] == "finished"
    labels, truth = sitk.ReadImage(str(tmp_path / "labels.nrrd")), sitk.ReadImage(str(heart[1]))
    assert labels.GetSize() == truth.GetSize()
    np.testing.assert_allclose(labels.GetDirection(), truth.GetDirection(), atol=1e-6)
    np.testing.assert_allclose(labels.GetOrigin(), truth.GetOrigin(), atol=1e-4)
    found, expected = sitk.GetArrayFromImage(labels), sitk.GetArrayFromImage(truth)
    for value in synthetic.STRUCTURES:
        both = ((found == value) & (expected == value)).sum()
        assert 2 * both / ((found == value).sum() + (expected == value).sum()) > 0.7


@pytest.mark.slow
def test_two_windows_at_once_segment_with_the_module(extension: Path, heart: tuple[Path, Path], tmp_path: Path) -> None:
    modules = extension / installation.modules
    script = Path(installation.__file__).with_name("window.py")
    windows = [
        subprocess.Popen(
            [sys.executable, str(script), str(modules), *map(str, heart)],
            cwd=tmp_path,
            env={name: value for name, value in environment().items() if name != "PYTHONPATH"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        for _ in range(2)
    ]
    try:
        ends = [window.communicate(timeout=300) for window in windows]
    finally:
        for window in windows:
            window.kill()
    for window, (output, errors) in zip(windows, ends):
        assert window.returncode == 0, errors
        said = json.loads(output.splitlines()[-1])
        assert Path(said["model"]) == modules / "Resources" / "Models" / MODEL
        assert said["offered"] and said["grid"]
        assert min(said["dice"].values()) > 0.7, said["dice"]
        assert len(said["files"]) > 40
        assert [name for name in said["files"] if modules not in Path(name).parents] == []
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_missing_or_that_no_list_names_is_noticed(tmp_path: Path) -> None:
    """The lists themselves are what is tested: without a line, the file is not in the installation."""
    sources = tmp_path / "sources"
    shutil.copytree(ROOT / "CMAformerSegmentation", sources / "CMAformerSegmentation")
    shutil.copytree(ROOT / "Resources" / "Models", sources / "Resources" / "Models")
    shutil.copy(ROOT / "CMakeLists.txt", sources)
    lists = sources / "CMAformerSegmentation" / "CMakeLists.txt"
    lists.write_text(lists.read_text().replace("  cmaformer/segmenting/segment.py\n", ""))
    installation.install(sources, tmp_path / "build", tmp_path / "prefix")
    engine = tmp_path / "prefix" / installation.modules / "cmaformer"
    assert (engine / "models" / "model.py").is_file() and not (engine / "segmenting" / "segment.py").exists()
    (sources / "CMAformerSegmentation" / "cmaformer" / "models" / "model.py").unlink()
    with pytest.raises(RuntimeError, match=r"given cmaformer/models/model\.py"):
        installation.install(sources, tmp_path / "build", tmp_path / "prefix")
