"""The demo: its report, and that the overview shows what it is given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import vtk
from vtk.util.numpy_support import vtk_to_numpy

import synthetic
from demo.render import HEIGHT, WIDTH, write_overview
from demo.views import Scene, Structure, slice_picture

ROOT = Path(__file__).resolve().parents[1]
COLORS = {1: (0.2, 0.5, 1.0), 2: (1.0, 0.8, 0.2), 3: (0.9, 0.1, 0.1)}


def sphere(radius: float, center: tuple[float, float, float]) -> vtk.vtkPolyData:
    source = vtk.vtkSphereSource()
    source.SetRadius(radius)
    source.SetCenter(center)
    source.SetThetaResolution(48)
    source.SetPhiResolution(48)
    source.Update()
    return source.GetOutput()


def picture(path: Path) -> np.ndarray:
    reader = vtk.vtkPNGReader()
    reader.SetFileName(str(path))
    reader.Update()
    width, height, _ = reader.GetOutput().GetDimensions()
    return vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars()).reshape(height, width, -1)[::-1]


def draw(path: Path, labels: np.ndarray, structures: list[Structure]) -> np.ndarray:
    image = np.linspace(0, 1000, labels.size).reshape(labels.shape)
    ijk_to_ras = np.diag([-1.0, -1.0, 4.0, 1.0])
    write_overview(Scene(image, labels, ijk_to_ras, structures, "Ellipsoids", "synthetic"), path)
    return picture(path)


def share(view: np.ndarray, color: tuple[float, float, float]) -> float:
    return float((np.abs(view.astype(float) / 255.0 - color).max(axis=2) < 0.02).mean())


def test_every_view_shows_every_structure_in_its_color(tmp_path: Path) -> None:
    labels = synthetic.ellipsoid_labels((16, 60, 60), (1.0, 1.0, 4.0), classes=3)
    centers = [(-60.0, 0.0, 0.0), (0.0, 0.0, 0.0), (60.0, 0.0, 0.0)]
    structures = [
        Structure(value, f"structure {value}", COLORS[value], 1.5 * value, sphere(25.0, center))
        for value, center in zip(COLORS, centers)
    ]
    drawn = draw(tmp_path / "overview.png", labels, structures)
    assert drawn.shape[:2] == (HEIGHT, WIDTH)
    middle_y = (76 + HEIGHT - 64) // 2
    for view in (drawn[76:middle_y, : WIDTH // 2], drawn[76:middle_y, WIDTH // 2 :], drawn[middle_y:-64, : WIDTH // 2]):
        for color in COLORS.values():
            assert share(view, color) > 0.001  # the outlines
    hue = drawn[middle_y + 40 : -64, WIDTH // 2 :].astype(int)
    assert (hue[..., 2] - hue[..., 0] > 100).mean() > 0.01  # the blue sphere
    assert (hue[..., 0] - hue[..., 2] > 100).mean() > 0.01  # the yellow and the red one


def test_the_head_is_on_top_and_the_right_side_left_however_the_volume_is_stored() -> None:
    """A mark in the patient's right upper corner stays there in the coronal view when every axis is reversed."""
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[14:18, 8:12, 2:5] = 1  # k towards the head, i towards the patient's left: upper right of the patient
    labels[::19, ::19, ::19] = 2  # the corners, not drawn, so that the whole slice is shown
    structures = [Structure(1, "mark", (1.0, 0.0, 0.0), 0.0, None)]
    for flip in (1, -1):
        ijk_to_ras = np.diag([-1.0 * flip, -1.0 * flip, 1.0 * flip, 1.0])
        stored = np.ascontiguousarray(labels[::flip, ::flip, ::flip])
        scene = Scene(np.zeros(stored.shape), stored, ijk_to_ras, structures, "", "")
        assert [scene.ends(axis)[0] for axis in range(3)] == ["RL", "AP", "SI"]
        red = slice_picture(scene, 1, 200, 200, 1)[..., 0] > 0.2
        rows, columns = np.nonzero(red)
        assert rows.max() < 100 and columns.max() < 100


def test_slices_keep_their_proportions(tmp_path: Path) -> None:
    """A ball stays round in the view across 4 mm slices, where a voxel is four times as high as wide."""
    k, j, i = np.meshgrid((np.arange(25) - 12) * 4.0, np.arange(100) - 50.0, np.arange(100) - 50.0, indexing="ij")
    labels = (np.sqrt(k**2 + j**2 + i**2) < 40).astype(np.uint8)
    drawn = draw(tmp_path / "overview.png", labels, [Structure(1, "ball", COLORS[3], 268.0, None)])
    view = drawn[120 : (76 + HEIGHT - 64) // 2 - 6, WIDTH // 2 + 6 :].astype(float) / 255.0
    outline = np.abs(view - COLORS[3]).max(axis=2) < 0.05
    rows, columns = np.nonzero(outline)
    assert np.ptp(rows) / np.ptp(columns) == pytest.approx(1.0, abs=0.08)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can be without OpenGL")
def test_without_opengl_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr("ctypes.CDLL", missing)
    with pytest.raises(RuntimeError, match="apt-get install libegl1"):
        draw(tmp_path / "overview.png", np.zeros((2, 8, 8), np.uint8), [])
    assert not (tmp_path / "overview.png").exists()


def test_an_empty_segmentation_is_drawn_too(tmp_path: Path) -> None:
    labels = np.zeros((4, 32, 32), np.uint8)
    drawn = draw(tmp_path / "overview.png", labels, [Structure(1, "nothing", COLORS[1], 0.0, None)])
    assert drawn.std() > 10


MODELS = sorted(ROOT.glob("Resources/Models/*/model.json"))


@pytest.mark.slow
@pytest.mark.skipif(not MODELS, reason="no model is bundled in Resources/Models")
def test_the_demo_finds_the_synthetic_heart(tmp_path: Path) -> None:
    """The main job through the module's logic and the engine's process, as `make demo` runs it."""
    done = subprocess.run(
        [sys.executable, "-m", "demo.demo", "--output", str(tmp_path)],
        cwd=ROOT / "Testing",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        encoding="utf-8",
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    name = "synthetic-short-axis-heart"
    assert (tmp_path / f"{name}.seg.nrrd").stat().st_size > 1000
    assert picture(tmp_path / "overview.png").shape[:2] == (HEIGHT, WIDTH)
    scores = {}
    for structure in synthetic.STRUCTURES.values():
        assert (tmp_path / f"{name}_{structure}.stl").stat().st_size > 10_000
        line = next(line for line in done.stdout.splitlines() if line.startswith(structure))
        scores[structure] = float(line.split()[-1])
    assert min(scores.values()) > 0.8, scores


def test_the_demo_says_what_is_wrong_and_fails(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo.demo", "--output", str(tmp_path / "out"), "--model", "no-such-model"],
        cwd=ROOT / "Testing",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 1
    assert "There is no model no-such-model here." in done.stderr
    assert "Traceback" not in done.stderr
