"""Two images of a patient on any two grids, enhanced DICOM with any slopes, CT in any units: right, told or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from generated import MANY
from hypothesis import given
from hypothesis import strategies as st
from trainingdata import phantom

from cmaformer.door.errors import ImageError
from cmaformer.images.channels import read_images
from cmaformer.images.geometry import Geometry, Volume
from cmaformer.images.grid import SliceGrid
from cmaformer.images.intensity import Normalization
from cmaformer.images.likeness import facts_of, remarks
from cmaformer.images.volume import read_volume
from dicomseries import write_enhanced

SLOPE = np.array([1.0, 2.0, 5.0])
WINDOW = {"type": "window", "low": -125.0, "high": 275.0}


def ramp(geometry: Geometry) -> np.ndarray:
    """A linear function of the place in the patient, (K, J, I): interpolation gives it back exactly."""
    places = np.indices(geometry.shape_kji)[::-1].reshape(3, -1) * np.array(geometry.spacing)[:, None]
    world = np.reshape(geometry.direction, (3, 3)) @ places + np.array(geometry.origin)[:, None]
    return (SLOPE @ world).reshape(geometry.shape_kji).astype(np.float32)


def indices(geometry: Geometry, other: Geometry) -> np.ndarray:
    """Where the voxels of a grid lie in another one: (K, J, I, 3), along i, j, k."""
    places = np.indices(geometry.shape_kji)[::-1].reshape(3, -1) * np.array(geometry.spacing)[:, None]
    world = np.reshape(geometry.direction, (3, 3)) @ places + np.array(geometry.origin)[:, None]
    axes = np.reshape(other.direction, (3, 3)) * np.array(other.spacing)
    return np.linalg.solve(axes, world - np.array(other.origin)[:, None]).T.reshape(*geometry.shape_kji, 3)


@st.composite
def grids(draw) -> Geometry:
    """A grid around the origin, turned, flipped or permuted."""
    size = tuple(draw(st.integers(4, 14)) for _ in range(3))
    spacing = tuple(draw(st.floats(0.5, 4.0)) for _ in range(3))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    axes = np.eye(3)[list(draw(st.permutations(range(3))))] * [draw(st.sampled_from([1, -1])) for _ in range(3)]
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0] if draw(st.booleans()) else np.eye(3)
    direction = turn @ axes
    center = rng.uniform(-4, 4, 3) * draw(st.sampled_from([0, 1, 20]))
    origin = center - direction @ (np.array(size) - 1) * np.array(spacing).mean() / 2
    return Geometry(size, spacing, tuple(origin.tolist()), tuple(direction.ravel().tolist()))  # type: ignore[arg-type]


def test_a_second_image_is_where_it_lies_in_the_patient_or_refused(tally) -> None:
    @MANY
    @given(grids(), grids())
    def tried(first: Geometry, second: Geometry) -> None:
        one, two = Volume(ramp(first), first), Volume(ramp(second), second)
        try:
            found = read_images([one, two], ("T1", "FLAIR"))
        except ImageError as error:
            assert error.code == "other-place"
            tally("second image of a patient", "refused")
            return
        at = indices(first, second)
        last = np.array(second.size_ijk) - 1
        within = np.all((at >= -1e-6) & (at <= last + 1e-6), axis=-1)  # between centers of voxels
        beyond = np.any((at < -0.51) | (at > last + 0.51), axis=-1)
        # Of the same voxels but for rounding, up to a twentieth of one is no matter.
        near = 2e-2 if found.notes else 0.06 * float(np.abs(SLOPE).sum()) * max(second.spacing)
        np.testing.assert_allclose(found.others[0][within], one.array[within], rtol=1e-4, atol=near)
        if found.notes:  # the darkest value where there is nothing; without a note both have the same voxels
            np.testing.assert_allclose(found.others[0][beyond], two.array.min(), rtol=1e-4, atol=2e-2)
        tally("second image of a patient", "warned" if found.notes else "right")

    tried()


@pytest.mark.parametrize("kind", ["2.1", "4.1", "7.3"])
def test_slopes_of_enhanced_files_are_applied_once(tmp_path: Path, tally, kind: str) -> None:
    numbers = st.tuples(st.sampled_from([0.5, 1.0, 2.0, 3.25]), st.sampled_from([-1024.0, 0.0, 10.0, 7.5]))

    @MANY
    @given(st.lists(numbers, min_size=1, max_size=5), st.booleans(), st.integers(0, 2**20))
    def tried(scales: list[tuple[float, float]], shared: bool, seed: int) -> None:
        raw = np.random.default_rng(seed).integers(0, 4000, (len(scales), 6, 5))
        of_all, of_each = (scales[0], None) if shared else (None, scales)
        write_enhanced(tmp_path / "a.dcm", raw, kind, of_all, of_each)
        wanted = [plane * s + i for plane, (s, i) in zip(raw, [scales[0]] * len(raw) if shared else scales)]
        np.testing.assert_allclose(read_volume(tmp_path / "a.dcm").array, np.stack(wanted), atol=1e-2)
        tally("enhanced DICOM, slopes", "right")

    tried()


def test_a_ct_in_any_other_unit_is_told(tally) -> None:
    geometry = Geometry((40, 48, 5), (1.5, 1.5, 6.0), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    grid, seen = SliceGrid(geometry, "acquired", (1.5, 1.5)), {"negative": [0.5, 0.9]}

    @MANY
    @given(st.sampled_from([1e-3, 4e-3, 0.05, 0.1275]), st.floats(1000, 4000), st.integers(0, 2**20))
    def tried(scale: float, offset: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        hu = np.where(phantom(seed % 100)[1] > 0, rng.uniform(20, 90), -900.0) + rng.normal(0, 15, (5, 48, 40))
        for array, wrong in ((hu, False), (hu + offset, True), ((np.clip(hu, -1000, 1000) + 1000) * scale, True)):
            told = remarks(facts_of([array], grid, [Normalization(WINDOW, array)]), seen)
            assert bool(told) == wrong, (scale, offset, told)
            tally("units of a CT", "warned" if told else "right")

    tried()
