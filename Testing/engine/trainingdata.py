"""A few tiny volumes with two structures, on disk, as a clinician's folder would hold them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from cmaformer.recipes.recipe import Recipe

# A training of a second, without a look at the held-out cases.
SHORT = Recipe(iterations=6, batch_size=2, patch=32, evaluate_every=0, checkpoint_every=2)


def write_volume(path: Path, array: np.ndarray, spacing=(1.5, 1.5, 6.0)) -> None:
    """Write (K, J, I) as an image file."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(path))


def phantom(seed: int, shape=(5, 48, 40)) -> tuple[np.ndarray, np.ndarray]:
    """A bright disc in a ring, somewhere in noise: int16 image and uint8 labels (1 ring, 2 disc)."""
    rng = np.random.default_rng(seed)
    k, j, i = np.indices(shape)
    center = np.array(shape[1:]) / 2 + rng.uniform(-5, 5, 2)
    distance = np.hypot(j - center[0], i - center[1])
    radius = 6 + rng.uniform(0, 3) - 0.5 * k
    labels = np.zeros(shape, np.uint8)
    labels[distance < radius + 4] = 1
    labels[distance < radius] = 2
    image = np.choose(labels, [100.0, 250.0, 500.0]) + rng.normal(0, 20, shape)
    return image.astype(np.int16), labels


def write_cases(folder: Path, roles: list[str]) -> Path:
    """Write one phantom a role, and the ``cases.json`` that lists them."""
    cases = []
    for number, role in enumerate(roles):
        image, labels = phantom(number)
        write_volume(folder / f"image{number}.nrrd", image)
        write_volume(folder / f"labels{number}.nrrd", labels)
        entry = {"name": f"Doe^Jane {number}", "image": f"image{number}.nrrd", "role": role}
        cases.append({**entry, "labels": None if role == "unlabeled" else f"labels{number}.nrrd"})
    path = folder / "cases.json"
    path.write_text(json.dumps({"classes": {"1": "ring", "2": {"name": "disc", "color": [1, 2, 3]}}, "cases": cases}))
    return path
