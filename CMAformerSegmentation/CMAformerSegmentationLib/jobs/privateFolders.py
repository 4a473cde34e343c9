"""Folders that hold images for a while: nobody else can look into them, and a later Slicer removes those of a dead one.

Each says in `owner.json` which process it belongs to.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from cmaformer.door.files import private_folder, read_json, write_json
from cmaformer.door.process import identity, is_alive

_owner = "owner.json"


def makePrivate(path: Path) -> Path:
    """Make a folder of mode 0700 that belongs to this Slicer.

    :raises OSError: when it cannot be made.
    """
    private_folder(path)
    write_json(path / _owner, identity(os.getpid()))
    return path


def sweep(root: Path) -> None:
    """Delete the folders below `root` whose owner is no longer there. Quick and plain files: for a thread."""
    try:
        folders = [path for path in root.iterdir() if (path / _owner).is_file()]
    except OSError:
        return
    for folder in folders:
        owner = read_json(folder / _owner)
        if owner and not is_alive(owner):
            shutil.rmtree(folder, ignore_errors=True)
