"""Draws the overview of a segmentation with VTK, without a display: three slice views and the surfaces."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from demo.views import AXES, Array, Color, Scene, Structure, axes_of_view, slice_picture

Box = tuple[int, int, int, int]  # left, bottom, right, top in final pixels

WIDTH, HEIGHT = 1600, 1240
_SHARP = 2  # drawn larger than written, then averaged: smooth lines and text on any renderer
_HEADER, _LEGEND, _STRIP = 76, 64, 36  # pixels above and below the four views, and above each of them
_BACKGROUND, _PANEL, _TEXT, _FAINT = (0.07, 0.08, 0.10), (0.0, 0.0, 0.0), (0.95, 0.96, 0.97), (0.62, 0.66, 0.70)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep VTK's log off the terminal: it tells of X11 although it then draws without, and of Slicer's data files."""
    verbosity = vtk.vtkLogger.GetCurrentVerbosityCutoff()
    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    try:
        yield
    finally:
        vtk.vtkLogger.SetStderrVerbosity(verbosity)


def write_overview(scene: Scene, path: Path) -> None:
    """Draw `scene` into a PNG or JPEG; RuntimeError if this computer has no OpenGL to draw with."""
    _require_opengl()
    with quiet():
        window = vtk.vtkRenderWindow()
        window.SetOffScreenRendering(1)
        window.SetSize(WIDTH * _SHARP, HEIGHT * _SHARP)
        window.SetMultiSamples(0)
        window.SetAlphaBitPlanes(1)
        window.SetNumberOfLayers(2)
        _compose(window, scene)
        window.Render()
    write_picture(_pixels(window), path)


def _require_opengl() -> None:
    """VTK ends the process where it finds nothing to draw with, so look first; only Linux can be without."""
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY"):
        return
    for library in ("libEGL.so.1", "libOSMesa.so.8", "libOSMesa.so"):
        try:
            ctypes.CDLL(library)
            return
        except OSError:
            continue
    raise RuntimeError("There is no OpenGL to draw with. On Debian or Ubuntu: apt-get install libegl1 libgl1")


