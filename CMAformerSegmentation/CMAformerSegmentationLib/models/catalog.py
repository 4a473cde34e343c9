"""The models on this computer: those that come with the extension and the user's own.

Only descriptions are read here; the engine verifies the weights when it loads them. A damaged folder never stops the
others: it is listed as a problem, in words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ..refusal import Refusal

_segmentationCategory = ("SCT", "123037004", "Anatomical Structure")
_segmentationType = ("SCT", "85756007", "Tissue")


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
    image's own."""

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

    @property
    def card(self) -> str:
        """The model's card (Markdown), or its description when there is none."""
        try:
            return (self.path / "card.md").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return self.description


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
        """The model with this id; the first one for None; None when there is no such model."""
        if modelId is None:
            return self.entries[0] if self.entries else None
        return next((entry for entry in self.entries if entry.id == modelId), None)


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
                if catalog.find(entry.id):
                    message = _("Another model has the same id, {id}; that one is used.").format(id=entry.id)
                    catalog.problems.append(ModelProblem(folder.name, message))
                    continue
                catalog.entries.append(entry)
    return catalog


def readModel(folder: Path, bundled: bool = False) -> ModelEntry:
    """Read one model folder.

    :raises ValueError: with a message that names the file and what is wrong with it.
    """
    description = _readDescription(folder / "model.json")
    if not (folder / "weights.pt").is_file():
        raise _Unusable(lambda: _("The file weights.pt is missing."))
    try:
        structures = tuple(_structure(item) for item in description["classes"])
        entry = ModelEntry(
            id=_text(description, "id"),
            title=str(description.get("title") or description["id"]),
            description=str(description.get("description") or ""),
            version=str(description.get("version") or ""),
            modality=str(description.get("modality") or ""),
            license=str(description.get("license") or ""),
            sha256=_text(description, "weights_sha256"),
            structures=structures,
            path=folder,
            bundled=bundled,
            slicing=str((description.get("input") or {}).get("slicing") or "acquired"),
            pixelMm=_pixel((description.get("input") or {}).get("spacing_mm")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, _Unusable):
            raise
        what = str(error)
        raise _Unusable(lambda: _("model.json is incomplete or damaged ({what}).").format(what=what)) from error
    if not structures:
        raise _Unusable(lambda: _("model.json names no structures."))
    if len({structure.value for structure in structures}) != len(structures):
        raise _Unusable(lambda: _("model.json uses one value for two structures."))
    return entry


class _Unusable(Refusal):
    pass


def _subfolders(root: Path) -> list[Path]:
    try:
        return sorted(folder for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    except OSError:
        return []


def _readDescription(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _Unusable(lambda: _("The file model.json is missing.")) from None
    except (OSError, ValueError):
        raise _Unusable(lambda: _("model.json cannot be read.")) from None
    if not isinstance(description, dict):
        raise _Unusable(lambda: _("model.json cannot be read."))
    if description.get("schema") != 1:
        raise _Unusable(lambda: _("The model is made for another version of CMAformer."))
    return description


def _text(description: dict[str, Any], key: str) -> str:
    value = description[key]
    if not isinstance(value, str) or not value:
        raise ValueError(key)
    return value


def _structure(item: dict[str, Any]) -> StructureClass:
    value = int(item["value"])
    red, green, blue = (int(c) for c in item["color"])
    if not 1 <= value <= 255 or not all(0 <= c <= 255 for c in (red, green, blue)):
        raise ValueError("classes")
    terminology = item.get("terminology") or {}
    return StructureClass(
        value=value,
        name=_text(item, "name"),
        color=(red / 255, green / 255, blue / 255),
        category=_code(terminology.get("category")) or _segmentationCategory,
        type=_code(terminology.get("type")) or _segmentationType,
        modifier=_code(terminology.get("modifier")),
    )


def _pixel(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    row, column = (float(side) for side in value)
    if min(row, column) <= 0:
        raise ValueError("spacing_mm")
    return row, column


def _code(value: Any) -> tuple[str, str, str] | None:
    if not value:
        return None
    scheme, code, meaning = (str(part) for part in value)
    return scheme, code, meaning
