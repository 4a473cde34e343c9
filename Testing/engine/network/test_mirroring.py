"""A model that looks at mirror images, too: what it answers, what a training makes of it, and what it must say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from geometries import GRIDS, blobs
from tinymodel import save_tiny

from cmaformer.door.errors import ModelError
from cmaformer.door.input_spec import MIRRORS
from cmaformer.images.geometry import Volume
from cmaformer.models.model import Model, load_model
from cmaformer.network.mirroring import MirroredNetwork
from cmaformer.recipes.recipe import Recipe, configured
from cmaformer.segmenting.segment import prepare, segment


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("mirrored") / "tiny-1.0.0"
    save_tiny(folder)
    return mirrored(folder, ["rows", "columns"])


def mirrored(folder: Path, mirror: object) -> Model:
    path = folder / "model.json"
    description = json.loads(path.read_text())
    description["input"]["mirror"] = mirror
    path.write_text(json.dumps(description))
    return load_model(folder)


@pytest.mark.parametrize("mirrors", [["rows"], ["columns"], ["rows", "columns"]])
def test_the_answer_to_a_mirror_image_is_the_mirror_image_of_the_answer(model: Model, mirrors: list[str]) -> None:
    plain = model.network(torch.device("cpu"))
    network = MirroredNetwork(plain, mirrors)
    image = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        answer = network(image)
        for name in mirrors:
            turned = network(image.flip(MIRRORS[name]))
            torch.testing.assert_close(turned.logits.flip(MIRRORS[name]), answer.logits, rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(turned.sdm.flip(MIRRORS[name]), answer.sdm, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(plain(image).logits.softmax(1), answer.logits.exp(), atol=1e-3)
    torch.testing.assert_close(answer.logits.exp().sum(1), torch.ones(2, 64, 64))


def test_a_volume_stored_backwards_is_segmented_alike(model: Model) -> None:
    assert isinstance(prepare(model, torch.device("cpu")), MirroredNetwork)
    grid = GRIDS["anisotropic 1:1:6"]
    array = blobs(grid).astype(np.float32) * 100 + np.random.default_rng(0).normal(0, 20, grid.shape_kji)
    array = array.astype(np.float32)
    found = segment(Volume(array, grid), model, device="cpu", cleanup=False).labels
    turned = segment(Volume(np.ascontiguousarray(array[:, ::-1]), grid), model, device="cpu", cleanup=False).labels
    assert (turned[:, ::-1] == found).mean() > 0.999  # windows are averaged in another order: ties may break otherwise


@pytest.mark.parametrize("mirror", ["rows", ["slices"], ["rows", "rows"], [1], None])
def test_what_it_cannot_be(tmp_path: Path, mirror: object) -> None:
    save_tiny(tmp_path / "tiny-1.0.0")
    with pytest.raises(ModelError, match="mirror"):
        mirrored(tmp_path / "tiny-1.0.0", mirror)


def test_a_training_that_starts_from_it_mirrors_patches_unless_told_otherwise(model: Model) -> None:
    recipe = Recipe()
    assert configured(recipe, {}, model).augmentation.flip == 0.5
    assert configured(recipe, {}, model).augmentation.rotation == recipe.augmentation.rotation
    assert configured(recipe, {"augmentation": {"flip": 0.0}}, model).augmentation.flip == 0.0
    assert configured(recipe, {}, None).augmentation.flip == 0.0
