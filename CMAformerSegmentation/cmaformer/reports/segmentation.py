"""The report of a segmentation: pictures, volumes, how sure the model is, and how it came about."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..images.geometry import Volume
from ..segmenting.structures import measure_structures
from .page import Name, heading, number, page, paragraph, picture, table, write_page
from .pictures import slice_pictures

if TYPE_CHECKING:
    from ..models.model import Model

AXES = "ijk"


def write_report(
    path: Path,
    volume: Volume,
    labels: np.ndarray,
    model: Model,
    facts: Mapping[str, Any] | None = None,
    title: str = "",
    notes: Sequence[str] = (),
) -> None:
    """Write the page. Nothing of it names a patient, a user or a file, but what the caller puts into ``title``.

    Args:
        path: of the HTML file.
        volume: the image.
        labels: uint8 (K, J, I), on its grid, as they are now.
        model: that made them, perhaps before a correction.
        facts: the summary of the segmentation (:meth:`cmaformer.segmenting.segment.Segmentation.summary`), as far as
            it is known.
        title: of the page; that of the model where it is empty.
        notes: warnings, and what was corrected.

    Raises:
        EngineError: it cannot be written.
    """
    facts = facts or {}
    structures = measure_structures(labels, volume, model)
    unsure = facts.get("uncertainty") or {}
    expected = unsure.get("expected_dice") or {}
    heads = ["Structure", "Volume (ml)", "Voxels", "Mean of the image"]
    rows: list[list[Any]] = []
    for structure, entry in zip(model.description.classes, structures):
        row: list[Any] = [Name(structure.name, structure.color), number(entry["volume_ml"], 2)]
        row += [number(entry["voxels"], 0), number(entry["mean"], 1)]
        rows.append(row + ([number(expected.get(structure.name), 2)] if expected else []))
    parts = [paragraph(note, "warning") for note in notes]
    parts += [heading("What was found"), table(heads + (["Expected Dice"] if expected else []), rows)]
    if expected:
        worst = ", ".join(str(index + 1) for index in unsure.get("worst_slices", []))
        text = "The expected Dice is by the model's own probabilities, which are surer than they should be."
        axis = unsure.get("slice_axis", "k")
        parts.append(paragraph(f"{text} Slices along {axis} to look at first, counted from 1: {worst or 'none'}."))
    parts.append(heading("Slices"))
    for index, png in slice_pictures(volume, labels, model.description.classes):
        parts.append(picture(png, f"slice {index + 1}"))
    parts += [heading("How it came about"), table(["", ""], _provenance(volume, model, facts))]
    write_page(path, page(title or f"Segmentation: {model.description.title}", parts))


def _provenance(volume: Volume, model: Model, facts: Mapping[str, Any]) -> list[list[str]]:
    size = " x ".join(str(n) for n in volume.geometry.size_ijk)
    spacing = " x ".join(f"{mm:.4g}" for mm in volume.geometry.spacing)
    rows = [
        ["Model", model.id],
        ["Weights (SHA-256)", model.sha256],
        ["License of the weights", model.description.license or "not told"],
        ["Image", f"{size} voxels of {spacing} mm ({AXES[0]}, {AXES[1]}, {AXES[2]})"],
        ["Written", time.strftime("%Y-%m-%d %H:%M")],
    ]
    for key, name in (("engine_version", "Engine"), ("device", "Device"), ("precision", "Precision")):
        if facts.get(key):
            rows.append([name, str(facts[key])])
    if isinstance(facts.get("seconds"), (int, float)):
        rows.append(["Time", f"{facts['seconds']:.1f} s"])
    return rows
