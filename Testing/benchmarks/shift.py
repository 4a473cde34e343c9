"""Dice of a model on validation volumes that were changed as other scanners, protocols and programs change them.

    python Testing/benchmarks/shift.py runs/cases.json cardiac-cine-mr-1.4.0

Image and label map are changed together, so that the truth stays the truth. Prints a table: mean Dice over volumes and
structures, and what is lost against the volumes as they are. ``--volumes 2`` takes the first ones only. Models of CT
have changes of their own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from cmaformer.cases.reading import read_cases
from cmaformer.images.geometry import Volume
from cmaformer.images.volume import quiet
from cmaformer.models.installed import open_model
from cmaformer.network.device import choose_device
from cmaformer.segmenting.metrics import dice
from cmaformer.segmenting.segment import prepare, segment

Pair = tuple[sitk.Image, sitk.Image]


def in_plane(spacing: float) -> Callable[[sitk.Image, sitk.Image], Pair]:
    """Another size of pixels (mm), the same field of view."""

    def change(image: sitk.Image, labels: sitk.Image) -> Pair:
        factors = [mm / spacing for mm in image.GetSpacing()[:2]]
        size = [max(1, round(n * f)) for n, f in zip(image.GetSize(), factors)] + [image.GetSize()[2]]
        steps = [n * mm / m for n, mm, m in zip(image.GetSize(), image.GetSpacing(), size)]
        found = []
        for source, how in ((sitk.Cast(image, sitk.sitkFloat32), sitk.sitkLinear), (labels, sitk.sitkNearestNeighbor)):
            # Corners stay where they are, not the centers of the first voxels.
            shift = [(new - old) / 2 for new, old in zip(steps, source.GetSpacing())]
            origin = source.TransformContinuousIndexToPhysicalPoint(
                [s / mm for s, mm in zip(shift, source.GetSpacing())]
            )
            found.append(sitk.Resample(source, size, sitk.Transform(), how, origin, steps, source.GetDirection(), 0.0))
        return found[0], found[1]

    return change


def cropped(share: float) -> Callable[[sitk.Image, sitk.Image], Pair]:
    """A field of view around the structures, as a part of the whole."""

    def change(image: sitk.Image, labels: sitk.Image) -> Pair:
        where = np.argwhere(sitk.GetArrayViewFromImage(labels))
        center = where.mean(0)[::-1] if len(where) else np.array(image.GetSize()) / 2
        start, size = [0, 0, 0], list(image.GetSize())
        for axis in range(2):
            size[axis] = round(share * size[axis])
            start[axis] = int(np.clip(center[axis] - size[axis] / 2, 0, image.GetSize()[axis] - size[axis]))
        return sitk.RegionOfInterest(image, size, start), sitk.RegionOfInterest(labels, size, start)

    return change


def some_slices(first: float, last: float) -> Callable[[sitk.Image, sitk.Image], Pair]:
    """Fewer slices, from one part of the stack to another."""

    def change(image: sitk.Image, labels: sitk.Image) -> Pair:
        count = image.GetSize()[2]
        begin = min(count - 1, int(first * count))
        end = max(begin + 1, int(last * count))
        return image[:, :, begin:end], labels[:, :, begin:end]

    return change


def slices_of(spacing: float) -> Callable[[sitk.Image, sitk.Image], Pair]:
    """Slices of another thickness (mm), interpolated; labels are those of the nearest slice."""

    def change(image: sitk.Image, labels: sitk.Image) -> Pair:
        *plane, step = image.GetSpacing()
        size = [*image.GetSize()[:2], max(1, int((image.GetSize()[2] - 1) * step / spacing) + 1)]
        found = []
        for source, how in ((sitk.Cast(image, sitk.sitkFloat32), sitk.sitkLinear), (labels, sitk.sitkNearestNeighbor)):
            steps, origin = [*plane, spacing], source.GetOrigin()
            found.append(sitk.Resample(source, size, sitk.Transform(), how, origin, steps, source.GetDirection(), 0.0))
        return found[0], found[1]

    return change


def stored(order: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> Callable[[sitk.Image, sitk.Image], Pair]:
    """The same image with its axes in another order and direction, as another program writes it."""

    def change(image: sitk.Image, labels: sitk.Image) -> Pair:
        pair = [sitk.Flip(sitk.PermuteAxes(one, order), flips) for one in (image, labels)]
        return pair[0], pair[1]

    return change


def gray(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[sitk.Image, sitk.Image], Pair]:
    """Other gray values (K, J, I)."""

    def change(image: sitk.Image, labels: sitk.Image) -> Pair:
        changed = sitk.GetImageFromArray(function(sitk.GetArrayFromImage(image).astype(np.float32)).astype(np.float32))
        changed.CopyInformation(image)
        return changed, labels

    return change


def bias_field(values: np.ndarray) -> np.ndarray:
    """Twice as bright on one side as on the other, as near a coil."""
    rows, columns = (np.linspace(-1, 1, n) for n in values.shape[1:])
    return values * np.exp(0.35 * (rows[:, None] + columns[None, :]) / np.sqrt(2))


def noise(values: np.ndarray) -> np.ndarray:
    """Gaussian noise of 5 percent of the brightest values."""
    rng = np.random.default_rng(0)
    return values + 0.05 * np.percentile(values, 99.5) * rng.standard_normal(values.shape)


def metal(values: np.ndarray) -> np.ndarray:
    """A rod of 3000 HU through all slices, near the spine, with dark and bright streaks in its rows."""
    rows, columns = np.indices(values.shape[1:])
    row, column = 0.65 * values.shape[1], 0.5 * values.shape[2]
    streaks = 150 * np.sin((columns - column) / 6) * np.exp(-(((rows - row) / 8) ** 2))
    rod = np.hypot(rows - row, columns - column) < 5
    return np.where(rod, 3000, values + streaks)


CHANGES: dict[str, Callable[[sitk.Image, sitk.Image], Pair]] = {
    "as it is": lambda image, labels: (image, labels),
    "pixels of 0.7 mm": in_plane(0.7),
    "pixels of 2.5 mm": in_plane(2.5),
    "60 % of the field of view": cropped(0.6),
    "one slice in the middle": some_slices(0.5, 0.5),
    "the middle third of the slices": some_slices(0.34, 0.67),
    "the first four fifths of the slices": some_slices(0.0, 0.8),
    "the first two thirds of the slices": some_slices(0.0, 0.67),
    "columns stored backwards": stored((0, 1, 2), (True, False, False)),
    "rows and columns stored backwards": stored((0, 1, 2), (True, True, False)),
    "slices stored backwards": stored((0, 1, 2), (False, False, True)),
    "rows and columns exchanged": stored((1, 0, 2), (False, False, False)),
    "slices stored first": stored((2, 0, 1), (False, False, False)),
    "values 0 to 1": gray(lambda values: values / values.max()),
    "values 0 to 40000": gray(lambda values: values * (40000 / values.max())),
    "noise": gray(noise),
    "bias field": gray(bias_field),
}

SHAPES = [name for name, change in CHANGES.items() if not name.startswith(("values", "noise", "bias"))]
CT_CHANGES: dict[str, Callable[[sitk.Image, sitk.Image], Pair]] = {
    **{name: CHANGES[name] for name in SHAPES},
    "80 % of the field of view": cropped(0.8),
    "slices of 1 mm": slices_of(1.0),
    "slices of 8 mm": slices_of(8.0),
    "noise of 20 HU": gray(lambda values: values + 20 * np.random.default_rng(0).standard_normal(values.shape)),
    "organs 40 % less bright (another phase)": gray(
        lambda values: np.where(values > 20, 20 + 0.6 * (values - 20), values)
    ),
    "air of -1000 and bone of 1500 HU": gray(
        lambda values: np.where(values <= -124, -1000, np.where(values >= 274, 1500, values))
    ),
    "metal": gray(metal),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases")
    parser.add_argument("model")
    parser.add_argument("--volumes", type=int, default=None)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    quiet()
    model, device = open_model(options.model, []), choose_device(options.device)
    network, count = prepare(model, device), len(model.description.classes) + 1
    case_list = read_cases(options.cases)
    cases = [case for case in case_list.cases if case.role == "held-out"][: options.volumes]
    changes = CT_CHANGES if model.description.modality == "CT" else CHANGES
    lookup = np.arange(256)
    for value, class_ in (case_list.label_map or {}).items():
        lookup[value] = class_
    print("| change | Dice | lost | worst volume |\n|---|---|---|---|", flush=True)
    usual = None
    for name, change in changes.items():
        scores = []
        for case in cases:
            image, labels = change(sitk.ReadImage(str(case.image)), sitk.ReadImage(str(case.labels)))
            result = segment(Volume.of_image(image, "the image"), model, device=device, network=network)
            truth = lookup[sitk.GetArrayFromImage(labels)]
            scores.append(float(np.nanmean(dice(result.labels, truth, count))))
        mean = float(np.mean(scores))
        usual = mean if usual is None else usual
        print(f"| {name} | {mean:.3f} | {usual - mean:+.3f} | {min(scores):.3f} |", flush=True)


if __name__ == "__main__":
    main()
