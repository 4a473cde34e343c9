"""The job folder of a training: what is to be learnt, from what, and where it starts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..cases.case_list import CaseList, CasesError
from ..door import job as jobs
from ..door.errors import JobError
from ..door.files import write_json
from ..door.names import CASES, SLICES
from ..door.slicing import SLICINGS
from ..recipes.recipe import Recipe
from .leave_one_out import plan

if TYPE_CHECKING:
    from ..models.model import Model

ACQUIRED = "acquired"  # the slicing of a fresh model


def create(
    case_list: CaseList,
    folder: Path,
    name: str,
    base: Model | None = None,
    *,
    size: str = "small",
    network: Mapping[str, Any] | None = None,
    spacing_mm: Sequence[float] | None = None,
    slicing: str | None = None,
    normalization: dict[str, Any] | None = None,
    context_slices: int = 0,
    largest_component: Sequence[int] | None = None,
    together: Sequence[int] | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
    facts: dict[str, str] | None = None,
    leave_one_out: bool = False,
    minutes: float | None = None,
) -> jobs.Job:
    """Write the job folder of a training (without its slices).

    What the base model says of its input and network is taken over; otherwise the in-plane spacing is the median of the
    labeled images.

    Args:
        case_list: classes and cases.
        folder: a new or empty folder.
        name: name of the model.
        base: model to start from.
        size: configuration of a fresh network.
        network: settings of :class:`cmaformer.network.cmaformer.NetworkConfig` that differ from it.
        spacing_mm: (row, column) in mm of a fresh model's grid.
        slicing: one of :data:`cmaformer.door.slicing.SLICINGS`; None: that of the base, or "acquired". An axial base
            can become an orthogonal model, and the other way round.
        normalization: of a fresh model; see :class:`cmaformer.images.intensity.Normalization`.
        context_slices: neighbours on each side of a fresh model.
        largest_component: values of classes of which the model's clean-up keeps the largest component alone; None:
            those classes of which the base does, by name.
        together: values of classes that touch each other, of which only the largest connected part as one is kept
            before that; None likewise.
        recipe: how to train.
        seed: of weights, batches and augmentation.
        facts: title, task, modality, description and license of a fresh model.
        leave_one_out: also train without each labeled patient, to test on that one.
        minutes: a budget of time, to which the length of both phases is fitted on the computer that trains.

    Raises:
        JobError: the folder holds a job already, minutes is not positive, the network has no such settings, or the
            slices of the base are cut in another direction.
        CasesError: the name is empty, a value to clean up is no class, or too few patients to leave one out.
    """
    from ..network.cmaformer import NetworkConfig, configuration
    from .warm_start import write

    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not slug:
        raise CasesError("bad-name", "The name of the model needs letters or digits.")
    classes = len(case_list.structures) + 1
    if minutes is not None and not minutes > 0:
        raise JobError("bad-recipe", "A training needs more than 0 minutes.")
    names = [s.name for s in case_list.structures]
    kept = _cleaned_up("largest_component", base, names) if largest_component is None else largest_component
    joined = _cleaned_up("together", base, names) if together is None else together
    strange = sorted({*kept, *joined} - set(range(1, classes)))
    if strange:
        raise CasesError("unknown-label", f"There is no class {strange[0]} to keep the largest component of.")
    facts = facts or {}
    folds = plan(case_list) if leave_one_out else []
    folder.mkdir(parents=True, exist_ok=True)
    if base is not None:
        config = NetworkConfig.from_dict({**base.description.network, "classes": classes})
        model_input = dict(base.description["input"])
        model_input["slicing"] = _changed(model_input["slicing"], slicing)
    else:
        try:
            config = configuration(size, in_channels=2 * context_slices + 1, classes=classes, **(network or {}))
        except (TypeError, ValueError) as error:
            raise JobError("bad-network", f"The settings of the network cannot be used: {error}.") from None
        model_input = {
            "channels": config.in_channels,
            "context_slices": context_slices,
            "spacing_mm": [float(s) for s in spacing_mm or median_spacing(case_list, slicing or ACQUIRED)],
            "slicing": slicing or ACQUIRED,
            "normalization": normalization or {"type": "percentile", "low": 0.5, "high": 99.5},
        }
    recipe = recipe or Recipe()
    model_input["patch"] = recipe.patch
    if not recipe.augmentation.flip:
        model_input.pop("mirror", None)  # it will not know mirror images any more
    inputs = {"slices": SLICES}
    parameters: dict[str, Any] = {} if minutes is None else {"minutes": minutes}
    if base is not None:
        files, account = write(base, config, names, folder, seed)
        inputs.update(files)
        parameters["base"] = asdict(account)
    description: dict[str, Any] = {
        "id": f"{slug}-1.0.0",
        "version": "1.0.0",
        "title": facts.get("title", name),
        "description": facts.get("description", f"Segments {', '.join(s.name for s in case_list.structures)}."),
        "task": facts.get("task", ", ".join(s.name for s in case_list.structures)),
        "modality": facts.get("modality", base.description.modality if base else "other"),
        "classes": [
            {"value": s.value, "name": s.name, "color": list(s.color), "terminology": s.terminology}
            for s in case_list.structures
        ],
        "input": model_input,
        "postprocessing": {"largest_component": sorted(kept), "fill_holes": [], "together": sorted(joined)},
        "network": config.to_dict(),
        "license": facts.get("license", base.description.license if base else "not stated"),
        "parent": base.id if base else None,
    }
    job = jobs.write_job(
        folder,
        {
            "schema": jobs.SCHEMA,
            "kind": "train",
            "id": jobs.new_id(),
            "inputs": inputs,
            "model": {"id": base.id, "sha256": base.sha256} if base else {},
            "parameters": {
                "recipe": recipe.to_dict(),
                "network": config.to_dict(),
                "context_slices": model_input["context_slices"],
                "description": description,
                **parameters,
                **({"leave_one_out": folds} if folds else {}),
            },
            "seed": seed,
            "engine_version": __version__,
        },
    )
    _write_cases(folder / CASES, case_list)
    return job


def _changed(slicing: str, wanted: str | None) -> str:
    """The slicing of a model whose base has another: the base is compared on slices that it knows."""
    if wanted is not None and SLICINGS[wanted][0] != SLICINGS[slicing][0]:
        raise JobError(
            "bad-slicing",
            f"The slices of the model to start from are {slicing}, and cannot become {wanted}.",
            "Leave the slicing as it is, or train from scratch.",
        )
    return wanted or slicing


def _cleaned_up(key: str, base: Model | None, names: Sequence[str]) -> list[int]:
    """Values of the classes, of these names, that a base model cleans up in this way."""
    if base is None:
        return []
    kept = base.description["postprocessing"].get(key, [])
    cleaned = {c.name.casefold() for c in base.description.classes if c.value in kept}
    return [value for value, name in enumerate(names, 1) if name.casefold() in cleaned]


def median_spacing(case_list: CaseList, slicing: str) -> list[float]:
    """Median (row, column) spacing in mm of the slices of at most 20 labeled images, in all directions of a slicing."""
    from ..images.grid import grids_of
    from ..images.volume import read_volume

    spacings = [
        grid.pixel_spacing
        for case in case_list.with_role("labeled")[:20]
        for grid in grids_of(read_volume(case.image).geometry, slicing)
    ]
    return [float(s) for s in np.median(np.array(spacings), axis=0)]


def _write_cases(path: Path, case_list: CaseList) -> None:
    """The cases with absolute paths, so that an interrupted preparation can go on; this file stays on this computer."""
    content: dict[str, Any] = {
        "classes": {
            str(s.value): {"name": s.name, "color": list(s.color), "terminology": s.terminology}
            for s in case_list.structures
        },
        "cases": [
            {
                "name": case.name,
                "image": str(case.image.resolve()),
                "labels": str(case.labels.resolve()) if case.labels else None,
                "role": case.role,
                "patient": case.patient,
            }
            for case in case_list.cases
        ],
    }
    if case_list.label_map is not None:
        content["label_map"] = {str(value): class_ for value, class_ in case_list.label_map.items()}
    write_json(path, content, indent=1)
