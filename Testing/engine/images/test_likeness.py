"""An image that is unlike those of the training is segmented with a warning, and a usual one without."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tinymodel import save_tiny
from trainingdata import phantom, write_cases, write_volume

from cmaformer import load_model, segment
from cmaformer.cases.reading import read_cases
from cmaformer.images.grid import SliceGrid
from cmaformer.images.intensity import Normalization
from cmaformer.images.likeness import facts_of, remarks
from cmaformer.images.volume import read_volume
from cmaformer.recipes.recipe import Recipe
from cmaformer.training.work import train

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "cardiac_cine_mr"
BUNDLED = Path(__file__).resolve().parents[3] / "Resources" / "Models" / "cardiac-cine-mr-1.4.0"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory):
    """Trained on two phantoms: 48 x 40 pixels of 1.5 mm, values 0 to 600."""
    folder = tmp_path_factory.mktemp("likeness")
    cases = read_cases(write_cases(folder, ["labeled", "unlabeled", "held-out"]))
    recipe = Recipe(iterations=2, semi_iterations=2, batch_size=2, patch=32, evaluate_every=0, look_slices=2)
    base = save_tiny(folder / "base", structures=2)
    return load_model(train(cases, folder / "job", "model", base, device="cpu", recipe=recipe))


def warning_of(folder: Path, model, image: np.ndarray, spacing=(1.5, 1.5, 6.0)) -> str:
    path = folder / "image.nrrd"
    write_volume(path, image, spacing)
    found = [message for code, message in segment(path, model, device="cpu").warnings if code == "unlike-training"]
    return found[0] if found else ""


def test_a_trained_model_knows_its_images_and_tells_of_others(model, tmp_path: Path) -> None:
    seen = model.description.training["images"]
    assert seen["pixel_mm"] == [1.5, 1.5] and seen["field_mm"][0] == pytest.approx(1.5 * np.sqrt(48 * 40), rel=1e-3)
    image = phantom(9)[0]
    assert warning_of(tmp_path, model, image) == ""
    assert warning_of(tmp_path, model, image.astype(np.float32) / 40000) == ""  # another scanner's scale
    assert warning_of(tmp_path, model, image[:1]) == ""
    assert "negative values" in warning_of(tmp_path, model, image - 1000)
    assert "pixels measure 6 mm" in warning_of(tmp_path, model, image, (6.0, 6.0, 10.0))
    assert "3 mm wide" in warning_of(tmp_path, model, image[:1, :1, :3])
    assert "distributed" in warning_of(tmp_path, model, 600 - image)


WINDOW = {"type": "window", "low": -125.0, "high": 275.0}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda hu: hu + 1024, "no negative values"),  # as scanners store it, without the intercept
        (lambda hu: (np.clip(hu, -125, 275) + 125) / 400 * 255, "no negative values"),  # a picture of 8 bits
        (lambda hu: (np.clip(hu, -1000, 1000) + 1000) / 2000, "no negative values"),
        (lambda hu: (hu - hu.mean()) / hu.std(), "hardly has a contrast"),
    ],
    ids=["offset", "8 bits", "0 to 1", "z-scores"],
)
def test_a_ct_in_other_units_is_told(tmp_path: Path, change, word: str) -> None:
    """Each gave a wrong result without a word."""
    rng = np.random.default_rng(0)
    hu = np.where(phantom(1)[1] > 0, 60.0, -900.0) + rng.normal(0, 15, (5, 48, 40))
    grid = SliceGrid(read_volume(write_volume_of(tmp_path)).geometry, "acquired", (1.5, 1.5))
    seen = {"negative": [0.6, 0.9]}

    def told(array: np.ndarray) -> str:
        return "; ".join(remarks(facts_of([array], grid, [Normalization(WINDOW, array)]), seen))

    assert told(hu) == ""
    assert word in told(change(hu))
    # A model that has seen images without negative values does not expect any.
    assert remarks({**facts_of([hu], grid, [Normalization(WINDOW, hu)]), "negative": 0.0}, {"negative": [0, 0]}) == []


def test_a_model_that_does_not_know_says_nothing(tmp_path: Path) -> None:
    grid = SliceGrid(read_volume(write_volume_of(tmp_path)).geometry, "acquired", (1.5, 1.5))
    image = phantom(1)[0]
    facts = facts_of([image], grid, [Normalization({"type": "percentile", "low": 0.5, "high": 99.5}, image)])
    assert remarks(facts, None) == remarks(facts, {}) == remarks(facts, {"pixel_mm": "small", "other": [1, 2]}) == []
    assert len(remarks({**facts, "field_mm": 900.0}, {"field_mm": [50, 60], "skewness": [20, 30]})) == 2


def write_volume_of(folder: Path) -> Path:
    write_volume(folder / "one.nrrd", phantom(1)[0])
    return folder / "one.nrrd"


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="needs shared/data/cardiac_cine_mr")
def test_the_bundled_model_takes_hearts_and_wonders_about_other_images() -> None:
    description = json.loads((BUNDLED / "model.json").read_text())
    source, seen = description["input"], description["training"]["images"]

    def wonders(array: np.ndarray, geometry) -> list[str]:
        grid = SliceGrid(geometry, source["slicing"], source["spacing_mm"])
        return remarks(facts_of([array], grid, [Normalization(source["normalization"], array)]), seen)

    validation = json.loads((DATA / "split.json").read_text())["validation"]
    for patient in validation:
        for path in sorted((DATA / "images").glob(f"{patient}_*")):
            volume = read_volume(path)
            assert wonders(volume.array, volume.geometry) == [], path.name
            assert wonders(volume.array[:, ::-1, ::-1] / 4095.0, volume.geometry) == []
            # As CT shows a body: air at -1000, tissue around 0.
            assert wonders(volume.array * 0.3 - 1000.0, volume.geometry)
