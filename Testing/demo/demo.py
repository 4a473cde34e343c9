"""`make demo`: from a volume to a segmentation, its surfaces and a picture, through the module's own logic.

It runs on Slicer's real MRML scene (slicer-core) under the stand-in for the desktop; the engine runs in a process of
its own, as in Slicer. Without a volume it makes the synthetic heart and says how well it was found.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

import standin
import synthetic
from demo.render import quiet, write_overview
from demo.views import Scene, Structure

MODULE = Path(__file__).resolve().parents[2] / "CMAformerSegmentation" / "CMAformerSegmentation.py"


@dataclass
class Report:
    """What was found and how long each step took, as the demo prints it."""

    title: str = ""
    lines: list[str] = field(default_factory=list)
    structures: list[tuple[str, float, float | None]] = field(default_factory=list)  # name, ml, Dice or None
    seconds: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure one step."""
        start = time.perf_counter()
        yield
        self.seconds.append((name, time.perf_counter() - start))

    def text(self) -> str:
        """The report as plain text."""
        has_truth = any(dice is not None for _name, _ml, dice in self.structures)
        rows = [f"{'Structure':<32}{'Volume (ml)':>12}{'Dice' if has_truth else '':>8}"]
        for name, volume, dice in self.structures:
            rows.append(f"{name:<32}{volume:>12.1f}" + (f"{dice:>8.3f}" if dice is not None else ""))
        if has_truth:
            mean = np.mean([dice for _name, _ml, dice in self.structures])
            rows.append(f"{'mean':<32}{'':>12}{mean:>8.3f}")
            rows.append("Dice against the truth that the sample was drawn from; it says nothing about patients.")
        steps = [f"{'Step':<32}{'Seconds':>12}"]
        steps += [f"{name:<32}{seconds:>12.2f}" for name, seconds in self.seconds]
        steps.append(f"{'total':<32}{sum(s for name, s in self.seconds if not name.startswith(' ')):>12.2f}")
        return "\n".join([self.title, *self.lines, "", *rows, "", *steps])


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    """2 |A and B| / (|A| + |B|) of two masks; 1 when both are empty."""
    total = int(found.sum()) + int(truth.sum())
    return 2.0 * int((found & truth).sum()) / total if total else 1.0


def run(output: Path, volume: Path | None = None, model: str | None = None, overview: Path | None = None) -> Report:
    """Segment `volume` (a file or a DICOM folder; None for a sample) and write everything into `output`.

    The sample is a synthetic heart, or a synthetic abdomen for a model of CT.

    `overview` is where the picture goes, `output`/overview.png if it is None.

    Raises ValueError, or the logic's SegmentationError, in words, when it cannot be done.
    """
    report = Report()
    output.mkdir(parents=True, exist_ok=True)
    with report.step("start Slicer's core"), quiet():
        standin.start()
        import slicer

        standin.loadModule(str(MODULE))
        logic = slicer.util.getModuleLogic("CMAformerSegmentation")
    entries = logic.models()
    chosen = logic.catalog().find(model)
    if chosen is None:
        known = ", ".join(entry.id for entry in entries) or "none"
        raise ValueError(f"There is no model {model} here. The models are: {known}.")

    truth = truth_file = None
    if volume is None:
        with report.step("draw the sample"):
            sample, name = (
                (synthetic.abdomen(), synthetic.ABDOMEN_NAME)
                if chosen.modality == "CT"
                else (synthetic.short_axis_heart(), synthetic.NAME)
            )
            stem = name.lower().replace(" ", "-")
            volume, truth_file = output / f"{stem}.nrrd", output / f"{stem}-truth.nrrd"
            _write_image(sample.image, sample, volume)
            _write_image(sample.labels, sample, truth_file)
    with report.step("load the volume"), quiet():
        volume_node = logic.loadVolume(str(volume))
        if truth_file is not None:
            volume_node.SetName(name)
            # Read in the same way: Slicer reverses the slices of a volume with a negative determinant.
            truth_node = logic.loadVolume(str(truth_file))
            truth = slicer.util.arrayFromVolume(truth_node).copy()
            slicer.mrmlScene.RemoveNode(truth_node)
    report.title = f"{volume_node.GetName()}: {_grid_in_words(volume_node)}"

    try:
        with report.step("segment, in the engine process"):
            task = logic.segment(volume_node, model=model, wait=False)
            segmentation_node = task.wait(logic.runner.poll, _show_progress)
    finally:
        logic.cleanup()
    summary = task.summary
    report.seconds += [(f"  {name}", float(seconds)) for name, seconds in summary.get("steps", {}).items()]
    report.lines.append(f"Model {task.model.id} on {summary.get('device')} ({summary.get('precision')})")

    with report.step("make the surfaces"):
        if not segmentation_node.CreateClosedSurfaceRepresentation():
            raise ValueError("The closed surfaces could not be made.")
    labels, structures = _structures(slicer, segmentation_node, volume_node, task)
    for structure in structures:
        known = dice(labels == structure.value, truth == structure.value) if truth is not None else None
        report.structures.append((structure.name, structure.volume_ml, known))

    name = re.sub(r"[^\w.-]+", "-", volume_node.GetName()).strip("-.").lower() or "volume"
    with report.step("save segmentation and meshes"):
        _save(slicer, segmentation_node, output, name)
    with report.step("draw the overview"):
        origin = "synthetic, no patient" if truth is not None else "for research use only"
        subtitle = f"{origin}  ·  {_grid_in_words(volume_node)}  ·  model {task.model.id}"
        scene = Scene(
            slicer.util.arrayFromVolume(volume_node),
            labels,
            _ijk_to_ras(volume_node),
            structures,
            volume_node.GetName(),
            subtitle,
        )
        write_overview(scene, overview or output / "overview.png")
    return report


