"""Files appear whole or not at all, whatever goes wrong while they are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cmaformer.door.files import read_json, replaced, write_json, write_whole
from cmaformer.door.names import IMAGE_SUFFIXES, LABEL_SUFFIXES, stem_of, suffix_of


def test_json_comes_back_and_what_is_none_reads_as_empty(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "Größe"}, indent=1)
    assert read_json(tmp_path / "a.json") == {"name": "Größe"}
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "half.json").write_text('{"a": ')
    (tmp_path / "deep.json").write_text("[" * 100_000)
    for name in ("list", "half", "deep", "none"):
        assert read_json(tmp_path / f"{name}.json") == {}


def test_what_json_cannot_say_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(ValueError):
        write_json(path, {"new": float("nan")})
    assert json.loads(path.read_text()) == {"old": 1} and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("flush", [False, True])
def test_a_writer_that_fails_in_the_middle_leaves_the_old_file(tmp_path: Path, flush: bool) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"old")

    def write(file) -> None:
        file.write(b"half of the new")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        write_whole(path, write, flush)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_file_written_by_another_library_keeps_its_suffix_until_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), replaced(path) as temporary:
        assert temporary.name.endswith(".nii.gz") and temporary.parent == tmp_path
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    with replaced(path) as temporary:
        temporary.write_bytes(b"new")
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "stem", "suffix"),
    [("a.nii.gz", "a", ".nii.gz"), ("a.b.NRRD", "a.b", ".NRRD"), ("a.gz", "a.gz", ""), (".nii", "", ".nii")],
)
def test_stem_and_suffix_of_a_name(name: str, stem: str, suffix: str) -> None:
    assert (stem_of(name), suffix_of(name)) == (stem, suffix)


def test_every_format_that_is_written_is_read() -> None:
    assert set(LABEL_SUFFIXES) <= set(IMAGE_SUFFIXES)
