"""Pictures of the best, the median and the worst validation volume of a model, to be looked at.

    python Testing/benchmarks/pictures.py runs/cases.json cardiac-cine-mr-1.4.0 runs/pictures

One PNG a volume, named after its place: five slices through the structures from one end to the other, each
as the image is (above), and with what the model found as color and the reference as a white outline (below). Volumes
are numbered, not named.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from cmaformer.cases.reading import read_cases
from cmaformer.images.grid import grids_of
from cmaformer.images.volume import quiet, read_volume
from cmaformer.models.installed import open_model
from cmaformer.network.device import choose_device
from cmaformer.segmenting.metrics import dice
from cmaformer.segmenting.segment import prepare, segment

SLICES, SIDE, OPACITY, MARGIN = 5, 192, 0.45, 1.5


def picture(
    image: np.ndarray, found: np.ndarray, truth: np.ndarray, colors: dict[int, tuple[int, int, int]]
) -> np.ndarray:
    """Pictures of slices side by side, uint8 (2 * SIDE, SLICES * SIDE, 3).

    Args:
        image: (slices, rows, columns), gray values.
        found: the model's label map, likewise.
        truth: the reference, likewise.
        colors: of the label values, 0 to 255.
    """
    marked = np.argwhere((found > 0) | (truth > 0))
    first, last = marked.min(0), marked.max(0)
    center, side = (first[1:] + last[1:]) / 2, MARGIN * max(last[1:] - first[1:])
    low, high = np.percentile(image, (0.5, 99.5))
    columns = []
    for number in np.linspace(first[0], last[0], SLICES).round().astype(int):
        gray = np.clip((_window(image[number], center, side, 1) - low) / max(high - low, 1e-6), 0, 1) * 255
        plain = np.repeat(gray[..., None], 3, axis=2)
        overlay = plain.copy()
        labels, reference = (_window(one[number], center, side, 0) for one in (found, truth))
        for value, color in colors.items():
            inside = labels == value
            overlay[inside] = (1 - OPACITY) * overlay[inside] + OPACITY * np.array(color)
            mask = reference == value
            overlay[mask & ~ndimage.binary_erosion(mask)] = 255
        columns.append(np.concatenate([plain, overlay]))
    return np.concatenate(columns, axis=1).astype(np.uint8)


def _window(plane: np.ndarray, center: np.ndarray, side: float, order: int) -> np.ndarray:
    """A square of a slice with SIDE x SIDE pixels."""
    steps = (np.arange(SIDE) + 0.5) / SIDE * side - side / 2
    places = np.meshgrid(center[0] + steps, center[1] + steps, indexing="ij")
    return ndimage.map_coordinates(plane.astype(np.float32), places, order=order, mode="constant")


def main() -> None:
    """Segment, measure, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases")
    parser.add_argument("model")
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    quiet()
    options.output.mkdir(parents=True, exist_ok=True)
    model, device = open_model(options.model, []), choose_device("auto")
    network, count = prepare(model, device), len(model.description.classes) + 1
    colors = {structure.value: structure.color for structure in model.description.classes}
    results = []
    for number, case in enumerate((c for c in read_cases(options.cases).cases if c.role == "held-out"), 1):
        volume = read_volume(case.image)
        labels = segment(volume, model, device=device, network=network).labels
        truth = sitk.GetArrayFromImage(sitk.ReadImage(str(case.labels)))
        scores = dice(labels, truth, count)
        results.append((float(np.nanmean(scores)), number, scores, volume, labels, truth))
    results.sort(key=lambda result: result[0])
    for name, result in (("worst", results[0]), ("median", results[len(results) // 2]), ("best", results[-1])):
        mean, number, scores, volume, labels, truth = result
        grid = grids_of(volume.geometry, model.description.input.slicing)[0]
        drawn = picture(*(grid.oriented(one) for one in (volume.array, labels, truth)), colors)
        path = options.output / f"{name}.png"
        sitk.WriteImage(sitk.GetImageFromArray(drawn, isVector=True), str(path))
        print(f"{name}: volume {number}, Dice {mean:.3f} ({', '.join(f'{score:.3f}' for score in scores)}), {path}")


if __name__ == "__main__":
    main()