def _compose(window: vtk.vtkRenderWindow, scene: Scene) -> None:
    """Title, four views and legend; everything written stands in one layer in front of the views."""
    _renderer(window, (0, 0, WIDTH, HEIGHT), _BACKGROUND)
    front = _renderer(window, (0, 0, WIDTH, HEIGHT), _BACKGROUND, layer=1)
    _text(front, scene.title, 24, HEIGHT - 38, 27, bold=True)
    _text(front, scene.subtitle, 24, HEIGHT - 65, 17, color=_FAINT)
    _legend(front, scene.structures)

    gap, middle = 4, (WIDTH // 2, (_LEGEND + HEIGHT - _HEADER) // 2)
    left, right = (gap, middle[0] - gap // 2), (middle[0] + gap // 2, WIDTH - gap)
    top, bottom = (middle[1] + gap // 2, HEIGHT - _HEADER), (_LEGEND, middle[1] - gap // 2)
    # The thick axis, the one across the acquired slices, leads.
    first = int(np.argmax(scene.spacing)) if np.ptp(scene.spacing) > 0 else 2
    others = [axis for axis in (2, 1, 0) if axis != first]
    for axis, (across, down) in zip((first, *others), ((left, top), (right, top), (left, bottom))):
        _slice_view(window, front, scene, axis, (across[0], down[0], across[1], down[1] - _STRIP))
    _surface_view(window, front, scene, (right[0], bottom[0], right[1], bottom[1] - _STRIP))


def _renderer(window: vtk.vtkRenderWindow, box: Box, color: Color, layer: int = 0) -> vtk.vtkRenderer:
    renderer = vtk.vtkRenderer()
    renderer.SetLayer(layer)
    renderer.SetViewport(box[0] / WIDTH, box[1] / HEIGHT, box[2] / WIDTH, box[3] / HEIGHT)
    renderer.SetBackground(color)
    window.AddRenderer(renderer)
    return renderer


def _text(
    renderer: vtk.vtkRenderer,
    text: str,
    x: float,
    y: float,
    size: int,
    bold: bool = False,
    color: Color = _TEXT,
    anchor: str = "left",
) -> vtk.vtkTextActor:
    """Text with its baseline's `anchor` at (x, y), in final pixels from the lower left corner of the picture."""
    actor = vtk.vtkTextActor()
    actor.SetInput(text)
    actor.SetDisplayPosition(round(x * _SHARP), round(y * _SHARP))
    style = actor.GetTextProperty()
    style.SetFontFamilyToArial()
    style.SetFontSize(size * _SHARP)
    style.SetBold(bold)
    style.SetColor(color)
    style.ShadowOn()
    style.SetShadowOffset(_SHARP, -_SHARP)
    style.SetJustification(("left", "center", "right").index(anchor))
    renderer.AddViewProp(actor)
    return actor


def _headline(front: vtk.vtkRenderer, box: Box, name: str, detail: str) -> None:
    """What a view shows, in the strip above it."""
    _text(front, name, box[0] + 14, box[3] + 11, 20, bold=True)
    _text(front, detail, box[2] - 14, box[3] + 12, 16, color=_FAINT, anchor="right")


def _legend(renderer: vtk.vtkRenderer, structures: Sequence[Structure]) -> None:
    """Color squares with names and volumes: one row of large ones, or two of small ones where they are many."""
    rows = 1 if len(structures) <= 5 else 2
    columns = -(-len(structures) // rows)
    step, size = min(400.0, (WIDTH - 48) / max(1, columns)), (20 if rows == 1 else 13)
    for index, structure in enumerate(structures):
        row, column = divmod(index, columns)
        x, y = 24 + column * step, (24 if rows == 1 else 36 - 26 * row)
        square = vtk.vtkPlaneSource()
        square.SetOrigin(0, 0, 0)
        square.SetPoint1(size * _SHARP, 0, 0)
        square.SetPoint2(0, size * _SHARP, 0)
        mapper = vtk.vtkPolyDataMapper2D()
        mapper.SetInputConnection(square.GetOutputPort())
        actor = vtk.vtkActor2D()
        actor.SetMapper(mapper)
        actor.SetPosition(round(x * _SHARP), y * _SHARP)
        actor.GetProperty().SetColor(structure.color)
        renderer.AddViewProp(actor)
        volume = f"   {structure.volume_ml:.1f} ml"
        room = int((step - 2 * size) / (0.54 * size)) - len(volume)
        name = structure.name if len(structure.name) <= room else structure.name[: room - 1] + "…"
        _text(renderer, name + volume, x + size + 10, y + 3, size)


def _slice_view(window: vtk.vtkRenderWindow, front: vtk.vtkRenderer, scene: Scene, axis: int, box: Box) -> None:
    """One view through the volume across `axis`, image and overlay sampled at the view's own pixels."""
    picture = slice_picture(scene, axis, (box[2] - box[0]) * _SHARP, (box[3] - box[1]) * _SHARP, 2 * _SHARP)
    _image_actor(_renderer(window, box, _PANEL), picture)
    across, down = axes_of_view(axis)
    plane = "acquired plane" if axis == int(np.argmax(scene.spacing)) else "across the acquired slices"
    name = f"{AXES[axis]} {scene.middle(axis) + 1} of {scene.labels.shape[2 - axis]}"
    _headline(front, box, name, f"{plane}, voxels {scene.spacing[across]:.3g} × {scene.spacing[down]:.3g} mm")
    _edge_letters(front, scene, across, down, box)


def _image_actor(renderer: vtk.vtkRenderer, picture: Array) -> None:
    """Fill the view with an RGB picture (rows, columns, 3), 0 to 1, first row on top."""
    height, width = picture.shape[:2]
    data = vtk.vtkImageData()
    data.SetDimensions(width, height, 1)
    pixels = np.ascontiguousarray((picture[::-1] * 255.0 + 0.5).astype(np.uint8)).reshape(-1, 3)
    data.GetPointData().SetScalars(numpy_to_vtk(pixels, deep=True))
    actor = vtk.vtkImageActor()
    actor.SetInputData(data)
    actor.InterpolateOff()
    renderer.AddActor(actor)
    camera = renderer.GetActiveCamera()
    camera.ParallelProjectionOn()
    camera.SetFocalPoint((width - 1) / 2, (height - 1) / 2, 0)
    camera.SetPosition((width - 1) / 2, (height - 1) / 2, 100)
    camera.SetParallelScale(height / 2)


def _edge_letters(front: vtk.vtkRenderer, scene: Scene, across: int, down: int, box: Box) -> None:
    """R, L, A, P, S, I at the middle of each edge: the side of the patient that lies that way, for the most part."""
    middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    places = {
        across: ((box[0] + 18, middle_y - 8), (box[2] - 18, middle_y - 8)),
        down: ((middle_x, box[3] - 28), (middle_x, box[1] + 12)),
    }
    for axis, ends in places.items():
        for letter, (x, y) in zip(scene.ends(axis)[0], ends):
            _text(front, letter, x, y, 20, bold=True, color=(1.0, 0.85, 0.35), anchor="center")


def _surface_view(window: vtk.vtkRenderWindow, front: vtk.vtkRenderer, scene: Scene, box: Box) -> None:
    """The closed surfaces seen from the front, left and above; what encloses another structure is translucent."""
    renderer = _renderer(window, box, (0.13, 0.15, 0.19))
    renderer.SetGradientBackground(True)
    renderer.SetBackground2(0.27, 0.31, 0.37)
    renderer.SetUseDepthPeeling(1)
    renderer.SetMaximumNumberOfPeels(6)
    renderer.SetOcclusionRatio(0.0)
    solid = [s for s in scene.structures if s.surface is not None and s.surface.GetNumberOfPoints()]
    for structure in solid:
        normals = vtk.vtkPolyDataNormals()
        normals.SetInputData(structure.surface)
        normals.SplittingOff()
        normals.AutoOrientNormalsOn()  # a grid with a negative determinant turns its surfaces inside out
        mapper = vtk.vtkPolyDataMapper()
        mapper.SetInputConnection(normals.GetOutputPort())
        mapper.ScalarVisibilityOff()
        actor = vtk.vtkActor()
        actor.SetMapper(mapper)
        style = actor.GetProperty()
        style.SetColor(structure.color)
        style.SetInterpolationToPhong()
        style.SetAmbient(0.12)
        style.SetDiffuse(0.85)
        style.SetSpecular(0.25)
        style.SetSpecularPower(30)
        if any(_encloses(structure, other) for other in solid if other is not structure):
            style.SetOpacity(0.40)
        else:  # a little nearer to the eye than the inner wall of what encloses it, which it touches everywhere
            mapper.SetResolveCoincidentTopologyToPolygonOffset()
            mapper.SetRelativeCoincidentTopologyPolygonOffsetParameters(0.0, -300.0)
        renderer.AddActor(actor)

    camera = renderer.GetActiveCamera()
    camera.SetPosition(-0.75, 1.0, 0.55)  # RAS: from the patient's left, front and above
    camera.SetFocalPoint(0, 0, 0)
    camera.SetViewUp(0, 0, 1)
    renderer.ResetCamera()
    camera.Zoom(1.4)
    note = "seen from the patient's front, left and above" if solid else "nothing was found"
    _headline(front, box, "Surfaces", note)
    if solid:
        _orientation_cube(window, camera, (box[2] - 150, box[1] + 8, box[2] - 8, box[1] + 150))


def _encloses(outer: Structure, inner: Structure) -> bool:
    """Whether the bounds of one surface hold nearly all of the other's."""
    a, b = np.reshape(outer.surface.GetBounds(), (3, 2)), np.reshape(inner.surface.GetBounds(), (3, 2))
    overlap = np.clip(np.minimum(a[:, 1], b[:, 1]) - np.maximum(a[:, 0], b[:, 0]), 0.0, None)
    return bool(np.prod(overlap) > 0.85 * np.prod(b[:, 1] - b[:, 0]))


def _orientation_cube(window: vtk.vtkRenderWindow, camera: vtk.vtkCamera, box: Box) -> None:
    """A small cube with R, L, A, P, S, I on its faces, turned as the surfaces are."""
    cube = vtk.vtkAnnotatedCubeActor()
    for side, letter in zip(("XPlus", "XMinus", "YPlus", "YMinus", "ZPlus", "ZMinus"), "RLAPSI"):
        getattr(cube, f"Set{side}FaceText")(letter)
    cube.SetZFaceTextRotation(90)
    cube.GetCubeProperty().SetColor(0.82, 0.84, 0.87)
    cube.GetTextEdgesProperty().SetColor(0.1, 0.1, 0.12)
    cube.GetTextEdgesProperty().SetLineWidth(1.5 * _SHARP)
    for side in ("XPlus", "XMinus", "YPlus", "YMinus", "ZPlus", "ZMinus"):
        getattr(cube, f"Get{side}FaceProperty")().SetColor(0.15, 0.17, 0.2)
    renderer = _renderer(window, box, _BACKGROUND, layer=1)
    renderer.AddActor(cube)
    renderer.GetActiveCamera().SetPosition(np.subtract(camera.GetPosition(), camera.GetFocalPoint()))
    renderer.GetActiveCamera().SetFocalPoint(0, 0, 0)
    renderer.GetActiveCamera().SetViewUp(camera.GetViewUp())
    renderer.ResetCamera()


def _pixels(window: vtk.vtkRenderWindow) -> Array:
    """What was drawn, averaged to the final size: (HEIGHT, WIDTH, 3) uint8, first row on top."""
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.ShouldRerenderOff()
    grab.Update()
    drawn = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
    drawn = drawn.reshape(HEIGHT, _SHARP, WIDTH, _SHARP, 3).mean(axis=(1, 3))
    return (drawn[::-1] + 0.5).astype(np.uint8)


def write_picture(pixels: Array, path: Path) -> None:
    """Write a PNG, or a JPEG where the name says so: a third of the size, for documents."""
    data = vtk.vtkImageData()
    data.SetDimensions(pixels.shape[1], pixels.shape[0], 1)
    data.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(pixels[::-1]).reshape(-1, 3), deep=True))
    if path.suffix.lower() in (".jpg", ".jpeg"):
        writer = vtk.vtkJPEGWriter()
        writer.SetQuality(88)
    else:
        writer = vtk.vtkPNGWriter()
        writer.SetCompressionLevel(6)
    writer.SetFileName(str(path))
    writer.SetInputData(data)
    writer.Write()
