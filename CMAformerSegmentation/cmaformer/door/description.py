"""What a model says about itself: the content of ``model.json``, checked so that messages name the fault."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import bounds
from .bounds import fault
from .errors import ModelError
from .names import CARD, MODEL
from .slicing import SLICINGS

SCHEMA = 1


@dataclass(frozen=True)
class Structure:
    """One foreground class: its label value, name, color (0-255) and terminology codes (may be None)."""

    value: int
    name: str
    color: tuple[int, int, int]
    terminology: dict[str, Any] | None = None


def newest(ids: Iterable[str], name: str) -> str | None:
    """The id that a name stands for: itself, or the newest version of it where it has none; None if there is none.

    "abdomen-ct" is "abdomen-ct-1.10.0" where that and "abdomen-ct-1.9.0" are known.
    """
    known = set(ids)
    if name in known:
        return name
    versions = {tuple(int(n) for n in match[1].split(".")): id_ for id_ in known if (match := _version(id_, name))}
    return versions[max(versions)] if versions else None


def _version(id_: str, name: str) -> re.Match[str] | None:
    return re.fullmatch(re.escape(name) + r"-(\d+(?:\.\d+)*)", id_)


# Directions in which a network may see mirror images, and the dimension of (B, C, H, W) that each turns around.
MIRRORS = {"rows": 2, "columns": 3}


@dataclass(frozen=True)
class InputSpec:
    """What the network eats: ``channels`` = 2 * ``context_slices`` + 1, pixels of ``spacing_mm`` (row, col).

    ``slicing`` is one of SLICINGS.
    ``patch`` is the side in pixels of the patches that it was trained on (see ``network/sliding_window.py``);
    None: whole slices.
    ``mirror`` names the directions in which it sees mirror images, too (see ``network/mirroring.py``).
    """

    channels: int
    context_slices: int
    spacing_mm: tuple[float, float] | None
    slicing: str
    normalization: dict[str, Any]
    patch: int | None = None
    mirror: tuple[str, ...] = ()


@dataclass(frozen=True)
class Description:
    """A checked ``model.json``; also readable like the dictionary it came from (``description["task"]``).

    ``postprocessing`` is what `cmaformer.segmenting.clean_up.clean_up` takes: values of structures by what is done.
    """

    id: str
    version: str
    title: str
    description: str
    task: str
    modality: str
    classes: tuple[Structure, ...]
    input: InputSpec
    postprocessing: dict[str, list[int]]
    network: dict[str, Any]
    training: dict[str, Any]
    metrics: dict[str, Any]
    license: str
    parent: str | None
    weights_sha256: str
    data: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def get(self, key: str, default: Any = None) -> Any:
        """Value of a top-level field of ``model.json``, or the default."""
        return self.data.get(key, default)

    @property
    def measurements(self) -> tuple[str, ...]:
        """What can be measured in its results beside volumes, such as "cardiac-function"."""
        offered = self.data.get("measurements")
        return tuple(str(name) for name in offered) if isinstance(offered, (list, tuple)) else ()

    def to_dict(self) -> dict[str, Any]:
        """The content of ``model.json``, a deep copy."""
        return copy.deepcopy(self.data)

    @classmethod
    def from_dict(cls, data: Any) -> Description:
        """Check the content of a ``model.json``. Raises ModelError (code ``bad-model-json``) naming field and fault."""
        if not isinstance(data, Mapping):
            raise fault(f"holds {_kind(data)} instead of an object")
        bounds.check_numbers(data)
        if "schema" not in data:
            raise fault('has no field "schema", so it does not describe a CMAformer model')
        if data["schema"] != SCHEMA:
            raise ModelError(
                "unknown-schema",
                f"{MODEL} has schema version {data['schema']!r}; this version reads {SCHEMA}.",
                "A newer version of CMAformer may read it.",
            )
        text = {
            key: _field(data, key, _text, "a non-empty text")
            for key in ("id", "version", "title", "description", "task", "modality", "license")
        }
        for key in ("id", "version", "title"):
            if len(text[key]) > bounds.LONGEST_NAME:
                raise fault(f'"{key}" has {len(text[key])} letters; {bounds.LONGEST_NAME} are the most')
        if not re.fullmatch(r"[^\W_][\w.-]*", text["id"]):
            raise fault(f'"id" may use letters, digits, dot, dash and underscore, not {text["id"]!r}')
        classes = tuple(_structure(entry, n) for n, entry in enumerate(_field(data, "classes", _list, "a list")))
        values = [structure.value for structure in classes]
        if not classes or len(set(values)) != len(values):
            raise fault(f'"classes" needs at least one structure, each with its own value; values are {values}')
        source = _input(_field(data, "input", _object, "an object"))
        network = _field(data, "network", _object, "an object")
        for key, wanted in (("in_channels", source.channels), ("classes", len(classes) + 1)):
            if network.get(key) != wanted:
                raise fault(f'"network.{key}" is {network.get(key)!r}, but the rest of the file asks for {wanted}')
        bounds.check_network(network)
        post = _field(data, "postprocessing", _object, "an object")
        clean: dict[str, list[int]] = {}
        for key in ("largest_component", "fill_holes", "together"):
            clean[key] = list(post.get(key) or [])
            if any(value not in values for value in clean[key]):
                raise fault(f'"postprocessing.{key}" is {post[key]!r}, but the classes have the values {values}')
        sha = _field(data, "weights_sha256", _text, "a text")
        if not re.fullmatch(r"[0-9a-f]{64}", sha):
            raise fault('"weights_sha256" is not 64 hexadecimal digits')
        parent = data.get("parent")
        if parent is not None and not _text(parent):
            raise fault(f'"parent" must be the id of a model or null, not {parent!r}')
        return cls(
            **text,
            classes=classes,
            input=source,
            postprocessing=clean,
            network=dict(network),
            training=dict(_field(data, "training", _object, "an object")),
            metrics=dict(_field(data, "metrics", _object, "an object")),
            parent=parent,
            weights_sha256=sha,
            data=copy.deepcopy(dict(data)),
        )


# A description is a page of text; a larger file is something else.
LARGEST = 1_000_000


def read_description(folder: Path) -> Description:
    """The checked description of a model folder. Raises ModelError, whose message names the file and its fault."""
    if not folder.is_dir():
        raise ModelError("no-model", f"There is no model folder {folder.name}.")
    path = folder / MODEL
    try:
        if path.exists() and not path.is_file():
            raise ModelError("bad-model-json", f"{MODEL} is no regular file.")
        if path.stat().st_size > LARGEST:
            raise ModelError("bad-model-json", f"{MODEL} is too large to be a description.")
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            "bad-model-json", f"{MODEL} is missing.", f"{folder.name} is not the folder of a CMAformer model."
        ) from None
    except OSError as error:
        raise ModelError("bad-model-json", f"{MODEL} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ModelError("bad-model-json", f"{MODEL} is not valid JSON{where}.") from None
    return Description.from_dict(data)


def read_card(folder: Path) -> str:
    """The card of a model for people (Markdown), without control characters; empty if it has none."""
    path = folder / CARD
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return ""
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "".join(letter for letter in text if letter in "\n\t" or letter.isprintable())


def _structure(entry: Any, number: int) -> Structure:
    where = f"classes[{number}]."
    if not isinstance(entry, Mapping):
        raise fault(f'"classes[{number}]" must be an object, not {_kind(entry)}')
    value = _field(entry, "value", lambda v: _whole(v) and 1 <= v <= 255, "a whole number from 1 to 255", where)
    name = _field(entry, "name", _text, "a non-empty text", where)
    color = _field(
        entry,
        "color",
        lambda v: _list(v) and len(v) == 3 and all(_whole(c) and 0 <= c <= 255 for c in v),
        "three whole numbers from 0 to 255",
        where,
    )
    terminology = entry.get("terminology")
    if terminology is not None:
        codes: list[Any] = list(terminology.values()) if isinstance(terminology, Mapping) else [0]
        if not all(code is None or (_list(code) and len(code) == 3 and all(map(_text, code))) for code in codes):
            raise fault(f'"{where}terminology" must map names to [scheme, code, meaning] or null, or be null')
    return Structure(value, name, (color[0], color[1], color[2]), terminology)


def _input(entry: Mapping[str, Any]) -> InputSpec:
    where = "input."
    context = _field(
        entry, "context_slices", lambda v: _whole(v) and 0 <= v <= 32, "a whole number from 0 to 32", where
    )
    channels = _field(entry, "channels", _whole, "a whole number", where)
    if channels != 2 * context + 1:
        raise fault(f'"input.channels" is {channels}, but {context} context slices on each side make {2 * context + 1}')
    spacing = entry.get("spacing_mm")
    if spacing is not None and not (
        _list(spacing) and len(spacing) == 2 and all(_number(v) and 1e-3 <= v <= 1e3 for v in spacing)
    ):
        raise fault(f'"input.spacing_mm" must be two positive numbers (mm) or null, not {spacing!r}')
    slicing = _field(entry, "slicing", lambda v: _text(v) and v in SLICINGS, f"one of {', '.join(SLICINGS)}", where)
    spec = _field(entry, "normalization", _object, "an object", where)
    try:
        check_normalization(spec)
    except ModelError as error:
        raise fault(f'"input.normalization": {error.message}') from None
    patch = entry.get("patch")
    if patch is not None and not (_whole(patch) and 32 <= patch <= 8192):
        raise fault(f'"input.patch" must be a whole number of at least 32 pixels or null, not {patch!r}')
    pixel = None if spacing is None else (spacing[0], spacing[1])
    mirror = entry.get("mirror", [])
    if not _list(mirror) or len(set(mirror)) != len(mirror) or not set(mirror) <= set(MIRRORS):
        raise fault(f'"input.mirror" must be a list of {" and ".join(MIRRORS)}, or empty, not {mirror!r}')
    return InputSpec(channels, context, pixel, slicing, dict(spec), patch, tuple(mirror))


def _field(data: Mapping[str, Any], key: str, good: Callable[[Any], bool], wanted: str, where: str = "") -> Any:
    if key not in data:
        raise fault(f'has no field "{where}{key}"')
    if not good(data[key]):
        shown = repr(data[key])
        raise fault(f'"{where}{key}" must be {wanted}, not {shown if len(shown) < 60 else _kind(data[key])}')
    return data[key]


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def check_normalization(spec: Mapping[str, Any]) -> None:
    """Raise ModelError if a normalization of a model is not "window" or "percentile"."""
    kind = spec.get("type")
    if kind not in ("window", "percentile"):
        raise ModelError("bad-normalization", f"Unknown normalization {kind!r}; known are window and percentile.")
    low, high = spec.get("low"), spec.get("high")
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in (low, high))
    if not numbers or not low < high:  # type: ignore[operator]
        raise ModelError("bad-normalization", f"Normalization {kind} needs two numbers low < high, got {low}, {high}.")
    if kind == "percentile" and not 0 <= low < high <= 100:  # type: ignore[operator]
        raise ModelError("bad-normalization", f"Percentiles must lie in 0..100, got {low}, {high}.")
