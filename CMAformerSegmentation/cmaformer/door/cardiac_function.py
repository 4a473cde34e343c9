"""How a heart works, from the volumes of its structures over a cycle: plain numbers, for the engine and for Slicer.

End-diastole and end-systole are the phases in which the left ventricle is largest and smallest, as is usual in cine MR
(Schulz-Menger et al., "Standardized image interpretation and post-processing in cardiovascular magnetic resonance",
J Cardiovasc Magn Reson 2020). Body surface area after Mosteller (N Engl J Med 1987).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .errors import EngineError

# What a model offers in "measurements" of its description.
NAME = "cardiac-function"
LEFT, RIGHT, MYOCARDIUM = "left ventricle", "right ventricle", "myocardium"
# Grams of a milliliter of myocardium.
DENSITY = 1.05


@dataclass(frozen=True)
class Ventricle:
    """One ventricle: volumes at end-diastole and end-systole in ml, their difference in ml, and its part in percent."""

    edv_ml: float
    esv_ml: float
    stroke_volume_ml: float
    ejection_fraction: float | None


@dataclass(frozen=True)
class CardiacFunction:
    """What the volumes of a cycle say.

    Attributes:
        end_diastole, end_systole: numbers of the phases, from 1.
        left, right: the ventricles; right is None where the model does not find it.
        mass_g: of the myocardium at end-diastole, at 1.05 g/ml; None where the model does not find it.
        surface_m2: body surface area; None without height and weight.
        indexed: "left_edv", "left_esv", "right_edv", "right_esv" (ml) and "mass" (g) for a square meter of it.
    """

    end_diastole: int
    end_systole: int
    left: Ventricle
    right: Ventricle | None
    mass_g: float | None
    surface_m2: float | None
    indexed: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, numbers with two digits."""
        return _rounded(asdict(self))


def cardiac_function(
    phases: Sequence[Mapping[str, float]],
    end_diastole: int | None = None,
    end_systole: int | None = None,
    body: tuple[float, float] | None = None,
) -> CardiacFunction:
    """Ventricular volumes and function of a cycle.

    Args:
        phases: for each phase, in time, the volume of each structure in ml, by its name.
        end_diastole, end_systole: numbers of the phases, from 1, where the user knows better.
        body: height in cm and weight in kg.

    Raises:
        EngineError: code ``no-function``: fewer than two phases, no left ventricle, or a phase that is not there.
    """
    if len(phases) < 2:
        raise _error("Cardiac function needs two phases at least: end-diastole and end-systole.", "Give a cine.")
    named = [{name.casefold(): volume for name, volume in phase.items()} for phase in phases]
    if any(LEFT not in phase for phase in named) or not any(phase[LEFT] > 0 for phase in named):
        raise _error("No left ventricle was found.", "Is it a short-axis cine, and a model of the heart?")
    left = [phase[LEFT] for phase in named]
    first = 1 + max(range(len(left)), key=left.__getitem__) if end_diastole is None else end_diastole
    second = 1 + min(range(len(left)), key=left.__getitem__) if end_systole is None else end_systole
    for number in (first, second):
        if not 1 <= number <= len(phases):
            raise _error(f"There is no phase {number}.", f"The phases are 1 to {len(phases)}.")
    full, empty = named[first - 1], named[second - 1]
    right = _ventricle(full[RIGHT], empty[RIGHT]) if RIGHT in full and RIGHT in empty else None
    mass = DENSITY * full[MYOCARDIUM] if MYOCARDIUM in full else None
    result = CardiacFunction(first, second, _ventricle(full[LEFT], empty[LEFT]), right, mass, None, {})
    return result if body is None else _with_body(result, *body)


def _with_body(found: CardiacFunction, height_cm: float, weight_kg: float) -> CardiacFunction:
    if not (30 <= height_cm <= 250 and 1 <= weight_kg <= 400):
        raise _error(f"{height_cm:g} cm and {weight_kg:g} kg are no body.", "Give the height in cm, the weight in kg.")
    surface = math.sqrt(height_cm * weight_kg / 3600)
    values = {"left_edv": found.left.edv_ml, "left_esv": found.left.esv_ml}
    if found.right is not None:
        values.update(right_edv=found.right.edv_ml, right_esv=found.right.esv_ml)
    if found.mass_g is not None:
        values["mass"] = found.mass_g
    indexed = {name: value / surface for name, value in values.items()}
    return CardiacFunction(
        found.end_diastole, found.end_systole, found.left, found.right, found.mass_g, surface, indexed
    )


def rows(found: CardiacFunction) -> list[tuple[str, float | None, str]]:
    """Name, value and unit of every measurement, in the order to show them."""
    table: list[tuple[str, float | None, str]] = [
        ("end-diastole", found.end_diastole, "phase"),
        ("end-systole", found.end_systole, "phase"),
    ]
    for side, one in (("left ventricle", found.left), ("right ventricle", found.right)):
        if one is not None:
            table += [(f"{side} EDV", one.edv_ml, "ml"), (f"{side} ESV", one.esv_ml, "ml")]
            table += [
                (f"{side} stroke volume", one.stroke_volume_ml, "ml"),
                (f"{side} ejection fraction", one.ejection_fraction, "%"),
            ]
    if found.mass_g is not None:
        table.append(("myocardial mass", found.mass_g, "g"))
    if found.surface_m2 is not None:
        table.append(("body surface area", found.surface_m2, "m2"))
    units = {name: ("g/m2" if name == "mass" else "ml/m2") for name in found.indexed}
    table += [(f"{name.replace('_', ' ')} index", value, units[name]) for name, value in found.indexed.items()]
    return table


def _ventricle(full: float, empty: float) -> Ventricle:
    return Ventricle(full, empty, full - empty, 100 * (full - empty) / full if full > 0 else None)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    return round(value, 2) if isinstance(value, float) else value


def _error(message: str, hint: str) -> EngineError:
    return EngineError("no-function", message, hint)