def _write_image(array: np.ndarray, sample: synthetic.SyntheticVolume, path: Path) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(sample.spacing)
    image.SetOrigin(sample.origin)
    image.SetDirection(sample.direction)
    sitk.WriteImage(image, str(path), useCompression=True)


def _grid_in_words(volume_node: Any) -> str:
    size = " × ".join(str(count) for count in volume_node.GetImageData().GetDimensions())
    return f"{size} voxels of {' × '.join(f'{step:.3g}' for step in volume_node.GetSpacing())} mm"


def _ijk_to_ras(volume_node: Any) -> np.ndarray:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def _structures(slicer: Any, segmentation_node: Any, volume_node: Any, task: Any) -> tuple[np.ndarray, list[Structure]]:
    """The label map on the volume's grid (K, J, I), as the scene has it, and its structures with their surfaces."""
    segmentation = segmentation_node.GetSegmentation()
    shape = volume_node.GetImageData().GetDimensions()[::-1]
    labels, structures = np.zeros(shape, np.uint8), []
    voxel_ml = float(np.prod(volume_node.GetSpacing())) / 1000.0
    for segment_id in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segment_id)
        value = segment.GetLabelValue()
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation_node, segment_id, volume_node) > 0
        labels[mask] = value
        surface = segment.GetRepresentation("Closed surface")
        volume_ml = int(mask.sum()) * voxel_ml
        structures.append(Structure(value, segment.GetName(), segment.GetColor(), volume_ml, surface))
    return labels, structures


def _save(slicer: Any, segmentation_node: Any, output: Path, name: str) -> None:
    """The segmentation as Slicer saves it, and one STL per structure by Slicer's own export."""
    segmentation_node.SetName(name)
    if not slicer.util.saveNode(segmentation_node, str(output / f"{name}.seg.nrrd")):
        raise ValueError(f"{name}.seg.nrrd could not be written.")
    export = slicer.vtkSlicerSegmentationsModuleLogic.ExportSegmentsClosedSurfaceRepresentationToFiles
    if not export(str(output), segmentation_node, None, "STL", True, 1.0, False):
        raise ValueError("The meshes could not be written.")


def _show_progress(done: int, total: int, seconds_left: float | None) -> None:
    if sys.stderr.isatty():
        left = f", {seconds_left:.0f} s left" if seconds_left is not None else ""
        print(f"\r  {done} of {total} slices{left}   ", end="" if done < total else "\n", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """The command: 0 done, 1 failed (with the reason on standard error), 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder for the results (default: demo)")
    parser.add_argument("--volume", type=Path, help="NRRD, NIfTI or MetaImage file, or a folder with a DICOM series")
    parser.add_argument("--model", help="id of a model (default: the first bundled one)")
    parser.add_argument("--overview", type=Path, help="PNG or JPEG for the picture (default: overview.png in OUTPUT)")
    options = parser.parse_args(arguments)
    start = time.time()
    try:
        report = run(options.output, options.volume, options.model, options.overview)
    except (ValueError, RuntimeError) as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    print(report.text())
    print(f"\nWritten into {options.output}/")
    for path in sorted(options.output.iterdir()):
        if path.stat().st_mtime >= start - 1:
            print(f"  {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
