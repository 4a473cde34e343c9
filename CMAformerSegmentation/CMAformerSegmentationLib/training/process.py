"""The process of a training: it outlives the panel, the scene and Slicer, and is found again by its number."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from cmaformer.door.files import read_json, write_json
from cmaformer.door.process import identity, is_alive, is_surely

from ..jobs.processes import askGroup, groupOptions, killGroup, letOthersFirst

_file = "process.json"
_children: dict[int, subprocess.Popen[bytes]] = {}  # of this Slicer: only their exit codes can be known


class ProcessProtocol(Protocol):
    """What a training needs of its process. Tests put a fake in its place."""

    def start(self, command: Sequence[str], environment: dict[str, str], workingFolder: Path | None) -> None: ...

    def isRunning(self) -> bool: ...

    def exitCode(self) -> int | None: ...

    def ask(self) -> None: ...

    def kill(self) -> None: ...


class TrainingProcess:
    """The process that works on the training of a folder; its number is in `process.json`, its output in `log.txt`.

    :param folder: of the training, or of another long work of the engine.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def start(self, command: Sequence[str], environment: dict[str, str], workingFolder: Path | None = None) -> None:
        """Start the process, apart from Slicer: in a session of its own, without its input and output.

        :raises OSError: when it cannot be started, or the folder cannot be written.
        """
        with open(self.folder / "log.txt", "ab") as log:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=workingFolder,
                **groupOptions(),
            )
        letOthersFirst(process.pid)
        _children[process.pid] = process
        write_json(self.folder / _file, identity(process.pid))

    def isRunning(self) -> bool:
        """Whether it runs, whoever started it."""
        known = self._identity()
        child = _children.get(known.get("pid", 0))
        return child.poll() is None if child is not None else is_alive(known)

    def exitCode(self) -> int | None:
        """Exit code of one that this Slicer has started and that has ended (negative: a signal), else None."""
        child = _children.get(self._identity().get("pid", 0))
        return child.poll() if child is not None else None

    def ask(self) -> None:
        """Ask the process to stop by itself."""
        if self._isCertain():
            askGroup(self._identity()["pid"])

    def kill(self) -> None:
        """End the process and its children at once."""
        if self._isCertain():
            killGroup(self._identity()["pid"])

    def _isCertain(self) -> bool:
        """Whether the number is still that of the process: another one's process is never ended."""
        known = self._identity()
        child = _children.get(known.get("pid", 0))
        return child.poll() is None if child is not None else is_surely(known)

    def _identity(self) -> dict[str, Any]:
        return read_json(self.folder / _file)
