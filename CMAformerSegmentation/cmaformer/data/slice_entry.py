"""What the index of the prepared slices says of one case in one slicing direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SliceEntry:
    """One set of arrays on disk.

    Attributes:
        number: of the entry, from 0; it names the files.
        role: "labeled", "unlabeled", "held-out", or one of a fold.
        shape: slices, rows and columns on the model's grid.
        pixels: of each class, with the background: how many pixels each slice has; empty without labels.
        spacing_mm: distance of slices, rows and columns; empty in slices that older versions have prepared.
        crc32: checksum of the file of each kind of array; likewise.
        facts: statistics of the image (see ``images/likeness.py``), None in further directions.
        of_case: number of the case, from 0, where it is not the entry's own.
    """

    number: int
    role: str
    shape: tuple[int, int, int]
    pixels: Mapping[int, list[int]] = field(default_factory=dict)
    spacing_mm: tuple[float, ...] = ()
    crc32: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, float] | None = None
    of_case: int | None = None

    @property
    def case(self) -> int:
        """Number of the case, from 0, that it has slices of."""
        return self.number if self.of_case is None else self.of_case

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> SliceEntry:
        """From the index, where it is JSON.

        Raises:
            ValueError, TypeError, KeyError: it is none.
        """
        slices, rows, columns = (int(n) for n in entry["shape"])
        return cls(
            int(entry["number"]),
            str(entry["role"]),
            (slices, rows, columns),
            pixels_of(entry["pixels"]),
            tuple(float(mm) for mm in entry.get("spacing_mm", ())),
            {str(kind): int(sum_) for kind, sum_ in entry.get("crc32", {}).items()},
            entry.get("facts"),
            None if entry.get("case") is None else int(entry["case"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; :meth:`of` reads them."""
        further = {} if self.of_case is None else {"case": self.of_case}
        return {
            "number": self.number,
            "role": self.role,
            "shape": list(self.shape),
            "pixels": {str(value): counts for value, counts in self.pixels.items()},
            "crc32": dict(self.crc32),
            "facts": None if self.facts is None else dict(self.facts),
            "spacing_mm": list(self.spacing_mm),
            **further,
        }


def pixels_of(entry: Mapping[str, Any]) -> dict[int, list[int]]:
    """Pixels of each class in each slice, from JSON, whose keys are texts."""
    return {int(value): [int(n) for n in counts] for value, counts in entry.items()}
