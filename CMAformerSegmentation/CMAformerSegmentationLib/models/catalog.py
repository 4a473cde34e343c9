"""The models on this computer: those that come with the extension and the user's own.

Only descriptions are read here; the engine verifies the weights when it loads them. A damaged folder never stops the
others: it is listed as a problem, in words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from slicer.i18n import tr as _

from cmaformer.door.description import Structure, newest, read_card, read_description
from cmaformer.door.errors import ModelError
from cmaformer.door.names import MODEL, WEIGHTS

from ..refusal import Refusal

_segmentationCategory = ("SCT", "123037004", "Anatomical Structure")
_segmentationType = ("SCT", "85756007", "Tissue")
# Pictures in a card may lie anywhere, also on somebody's server: showing a card must not fetch them.
_image = re.compile(r"!\[([^\]]*)\]\s*[(\[][^)\]]*[)\]]|<\s*img\b[^>]*>", re.IGNORECASE)
# The bundled model that a call without a model uses, as ever: others that are added do not take its place.
_first = "cardiac-cine-mr-"


@dataclass(frozen=True)
class StructureClass:
    """One structure that a model finds. `color` is 0 to 1; terminology codes are (scheme, value, meaning)."""

    value: int
    name: str
    color: tuple[float, float, float]
    category: tuple[str, str, str] = _segmentationCategory
    type: tuple[str, str, str] = _segmentationType
    modifier: tuple[str, str, str] | None = None


@dataclass(frozen=True)
class ModelEntry:
    """One usable model of the catalog. `pixelMm` are the rows' and the columns' distance that it sees, None for the
    image's own; `measurements` what can be measured in its results, such as "cardiac-function"; `images` the names of
    the images of a patient that it looks at together, empty for one."""

    id: str
    title: str
    description: str
    version: str
    modality: str
    license: str
    sha256: str
    structures: tuple[StructureClass, ...]
    path: Path
    bundled: bool
    slicing: str = "acquired"
    pixelMm: tuple[float, float] | None = None
    measurements: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    @property
    def card(self) -> str:
        """The model's card (Markdown) without images, or its description when there is none."""
        return _image.sub(lambda match: match[1] or "", read_card(self.path)) or self.description


@dataclass(frozen=True)
class ModelProblem:
    """A folder that should be a model but cannot be used, and why."""

    name: str
    message: str


@dataclass
class Catalog:
    """Usable models, in the order to show them, and the folders that have a problem."""

    entries: list[ModelEntry] = field(default_factory=list)
    problems: list[ModelProblem] = field(default_factory=list)

    def find(self, modelId: str | None) -> ModelEntry | None:
        """The model with this id, the newest one of an id without a version, or the first one for None.

        None when there is no such model.
        """
        if modelId is None:
            return self.entries[0] if self.entries else None
        known = {entry.id: entry for entry in self.entries}
        return known.get(newest(known, modelId) or "")


def findModels(bundled: Iterable[Path], own: Iterable[Path] = ()) -> Catalog:
    """Read the descriptions of all the models below these folders; folders that do not exist are fine.

    :param bundled: folders of the models that come with the extension.
    :param own: folders of the user's models. When an id occurs twice, the first one found is used.
    """
    catalog = Catalog()
    for isBundled, roots in ((True, bundled), (False, own)):
        for root in roots:
            for folder in _subfolders(Path(root)):
                try:
                    entry = readModel(folder, isBundled)
                except _Unusable as problem:
                    catalog.problems.append(ModelProblem(folder.name, str(problem)))
                    continue
                if any(other.id == entry.id for other in catalog.entries):
                    message = _("Another model has the same id, {id}; that one is used.").format(id=entry.id)
                    catalog.problems.append(ModelProblem(folder.name, message))
                    continue
                catalog.entries.append(entry)
    catalog.entries.sort(key=lambda entry: not (entry.bundled and entry.id.startswith(_first)))
    return catalog


def readModel(folder: Path, bundled: bool = False) -> ModelEntry:
    """Read one model folder.

    :raises ValueError: with a message that names the file and what is wrong with it.
    """
    if not (folder / MODEL).is_file():
        raise _Unusable(lambda: _("The file model.json is missing."))
    try:
        about = read_description(folder)
    except ModelError as error:
        what = error.message.rstrip(".")
        if error.code == "unknown-schema":
            raise _Unusable(lambda: _("The model is made for another version of CMAformer.")) from None
        raise _Unusable(lambda: _("The model is damaged ({what}).").format(what=what)) from None
    if not (folder / WEIGHTS).is_file():
        raise _Unusable(lambda: _("The file weights.pt is missing."))
    return ModelEntry(
        id=about.id,
        title=about.title,
        description=about.description,
        version=about.version,
        modality=about.modality,
        license=about.license,
        sha256=about.weights_sha256,
        structures=tuple(_structure(one) for one in about.classes),
        path=folder,
        bundled=bundled,
        slicing=about.input.slicing,
        pixelMm=about.input.spacing_mm,
        measurements=about.measurements,
        images=about.input.names,
    )


def _structure(one: Structure) -> StructureClass:
    codes = one.terminology or {}
    red, green, blue = one.color

    def code(name: str) -> tuple[str, str, str] | None:
        scheme, value, meaning = codes.get(name) or ("", "", "")
        return (scheme, value, meaning) if value else None

    return StructureClass(
        value=one.value,
        name=one.name,
        color=(red / 255, green / 255, blue / 255),
        category=code("category") or _segmentationCategory,
        type=code("type") or _segmentationType,
        modifier=code("modifier"),
    )


class _Unusable(Refusal):
    pass


def _subfolders(root: Path) -> list[Path]:
    try:
        return sorted(folder for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    except OSError:
        return []
