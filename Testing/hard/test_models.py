"""One damaged or hostile model costs its own line, within a second, and never the list or the memory."""

from __future__ import annotations

import io
import json
import os
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import torch
from tinymodel import save_tiny

from cmaformer.door.errors import ModelError
from cmaformer.models.model import find_models, load_model

_HOSTILE = "\x1b]0;owned\x07\x1b[31mred"


def describe(folder: Path, change) -> None:
    """Change the description of a model as text or as an object."""
    path = folder / "model.json"
    content = json.loads(path.read_text())
    changed = change(content)
    path.write_text(changed if isinstance(changed, str) else json.dumps(content))


def network(name: str, value: object):
    return lambda folder: describe(folder, lambda content: content["network"].update({name: value}))


def _number(text: str):
    def change(content: dict) -> str:
        content["input"]["spacing_mm"] = ["here", 1.0]
        return json.dumps(content).replace('"here"', text)

    return lambda folder: describe(folder, change)


def _deep(folder: Path) -> None:
    describe(folder, lambda content: json.dumps(content)[:-1] + ', "more": ' + "[" * 5000 + "]" * 5000 + "}")


def _deep_enough(folder: Path) -> None:
    describe(folder, lambda content: json.dumps(content)[:-1] + ', "more": ' + "[" * 400 + "]" * 400 + "}")


def _fifo(name: str):
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change


def _large(name: str):
    def change(folder: Path) -> None:
        with open(folder / name, "r+b") as file:
            file.truncate(700_000_000)  # a hole: no bytes on the disk

    return change


def _weights(change):
    """Other weights, with a checksum that is right."""

    def apply(folder: Path) -> None:
        import hashlib

        data = change(folder)
        (folder / "weights.pt").write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        describe(folder, lambda content: content.update(weights_sha256=digest))

    return apply


def _not_finite(folder: Path) -> bytes:
    state = torch.load(folder / "weights.pt", weights_only=True)
    state = {name: torch.full_like(value, float("nan")) for name, value in state.items()}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _bomb(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", b"0" * 300_000_000)
    return buffer.getvalue()


DAMAGES = {
    "1e999": _number("1e999"),
    "NaN": _number("NaN"),
    "minus infinity": _number("-Infinity"),
    "huge whole number": _number("1" * 400),
    "deep": _deep,
    "deep enough": _deep_enough,
    "depth": network("depth", 10**9),
    "widths": network("widths", [10**6] * 6),
    "heads": network("heads", 0),
    "text for a number": network("depth", "3"),
    "unknown setting": network("escape", "x"),
    "fifo as description": _fifo("model.json"),
    "fifo as weights": _fifo("weights.pt"),
    "large description": _large("model.json"),
    "large weights": _large("weights.pt"),
    "weights that are not finite": _weights(_not_finite),
    "weights that unpack": _weights(_bomb),
    "not text": lambda folder: (folder / "model.json").write_bytes(b"\xff\xfe\x00\xd8" * 10),
    "empty": lambda folder: (folder / "model.json").write_bytes(b""),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_costs_one_line(tmp_path, damage, tally):
    save_tiny(tmp_path / "good-1.0.0", id="good-1.0.0")
    save_tiny(tmp_path / "bad-1.0.0", id="bad-1.0.0")
    DAMAGES[damage](tmp_path / "bad-1.0.0")
    tracemalloc.start()
    begun = time.perf_counter()
    models, problems = find_models([tmp_path])
    try:
        for model in models:
            model.network()
    except ModelError as error:
        assert model.id == "bad-1.0.0"
        problems = [*problems, error]
    seconds, peak = time.perf_counter() - begun, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "good-1.0.0" in [model.id for model in models] and len(problems) == 1
    assert seconds < 2 and peak < 100e6  # twice the goal: other tests run beside it
    tally("damaged model", "refused")


def test_damaged_models_are_problems_of_the_panels_list_too(tmp_path, slicerApp, tally):
    from CMAformerSegmentationLib.models.catalog import findModels

    save_tiny(tmp_path / "good-1.0.0", id="good-1.0.0")
    hard = [name for name in DAMAGES if "weights" not in name]
    for number, damage in enumerate(hard):
        save_tiny(tmp_path / f"bad{number}-1.0.0", id=f"bad{number}-1.0.0")
        DAMAGES[damage](tmp_path / f"bad{number}-1.0.0")
    begun = time.perf_counter()
    catalog = findModels([], [tmp_path])
    assert time.perf_counter() - begun < 2
    assert [entry.id for entry in catalog.entries] == ["good-1.0.0"] and len(catalog.problems) == len(hard)
    assert all(problem.message for problem in catalog.problems)
    tally("damaged model", "refused")


def test_cards_hold_no_terminal_codes(tmp_path, capsys, tally):
    from cmaformer.__main__ import main

    save_tiny(tmp_path / "tiny-1.0.0")
    (tmp_path / "tiny-1.0.0" / "card.md").write_text(f"# Tiny\n\n{_HOSTILE}\n")
    assert "\x1b" not in load_model(tmp_path / "tiny-1.0.0").card
    assert main(["inspect", str(tmp_path / "tiny-1.0.0")]) == 0
    assert "\x1b" not in capsys.readouterr().out
    tally("hostile card", "right")


def test_links_in_an_imported_model_are_refused(tmp_path, slicerApp, tally):
    from CMAformerSegmentationLib.models.library import importModel

    save_tiny(tmp_path / "tiny-1.0.0")
    secret = tmp_path / "secret.txt"
    secret.write_text("of somebody else")
    for name in ("card.md", "weights.pt", "model.json"):
        kept = (tmp_path / "tiny-1.0.0" / name).read_bytes()
        (tmp_path / "tiny-1.0.0" / name).unlink()
        (tmp_path / "tiny-1.0.0" / name).symlink_to(secret)
        with pytest.raises(ValueError, match="is a link"):
            importModel(tmp_path / "tiny-1.0.0", tmp_path / "library")
        (tmp_path / "tiny-1.0.0" / name).unlink()
        (tmp_path / "tiny-1.0.0" / name).write_bytes(kept)
        tally("link in a model", "refused")
    assert importModel(tmp_path / "tiny-1.0.0", tmp_path / "library").id == "tiny-1.0.0"
