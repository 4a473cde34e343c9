"""The order of the rooms: a folder imports only itself and what stands below it, on both floors, without circles."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MODULE = Path(__file__).resolve().parents[1] / "CMAformerSegmentation"
ENGINE, LIB = MODULE / "cmaformer", MODULE / "CMAformerSegmentationLib"
# From the top down; see CONTRIBUTING.md.
ROOMS = {
    ENGINE: (
        *("__main__", "commands", "reports", "training", "preflight", "data", "segmenting", "objectives", "cases"),
        *("recipes", "models", "images", "network", "parallel", "door", "__init__"),
    ),
    LIB: (
        *("logic", "batches", "segmenting", "training", "cases", "computer", "scene", "models", "widgets", "jobs"),
        *("refusal", "__init__"),
    ),
}
LARGEST = 330  # lines; the network may have more: one paper, one file
NUMPY_ALONE = {"numpy"}


def files(floor: Path) -> list[Path]:
    return sorted(path for path in floor.rglob("*.py") if "__pycache__" not in path.parts)


def imports(path: Path) -> Iterator[tuple[str, ...]]:
    """Absolute dotted names that a file imports anywhere, as tuples of their parts."""
    package = path.relative_to(MODULE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = (*above, *(node.module or "").split(".")) if node.module else above
            yield from ((*module, alias.name) for alias in node.names)


def file_of(name: tuple[str, ...]) -> Path | None:
    """The file of ours that a dotted name leads to, if any."""
    for end in range(len(name), 0, -1):
        path = MODULE.joinpath(*name[:end])
        for candidate in (path.with_suffix(".py"), path / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


def room(path: Path, floor: Path) -> str:
    first = path.relative_to(floor).parts[0]
    return first.removesuffix(".py")


@pytest.mark.parametrize("floor", [ENGINE, LIB], ids=["engine", "Slicer side"])
def test_imports_between_rooms_point_down(floor: Path) -> None:
    order = {name: place for place, name in enumerate(ROOMS[floor])}
    assert {room(path, floor) for path in files(floor)} == set(order)
    wrong = []
    for path in files(floor):
        for name in imports(path):
            target = file_of(name)
            if target in (None, floor / "__init__.py") or path == floor / "__init__.py":
                continue  # the package itself names its version and, lazily, what it offers
            if floor in target.parents and order[room(target, floor)] < order[room(path, floor)]:
                wrong.append(f"{path.relative_to(floor)} imports {target.relative_to(floor)}")
    assert sorted(set(wrong)) == []


def test_no_files_import_each_other_in_a_circle() -> None:
    paths = [path for floor in (ENGINE, LIB) for path in files(floor) if path.name != "__init__.py"]
    edges = {path: {t for t in map(file_of, imports(path)) if t in paths and t != path} for path in paths}
    while True:
        ends = {path for path in edges if not edges[path]}
        if not ends:
            break
        edges = {path: targets - ends for path, targets in edges.items() if path not in ends}
    # What is left is in a circle, or leads to one.
    assert sorted(str(path.relative_to(MODULE)) for path in edges) == []


def test_the_floors_meet_at_the_door_alone() -> None:
    for path in files(LIB):
        for name in imports(path):
            assert name[0] != "torch", path.name
            assert name[0] != "cmaformer" or name[1:2] == ("door",), path.name
    for path in files(ENGINE):
        assert not {name[0] for name in imports(path)} & {"slicer", "qt", "ctk", "vtk", LIB.name}, path.name
    for path in files(ENGINE / "door"):
        others = {name[0] for name in imports(path)} - set(sys.stdlib_module_names) - {"cmaformer"}
        assert others <= NUMPY_ALONE, path.name


def test_no_file_has_more_than_one_subject() -> None:
    sizes = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for floor in (ENGINE, LIB) for path in files(floor)
    }
    long = {str(path.relative_to(MODULE)) for path, size in sizes.items() if size > LARGEST}
    assert long <= {"cmaformer/network/cmaformer.py"}
