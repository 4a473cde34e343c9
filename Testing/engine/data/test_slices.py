"""Cached slices, the windows drawn from them, and the augmented patches made of those."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from trainingdata import phantom, write_cases, write_volume

from cmaformer.cases.case_list import CasesError
from cmaformer.cases.reading import read_cases
from cmaformer.data.augmentation import DISTANCE_PIXELS, augment
from cmaformer.data.sampler import Sampler, WindowSpec
from cmaformer.data.slices import CACHED_PIXELS, SliceStore, prepare, signed_distance
from cmaformer.door.errors import ImageError
from cmaformer.door.input_spec import InputSpec
from cmaformer.door.watcher import Watcher
from cmaformer.recipes.augmentation import Augmentation

INPUT = InputSpec(spacing_mm=(1.5, 1.5), slicing="acquired")
STILL = Augmentation(
    rotation=0, zoom=(1, 1), stretch=1, right_angle=0, elastic=0, gamma=1, contrast=1, brightness=0, noise=0, blur=0
)


@pytest.fixture
def store(tmp_path):
    cases = read_cases(write_cases(tmp_path, ["labeled", "labeled", "unlabeled", "held-out"]))
    prepare(cases, INPUT, tmp_path / "slices")
    return SliceStore(tmp_path / "slices")


def test_cache_holds_the_slices_of_the_files(store):
    image, labels = phantom(1)
    assert store.numbers("labeled") == [0, 1] and store.numbers("unlabeled") == [2] and store.numbers("held-out") == [3]
    np.testing.assert_array_equal(store.array(1, "labels"), labels)
    cached = store.array(1, "images").astype(float)
    assert abs(cached.mean()) < 0.01 and abs(cached.std() - 1) < 0.01
    assert np.corrcoef(cached.ravel(), image.ravel())[0, 1] > 0.99
    assert not (store.folder / "00002.labels.npy").exists()
    assert isinstance(store.array(1, "images"), np.memmap)


def test_prepared_cache_names_nobody(store):
    text = "".join(path.read_text() for path in store.folder.glob("*.json"))
    assert "Doe" not in text and "image1" not in text and "nrrd" not in text


def test_interrupted_preparation_goes_on_where_it_stood(tmp_path):
    from cmaformer.door.errors import CancelledError

    cases = read_cases(write_cases(tmp_path, ["labeled", "labeled", "held-out"]))
    with pytest.raises(CancelledError):
        prepare(cases, INPUT, tmp_path / "slices", Watcher(cancelled=(tmp_path / "slices" / "00000.json").exists))
    with pytest.raises(CasesError, match="missing or damaged"):
        SliceStore(tmp_path / "slices")
    first = (tmp_path / "slices" / "00000.images.npy").stat().st_mtime_ns
    prepare(cases, INPUT, tmp_path / "slices")
    assert (tmp_path / "slices" / "00000.images.npy").stat().st_mtime_ns == first
    assert SliceStore(tmp_path / "slices").numbers("held-out") == [2]


def test_label_map_on_another_grid_is_refused_with_the_case(tmp_path):
    path = write_cases(tmp_path, ["labeled"])
    write_volume(tmp_path / "labels0.nrrd", np.zeros((5, 48, 41), np.uint8))
    with pytest.raises(CasesError, match=r"^Case 1: the label map.*48, 41"):
        prepare(read_cases(path), INPUT, tmp_path / "slices")


def test_label_value_without_a_class_is_refused(tmp_path):
    path = write_cases(tmp_path, ["labeled"])
    write_volume(tmp_path / "labels0.nrrd", np.full((5, 48, 40), 7, np.uint8))
    with pytest.raises(CasesError, match="value 7"):
        prepare(read_cases(path), INPUT, tmp_path / "slices")


def test_errors_of_a_preparation_name_no_file(tmp_path):
    path = write_cases(tmp_path, ["labeled", "labeled"])
    (tmp_path / "image1.nrrd").write_bytes(b"")
    with pytest.raises(ImageError, match=r"^Case 2: ") as caught:
        prepare(read_cases(path), INPUT, tmp_path / "slices")
    assert "image1" not in str(caught.value) and "Doe" not in str(caught.value)


def test_signed_distance_is_in_pixels_negative_inside():
    mask = np.zeros((21, 21), bool)
    mask[5:16, 5:16] = True
    distance = signed_distance(mask).astype(float) / 127 * CACHED_PIXELS
    assert distance[10, 10] == pytest.approx(-6, abs=0.3)
    assert distance[10, 0] == pytest.approx(5, abs=0.3)
    assert (signed_distance(np.zeros((4, 4), bool)) == 127).all()


def test_batch_depends_on_seed_and_number_alone(store):
    one = Sampler(store, [0, 1], WindowSpec(32, 0, 0.7), seed=3)
    two = Sampler(SliceStore(store.folder), [0, 1], WindowSpec(32, 0, 0.7), seed=3)
    one.batch(4, 0)
    for key, values in one.batch(4, 5).items():
        np.testing.assert_array_equal(values, two.batch(4, 5)[key])
    assert not np.array_equal(one.batch(4, 5)["images"], one.batch(4, 6)["images"])
    other = Sampler(store, [0, 1], WindowSpec(32, 0, 0.7), 4)
    assert not np.array_equal(one.batch(4, 5)["images"], other.batch(4, 5)["images"])


def test_centred_windows_are_balanced_over_the_classes(store):
    sampler = Sampler(store, [0, 1], WindowSpec(33, 0, 1.0), seed=0)
    centers = sampler.batch(200, 0)["labels"][:, 16, 16]
    assert set(centers.tolist()) == {1, 2}
    assert 70 < np.count_nonzero(centers == 1) < 130


def test_windows_show_neighbors_and_pad_with_the_mean(store):
    sampler = Sampler(store, [0], WindowSpec(64, 1, 0.5), seed=0)
    batch = sampler.batch(6, 0)
    assert batch["images"].shape == (6, 1, 3, 64, 64)  # wider than the 40 columns of the slices
    for top, left, bottom, right in batch["frames"]:
        assert bottom - top == pytest.approx(64 / 48 * 2) and right - left == pytest.approx(64 / 40 * 2)
    assert ((batch["images"] == 0).all((1, 2))).mean() > 0.2


def test_unlabeled_cases_give_images_alone(store):
    assert set(Sampler(store, [2], WindowSpec(32, 0, 0.7), 0).batch(2, 0)) == {"images", "frames", "slices"}


def test_patch_without_changes_is_the_middle_of_the_window(store):
    windows = Sampler(store, [0, 1], WindowSpec(48, 0, 1.0), seed=1).batch(4, 0)

    class Center:
        """A generator whose shifts are zero."""

        def __init__(self):
            self.rng = np.random.default_rng(0)

        def uniform(self, low, high, size):
            return np.zeros(size) if low == -0.12 else self.rng.uniform(low, high, size)

        def __getattr__(self, name):
            return getattr(self.rng, name)

    batch = augment(windows, 32, STILL, Center(), "cpu")  # type: ignore[arg-type]
    torch.testing.assert_close(
        batch.images, torch.from_numpy(windows["images"][:, 0, :, 8:40, 8:40]), atol=1e-4, rtol=1e-4
    )
    np.testing.assert_array_equal(batch.labels.numpy(), windows["labels"][:, 8:40, 8:40])
    wanted = windows["distances"][:, :, 8:40, 8:40] / 127 * CACHED_PIXELS / DISTANCE_PIXELS
    np.testing.assert_allclose(batch.distances.numpy(), np.clip(wanted, -1, 1), atol=1e-3)


def test_coarse_patches_show_the_same_at_half_the_resolution(store):
    windows = Sampler(store, [0, 1], WindowSpec(48, 0, 1.0), seed=1).batch(4, 0)
    settings = Augmentation(**{**vars(STILL), "rotation": 25.0, "zoom": (0.9, 1.1)})
    fine, coarse = (augment(windows, 32, settings, np.random.default_rng(5), "cpu", None, n) for n in (1, 2))
    assert coarse.images.shape == (4, 1, 16, 16) and torch.equal(coarse.frames, fine.frames)
    halved = torch.nn.functional.avg_pool2d(fine.images, 2)
    assert (coarse.images - halved).abs().mean() < 0.2 * halved.abs().mean()
    near = fine.distances.abs().amax(1, keepdim=True) < 0.9
    halved = torch.nn.functional.avg_pool2d(fine.distances, 2) / 2  # a distance of so many pixels is half as many
    off = (coarse.distances - halved).abs()[torch.nn.functional.avg_pool2d(near.float(), 2).expand_as(halved) == 1]
    assert off.mean() < 0.03
    structure = torch.nn.functional.avg_pool2d((fine.labels == 2).float(), 2)
    assert ((coarse.labels == 2)[structure == 1]).float().mean() > 0.95


def test_image_labels_distances_and_frame_move_together(store):
    windows = Sampler(store, [0, 1], WindowSpec(48, 0, 1.0), seed=1).batch(16, 0)
    # The image is made a picture of its own labels and coordinates: whatever happens to one must happen to all.
    height, top = 48, windows["frames"][:, 0]
    rows = (np.arange(48) + 0.5) / height * 2
    windows["images"] = (top[:, None] + rows)[:, None, None, :, None].repeat(48, 4).astype(np.float32)
    moved = Augmentation(**{**vars(STILL), "rotation": 0, "zoom": (0.8, 1.3), "stretch": 1.2})
    batch = augment(windows, 24, moved, np.random.default_rng(0), "cpu")
    found = batch.images[:, 0, :, 12]  # the slice coordinate of each row, read from the moved image
    step = (batch.frames[:, 2] - batch.frames[:, 0]) / 24
    wanted = batch.frames[:, :1] + step[:, None] * (torch.arange(24) + 0.5)
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-3)

    windows = Sampler(store, [0, 1], WindowSpec(48, 0, 1.0), seed=1).batch(16, 0)
    batch = augment(
        windows,
        32,
        Augmentation(elastic=0.0, gamma=1, noise=0, blur=0, flip=0.5, right_angle=0.5),
        np.random.default_rng(1),
        "cpu",
    )
    inside = batch.distances[:, 1] < -0.05
    assert (batch.labels[inside] == 2).float().mean() > 0.97
    assert (batch.labels[batch.distances[:, 1] > 0.1] == 2).float().mean() < 0.01


def test_augmentation_is_repeatable(store):
    windows = Sampler(store, [0, 1], WindowSpec(48, 0, 1.0), seed=1).batch(4, 0)
    one, two = (augment(windows, 32, Augmentation(), np.random.default_rng(5), "cpu") for _ in range(2))
    assert torch.equal(one.images, two.images) and torch.equal(one.labels, two.labels)
    assert torch.isfinite(one.images).all() and one.distances.abs().max() <= 1


def test_a_bias_field_is_a_smooth_gain_above_the_darkest_value(store):
    windows = Sampler(store, [0, 1], WindowSpec(48, 0, 1.0), seed=1).batch(8, 0)
    windows["images"] = np.random.default_rng(0).uniform(-1, 3, windows["images"].shape).astype(np.float32)
    curved = Augmentation(**{**vars(STILL), "bias": 2.0})
    batch = augment(windows, 32, curved, np.random.default_rng(3), "cpu")
    low = batch.plain.amin((1, 2, 3), keepdim=True)
    gain = (batch.images - low) / (batch.plain - low).clamp_min(1e-3)
    gain[batch.plain - low < 0.1] = torch.nan
    seen = gain[~gain.isnan()]
    assert seen.min() >= 0.499 and seen.max() <= 2.001 and seen.min() < 0.8 and seen.max() > 1.25
    steps = (gain[..., 1:] / gain[..., :-1]).log().abs()
    assert steps[~steps.isnan()].max() < 0.15  # of neighbors
    assert len({round(float(one.nanmean()), 3) for one in gain}) == 8  # another one for each patch
