"""What a look at the cases before a training found: facts, findings, and the report that holds both."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..door.errors import EngineError
from ..door.files import write_json

ERROR, WARNING, NOTE = "error", "warning", "note"
# How many findings the message of an error shows; all of them are in the report.
SHOWN = 3
# The spacing of a fresh model is the median of so many labeled images.
MOST_FOR_MEDIAN = 20


@dataclass(frozen=True)
class Finding:
    """One thing to know about a case (``case`` counts from 1) or about the whole list (``case`` is None).

    An "error" stops a training, a "warning" or a "note" does not. ``code`` is stable and kebab-case, ``message`` one
    sentence that names no patient and no file, ``hint`` what to do (may be empty).
    """

    severity: str
    code: str
    case: int | None
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return self.message if self.case is None else f"Case {self.case}: {self.message}"


@dataclass(frozen=True)
class CaseFacts:
    """What one case is. None and empty where its files could not be read.

    Attributes:
        case: its number in the list, from 1.
        role: "labeled", "unlabeled" or "held-out".
        size: voxels along i, j, k.
        spacing_mm: distance of voxels along i, j, k.
        intensity: "min", "low" and "high" (0.5 and 99.5 percent of the voxels lie below), "max"; finite voxels only.
        voxels: label voxels of each class of the list, by its value.
        extent_mm: longest side, within slices, of the box around all structures; None where there are none.
        field_mm: longest side of a slice.
    """

    case: int
    role: str
    size: tuple[int, int, int] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    intensity: dict[str, float] | None = None
    voxels: dict[int, int] = field(default_factory=dict)
    extent_mm: float | None = None
    field_mm: float | None = None


class PreflightError(EngineError):
    """The cases cannot be trained on as they are; ``report`` says all that is wrong."""

    def __init__(self, message: str, hint: str, report: Report | None = None) -> None:
        super().__init__("preflight", message, hint)
        self.report = report


@dataclass(frozen=True)
class Report:
    """Facts of all cases and all findings, errors first.

    ``classes`` maps label values to names; ``needs`` says in MB what the training needs: "disk_mb" for its slices and
    "memory_mb" of RAM to prepare the largest case; ``estimate`` is what the trainer knows of time and memory of a step;
    ``spacing_mm`` (row, column) is the grid of the model, or what the labeled images suggest for a fresh one.
    """

    classes: dict[int, str]
    cases: tuple[CaseFacts, ...]
    findings: tuple[Finding, ...]
    needs: dict[str, float] = field(default_factory=dict)
    estimate: dict[str, Any] | None = None
    spacing_mm: tuple[float, float] | None = None

    def of_severity(self, severity: str) -> list[Finding]:
        """The findings of one severity, in the order of the report."""
        return [finding for finding in self.findings if finding.severity == severity]

    @property
    def ok(self) -> bool:
        """Whether a training may start."""
        return not self.of_severity(ERROR)

    def raise_errors(self) -> None:
        """Raise a PreflightError that says how many errors there are and shows the first ones."""
        errors = self.of_severity(ERROR)
        if errors:
            more = "" if len(errors) <= SHOWN else f" (and {len(errors) - SHOWN} more)"
            count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
            said = " ".join(str(finding) for finding in errors[:SHOWN])
            hint = "" if len(errors) > 1 else errors[0].hint
            alone = all(finding.case is not None for finding in errors)
            hint = hint or ("Correct them, or leave them out (--skip-broken)." if alone else "Correct them first.")
            raise PreflightError(f"The cases have {count}: {said}{more}", hint, self)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON types; it names no patient and no file."""
        return {**asdict(self), "ok": self.ok}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Report:
        """The report back from :meth:`to_dict`. Raises ValueError if it is none."""
        try:
            return cls(
                {int(value): name for value, name in content["classes"].items()},
                tuple(CaseFacts(**_facts(entry)) for entry in content["cases"]),
                tuple(Finding(**entry) for entry in content["findings"]),
                content["needs"],
                content["estimate"],
                tuple(content["spacing_mm"]) if content.get("spacing_mm") else None,
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a pre-flight report: {error}") from None

    def save(self, path: Path) -> None:
        """Write the report as JSON, whole or not at all."""
        write_json(path, self.to_dict(), indent=1)


def _facts(entry: dict[str, Any]) -> dict[str, Any]:
    lists = {key: tuple(entry[key]) if entry[key] else None for key in ("size", "spacing_mm")}
    return {**entry, **lists, "voxels": {int(value): count for value, count in entry["voxels"].items()}}
