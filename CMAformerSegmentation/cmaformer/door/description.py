"""What a model says about itself: the content of ``model.json``, checked so that messages name the fault."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import bounds
from .bounds import fault
from .checks import field, is_list, is_object, is_text, is_whole, kind
from .errors import ModelError
from .input_spec import InputSpec
from .names import CARD, MODEL

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
            raise fault(f"holds {kind(data)} instead of an object")
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
            key: field(data, key, is_text, "a non-empty text")
            for key in ("id", "version", "title", "description", "task", "modality", "license")
        }
        for key in ("id", "version", "title"):
            if len(text[key]) > bounds.LONGEST_NAME:
                raise fault(f'"{key}" has {len(text[key])} letters; {bounds.LONGEST_NAME} are the most')
        if not re.fullmatch(r"[^\W_][\w.-]*", text["id"]):
            raise fault(f'"id" may use letters, digits, dot, dash and underscore, not {text["id"]!r}')
        classes = tuple(_structure(entry, n) for n, entry in enumerate(field(data, "classes", is_list, "a list")))
        values = [structure.value for structure in classes]
        if not classes or len(set(values)) != len(values):
            raise fault(f'"classes" needs at least one structure, each with its own value; values are {values}')
        source = InputSpec.of(field(data, "input", is_object, "an object"))
        network = field(data, "network", is_object, "an object")
        for key, wanted in (("in_channels", source.channels), ("classes", len(classes) + 1)):
            if network.get(key) != wanted:
                raise fault(f'"network.{key}" is {network.get(key)!r}, but the rest of the file asks for {wanted}')
        bounds.check_network(network)
        post = field(data, "postprocessing", is_object, "an object")
        clean: dict[str, list[int]] = {}
        for key in ("largest_component", "fill_holes", "together"):
            clean[key] = list(post.get(key) or [])
            if any(value not in values for value in clean[key]):
                raise fault(f'"postprocessing.{key}" is {post[key]!r}, but the classes have the values {values}')
        sha = field(data, "weights_sha256", is_text, "a text")
        if not re.fullmatch(r"[0-9a-f]{64}", sha):
            raise fault('"weights_sha256" is not 64 hexadecimal digits')
        parent = data.get("parent")
        if parent is not None and not is_text(parent):
            raise fault(f'"parent" must be the id of a model or null, not {parent!r}')
        return cls(
            **text,
            classes=classes,
            input=source,
            postprocessing=clean,
            network=dict(network),
            training=dict(field(data, "training", is_object, "an object")),
            metrics=dict(field(data, "metrics", is_object, "an object")),
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
        raise fault(f'"classes[{number}]" must be an object, not {kind(entry)}')
    value = field(entry, "value", lambda v: is_whole(v) and 1 <= v <= 255, "a whole number from 1 to 255", where)
    name = field(entry, "name", is_text, "a non-empty text", where)
    color = field(
        entry,
        "color",
        lambda v: is_list(v) and len(v) == 3 and all(is_whole(c) and 0 <= c <= 255 for c in v),
        "three whole numbers from 0 to 255",
        where,
    )
    terminology = entry.get("terminology")
    if terminology is not None:
        codes: list[Any] = list(terminology.values()) if isinstance(terminology, Mapping) else [0]
        if not all(code is None or (is_list(code) and len(code) == 3 and all(map(is_text, code))) for code in codes):
            raise fault(f'"{where}terminology" must map names to [scheme, code, meaning] or null, or be null')
    return Structure(value, name, (color[0], color[1], color[2]), terminology)
