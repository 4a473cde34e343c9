"""The user's own models: taken over from a training, a folder or a zip, renamed, exported, deleted.

Nothing here executes what a model holds: descriptions are JSON, and weights are only compared with their checksum; the
engine loads them later, as data. Plain files, so that a thread may do it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

from slicer.i18n import tr as _

from cmaformer.door.files import replaced, write_json
from cmaformer.door.names import CARD, MODEL, WEIGHTS

from ..refusal import Refusal
from .catalog import ModelEntry, readModel

_files = (MODEL, WEIGHTS, CARD)
largestFile = 2 * 1024**3  # bytes: more is no model of this network


def adoptModel(folder: Path, library: Path, title: str | None = None, others: Iterable[Path] = ()) -> ModelEntry:
    """Copy a model folder into the user's models, whole or not at all.

    :param folder: the model; it stays as it is.
    :param library: the folder of the user's models.
    :param title: what to call it; None keeps its title.
    :param others: further folders of models. An id that any model has already is not given twice: the version grows.
    :return: the new model.
    :raises ValueError: in words, when it is no usable model.
    :raises OSError: when the folder cannot be written.
    """
    folder, library = Path(folder), Path(library)
    entry = _verified(folder)
    taken = set().union(*(_names(Path(root)) for root in (library, *others)))
    newId, version = _freeId(entry.id, taken)
    library.mkdir(parents=True, exist_ok=True)
    temporary = library / f".{newId}.{secrets.token_hex(4)}"
    try:
        temporary.mkdir()
        for name in _files[1:]:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, temporary / name)
        description = json.loads((folder / MODEL).read_text(encoding="utf-8"))
        description.update(id=newId, version=version, title=title or entry.title)
        write_json(temporary / MODEL, description, indent=2)
        os.rename(temporary, library / newId)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return readModel(library / newId)


def importModel(path: Path, library: Path, others: Iterable[Path] = ()) -> ModelEntry:
    """Take over a model from a folder, or from a zip that `exportModel` has made. See `adoptModel`."""
    path = Path(path)
    if path.is_dir():
        return adoptModel(path, library, None, others)
    temporary = Path(library) / f".import.{secrets.token_hex(4)}"
    try:
        temporary.mkdir(parents=True)
        _unzip(path, temporary)
        return adoptModel(temporary, library, None, others)
    except zipfile.BadZipFile:
        raise Refusal(lambda: _("{name} is not a zip file, or it is damaged.").format(name=path.name)) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def exportModel(entry: ModelEntry, path: Path) -> None:
    """Write a model as a zip with one folder, whole or not at all.

    :raises OSError: when it cannot be written.
    """
    with replaced(Path(path)) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in _files:
            if (entry.path / name).is_file():
                archive.write(entry.path / name, f"{entry.id}/{name}")


def renameModel(entry: ModelEntry, title: str) -> ModelEntry:
    """Give one of the user's own models another title; its id stays.

    :raises ValueError: for a model that comes with the extension, or an empty title, in words.
    :raises OSError: when it cannot be written.
    """
    _refuseBundled(entry)
    if not title.strip():
        raise Refusal(lambda: _("Give the model a title."))
    description = json.loads((entry.path / MODEL).read_text(encoding="utf-8"))
    description["title"] = title.strip()
    write_json(entry.path / MODEL, description, indent=2)
    return readModel(entry.path)


def deleteModel(entry: ModelEntry) -> None:
    """Delete one of the user's own models.

    :raises ValueError: for a model that comes with the extension, in words.
    :raises OSError: when it cannot be deleted.
    """
    _refuseBundled(entry)
    # Renaming is the moment at which it is gone: a folder that is half deleted is never read as a model.
    aside = entry.path.with_name(f".deleted.{entry.path.name}.{secrets.token_hex(4)}")
    os.rename(entry.path, aside)
    shutil.rmtree(aside, ignore_errors=True)


def _notAFile(name: str) -> Refusal:
    def text() -> str:
        return _("{name} is a link, or no regular file; a model has neither.").format(name=name)

    return Refusal(text)


def _verified(folder: Path) -> ModelEntry:
    for name in _files:
        path = folder / name
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise _notAFile(name)
    entry = readModel(folder)
    digest = hashlib.sha256()
    with open(folder / WEIGHTS, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    if digest.hexdigest() != entry.sha256:
        raise Refusal(lambda: _("The weights of the model are damaged: they are not those that its description names."))
    return entry


def _names(root: Path) -> set[str]:
    """Ids and folder names that models below a folder have."""
    names: set[str] = set()
    for folder in root.iterdir() if root.is_dir() else ():
        if folder.name.startswith("."):  # on its way in or out
            continue
        names.add(folder.name)
        if not (folder / MODEL).is_file():
            continue
        try:
            names.add(str(json.loads((folder / MODEL).read_text(encoding="utf-8"))["id"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return names


def _freeId(modelId: str, taken: set[str]) -> tuple[str, str]:
    match = re.fullmatch(r"(.*)-(\d+)\.(\d+)\.(\d+)", modelId)
    stem, numbers = (match[1], [int(n) for n in match.groups()[1:]]) if match else (modelId, [1, 0, 0])
    while True:
        version = ".".join(map(str, numbers))
        if f"{stem}-{version}" not in taken:
            return f"{stem}-{version}", version
        numbers[2] += 1


def _unzip(path: Path, folder: Path) -> None:
    """Take the files of a model out of a zip, by their names alone, so that nothing lands anywhere else."""
    with zipfile.ZipFile(path) as archive:
        for name in _files:
            found = [info for info in archive.infolist() if info.filename.replace("\\", "/").split("/")[-1] == name]
            if len(found) > 1:
                raise Refusal(lambda: _("{name} holds more than one model.").format(name=path.name))
            if not found:
                continue  # what is missing is told when the folder is read as a model
            if found[0].file_size > largestFile:
                raise Refusal(lambda: _("{name} is too large for a model.").format(name=path.name))
            with archive.open(found[0]) as source, open(folder / name, "wb") as target:
                shutil.copyfileobj(source, target)


def _refuseBundled(entry: ModelEntry) -> None:
    if entry.bundled:
        raise Refusal(lambda: _("This model comes with the extension and cannot be changed."))
