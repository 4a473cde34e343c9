"""A training is planned before it is built: what is to be learned, from what, and where it starts.

``check`` and ``train`` share the plan; :meth:`TrainingPlan.write` makes the job folder of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cases.case_list import Case, CaseList, CasesError
from ..cases.images import read_images
from ..door import job as jobs
from ..door.errors import JobError
from ..door.files import private_folder, write_json
from ..door.input_spec import InputSpec
from ..door.names import CASES, SLICES
from ..door.privacy import identifying
from ..door.version import __version__
from ..preflight.report import MOST_FOR_MEDIAN
from . import leave_one_out
from .choices import Choices, fresh
from .parameters import TrainParameters

if TYPE_CHECKING:
    from ..models.model import Model
    from ..network.cmaformer import NetworkConfig


@dataclass(frozen=True)
class TrainingPlan:
    """A training that can be built: everything is checked and decided.

    Attributes:
        case_list: classes and cases.
        name: of the new model.
        base: the model that it starts from.
        choices: what was chosen.
        config: of the network.
        source: what the new model eats.
        postprocessing: likewise.
        folds: of a leave-one-out evaluation; empty without.
    """

    case_list: CaseList
    name: str
    base: Model | None
    choices: Choices
    config: NetworkConfig
    source: InputSpec
    postprocessing: Mapping[str, list[int]]
    folds: Sequence[Mapping[str, list[int]]]

    @classmethod
    def of(
        cls, case_list: CaseList, name: str, base: Model | None = None, choices: Choices | None = None
    ) -> TrainingPlan:
        """Plan a training.

        What the base model says of its input and network is taken over; otherwise the in-plane spacing, where it is not
        chosen, is the median of the labeled images, which are read for it.

        Raises:
            JobError: minutes is not positive, the network has no such settings, or the slices of the base are cut in
                another direction.
            CasesError: the name is empty, a value to clean up is no class, or too few patients to leave one out.
        """
        from ..network.cmaformer import NetworkConfig, configuration

        choices = choices or Choices()
        if not _slug(name):
            raise CasesError("bad-name", "The name of the model needs letters or digits.")
        if choices.minutes is not None and not choices.minutes > 0:
            raise JobError("bad-recipe", "A training needs more than 0 minutes.")
        classes = len(case_list.structures) + 1
        postprocessing = _postprocessing(case_list, base, choices)
        folds = leave_one_out.plan(case_list) if choices.leave_one_out else []
        source = choices.source(base, case_list.images)
        if base is not None:
            config = NetworkConfig.from_dict({**base.description.network, "classes": classes})
        else:
            try:
                settings = {**fresh(choices.minutes), **(choices.network or {})}
                config = configuration(choices.size, in_channels=source.channels, classes=classes, **settings)
            except (TypeError, ValueError) as error:
                raise JobError("bad-network", f"The settings of the network cannot be used: {error}.") from None
            if source.spacing_mm is None:
                source = replace(source, spacing_mm=_median_spacing(case_list, source.slicing))
        # Batch norm has learned its statistics, so that whole slices are no news to it (Testing/benchmarks/README.md).
        source = replace(source, patch=None if config.norm == "batch" else choices.recipe.patch)
        if not choices.recipe.augmentation.flip:
            source = replace(source, mirror=())  # it will not know mirror images any more
        plan = cls(case_list, name, base, choices, config, source, postprocessing, folds)
        plan.refuse_names()
        return plan

    def refuse_names(self) -> None:
        """Raise JobError if the new model would name a folder, the user or this computer, before hours are spent."""
        described = self.description()
        anatomy = [structure.name for structure in self.case_list.structures]
        offending = identifying(described, anatomy)
        if offending is not None:
            raise JobError(
                "identifying",
                f"The name or description of the new model names a folder, a user or this computer: "
                f"{offending[:80]!r}.",
                "Choose other words: the model may be given to others.",
            )

    def description(self) -> dict[str, Any]:
        """The content of the new ``model.json`` as far as it is known before the training."""
        structures, facts, base = self.case_list.structures, self.choices.facts, self.base
        found = ", ".join(structure.name for structure in structures)
        return {
            "id": f"{_slug(self.name)}-1.0.0",
            "version": "1.0.0",
            "title": facts.get("title", self.name),
            "description": facts.get("description", f"Segments {found}."),
            "task": facts.get("task", found),
            "modality": facts.get("modality", base.description.modality if base else "other"),
            "classes": [
                {"value": s.value, "name": s.name, "color": list(s.color), "terminology": s.terminology}
                for s in structures
            ],
            "input": self.source.to_dict(),
            "postprocessing": dict(self.postprocessing),
            "network": self.config.to_dict(),
            "license": facts.get("license", base.description.license if base else "not stated"),
            "parent": base.id if base else None,
        }

    def write(self, folder: Path) -> jobs.Job:
        """Write the job folder (without its slices).

        Args:
            folder: a new or empty folder.

        Raises:
            JobError: the folder holds a job already.
            OSError: it cannot be written.
        """
        private_folder(folder)
        inputs, base = {"slices": SLICES}, self.base
        taken: dict[str, Any] | None = None
        if base is not None:
            from .warm_start import write

            names = [structure.name for structure in self.case_list.structures]
            files, account = write(base, self.config, names, folder, self.choices.seed)
            inputs.update(files)
            taken = asdict(account)
        _write_cases(folder / CASES, self.case_list)
        choices = self.choices
        parameters = TrainParameters(
            choices.recipe,
            self.config.to_dict(),
            self.description(),
            self.source,
            choices.minutes,
            base is None and choices.largest_component is None and choices.together is None,
            taken,
            self.folds,
        )
        return jobs.write_job(  # the last file: a folder that has it has all of them
            folder,
            {
                "schema": jobs.SCHEMA,
                "kind": "train",
                "id": jobs.new_id(),
                "inputs": inputs,
                "model": {"id": base.id, "sha256": base.sha256} if base else {},
                "parameters": parameters.to_dict(),
                "seed": self.choices.seed,
                "engine_version": __version__,
            },
        )


def create(case_list: CaseList, folder: Path, name: str, base: Model | None = None, **choices: Any) -> jobs.Job:
    """Plan a training and write its job folder; ``choices`` are those of :class:`Choices`.

    Raises:
        JobError, CasesError: see :meth:`TrainingPlan.of` and :meth:`TrainingPlan.write`.
    """
    return TrainingPlan.of(case_list, name, base, Choices(**choices)).write(folder)


def _slug(name: str) -> str:
    """Letters and digits of any script, as the name of a folder."""
    return re.sub(r"[\W_]+", "-", unicodedata.normalize("NFC", name).lower()).strip("-")


def _postprocessing(case_list: CaseList, base: Model | None, choices: Choices) -> dict[str, list[int]]:
    """The clean-up of the new model: as chosen, or that of the base, by the names of its classes."""
    names = [structure.name for structure in case_list.structures]

    def of_base(key: str) -> list[int]:
        if base is None:
            return []
        kept = base.description["postprocessing"].get(key, [])
        cleaned = {c.name.casefold() for c in base.description.classes if c.value in kept}
        return [value for value, name in enumerate(names, 1) if name.casefold() in cleaned]

    largest = of_base("largest_component") if choices.largest_component is None else choices.largest_component
    together = of_base("together") if choices.together is None else choices.together
    strange = sorted({*largest, *together} - set(range(1, len(names) + 1)))
    if strange:
        raise CasesError("unknown-label", f"There is no class {strange[0]} to keep the largest component of.")
    return {"largest_component": sorted(largest), "fill_holes": [], "together": sorted(together)}


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
                **_image_entry(case, case_list.images),
                "labels": str(case.labels.resolve()) if case.labels else None,
                "role": case.role,
                "patient": case.patient,
            }
            for case in case_list.cases
        ],
    }
    if case_list.images:
        content["images"] = list(case_list.images)
    if case_list.label_map is not None:
        content["label_map"] = {str(value): class_ for value, class_ in case_list.label_map.items()}
    write_json(path, content, indent=1)


def _image_entry(case: Case, names: Sequence[str]) -> dict[str, Any]:
    if not case.others:
        return {"image": str(case.image.resolve())}
    return {"images": {name: str(path.resolve()) for name, path in zip(names, case.images)}}


def _median_spacing(case_list: CaseList, slicing: str) -> tuple[float, float]:
    """The in-plane spacing of the first labeled images, which are read for it."""
    # Reading images needs SimpleITK, which a computer that trains a prepared job may not have.
    from ..images.grid import median_spacing

    labeled = case_list.with_role("labeled")[:MOST_FOR_MEDIAN]
    rows, columns = median_spacing([read_images(case, case_list).geometry for case in labeled], slicing)
    return rows, columns
