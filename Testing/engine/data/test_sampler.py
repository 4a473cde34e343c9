"""Volumes that end near a window, as some scans do: what the window then shows."""

from __future__ import annotations

import numpy as np
import pytest
from trainingdata import write_cases

from cmaformer.cases.reading import read_cases
from cmaformer.data.sampler import Sampler, WindowSpec
from cmaformer.data.slices import SliceStore, prepare, signed_distance
from cmaformer.door.input_spec import InputSpec

SIDE = 48


@pytest.fixture
def store(tmp_path):
    cases = read_cases(write_cases(tmp_path, ["labeled", "labeled", "unlabeled"]))
    prepare(cases, InputSpec(spacing_mm=(1.5, 1.5), slicing="acquired"), tmp_path / "slices")
    return SliceStore(tmp_path / "slices")


def test_whole_slices_lie_in_the_middle_and_larger_ones_fill_the_window(store):
    """A class drawn for a window is in its slice; nothing of a slice is lost that the window has room for."""
    height, width = store.cases[0].shape[1:]
    roomy, tight = max(height, width) + 8, min(height, width) - 8
    batch = Sampler(store, [0, 1], WindowSpec(roomy, 0, 1.0, whole=True), seed=1).batch(20, 0)
    for image, labels, (number, index) in zip(batch["images"], batch["labels"], batch["slices"]):
        top, left = roomy // 2 - height // 2, roomy // 2 - width // 2
        place = (slice(top, top + height), slice(left, left + width))
        np.testing.assert_array_equal(image[0, 0][place], store.array(int(number), "images")[index].astype(np.float32))
        assert labels[place].any() and np.count_nonzero(labels) == np.count_nonzero(labels[place])
    batch = Sampler(store, [0, 1], WindowSpec(tight, 0, 0.5, whole=True), seed=1).batch(20, 0)
    frames = batch["frames"]
    assert (frames[:, :2] >= -1 - 1e-6).all() and (frames[:, 2:] <= 1 + 1e-6).all()


def seen(frame) -> tuple[slice, slice]:
    """Rows and columns of a window that lie in what is left of its slice: where -1..1 of the frame are."""
    top, left, bottom, right = frame.astype(float)
    ends = [((-1 - a) / (b - a) * SIDE, (1 - a) / (b - a) * SIDE) for a, b in ((top, bottom), (left, right))]
    return tuple(slice(max(0, round(first)), min(SIDE, round(last))) for first, last in ends)


def test_a_cut_window_is_that_of_the_cut_volume(store):
    """Every array of the window is what the same window of a volume without the rest would show."""
    batch = Sampler(store, [0, 1], WindowSpec(SIDE, 1, 0.8, cut=0.5), seed=2).batch(60, 0)
    cut = 0
    for (images,), labels, distances, frame, (number, index) in zip(*(batch[key] for key in batch)):
        rows, columns = seen(frame)
        outside = np.ones((SIDE, SIDE), bool)
        outside[rows, columns] = False
        assert (images[:, outside] == 0).all() and (labels[outside] == 0).all() and (distances[:, outside] == 127).all()
        # Where in its slice the window is, is found by the image: nothing says how much was cut off before it.
        whole = store.array(int(number), "images")[index].astype(np.float32)
        part = images[1][rows, columns]
        height, width = part.shape
        (place,) = [
            (y, x)
            for y in range(whole.shape[0] - height + 1)
            for x in range(whole.shape[1] - width + 1)
            if whole[y, x] == part[0, 0] and np.array_equal(whole[y : y + height, x : x + width], part)
        ]
        here = slice(place[0], place[0] + height), slice(place[1], place[1] + width)
        np.testing.assert_array_equal(labels[rows, columns], store.array(int(number), "labels")[index][here])
        sides = (rows.start == 0, rows.stop == SIDE, columns.start == 0, columns.stop == SIDE)
        if not any(sides):  # all that is left is in sight, so its distances can be measured again
            cut += part.size < whole.size
            for value, plane in enumerate(distances, 1):
                np.testing.assert_array_equal(plane[rows, columns], signed_distance(labels[rows, columns] == value))
    assert cut >= 10


def test_a_slice_at_a_cut_end_is_its_own_neighbor(store):
    def alone(cut):
        images = Sampler(store, [0, 1], WindowSpec(SIDE, 1, 0.8, cut=cut), seed=2).batch(60, 0)["images"][:, 0]
        return np.mean([np.array_equal(one[0], one[1]) and np.array_equal(one[1], one[2]) for one in images])

    assert alone(0.0) == 0 and alone(1.0) == 1 and 0.1 < alone(0.5) < 0.45


def test_unlabeled_volumes_are_cut_too(store):
    batch = Sampler(store, [2], WindowSpec(SIDE, 0, 0.7, cut=1.0), 0).batch(8, 0)
    assert set(batch) == {"images", "frames", "slices"}
    assert any(min(s.stop - s.start for s in seen(frame)) < 30 for frame in batch["frames"])
