"""The files of a training, from which any later Slicer can tell how far it is.

`request.json` says what was asked for; `cases/` holds `cases.json`, and the images that were in the scene; `job/` is
the engine's job folder; `process.json` and `log.txt` are of the process that works on it. Two markers say what the user
wants: `queued`, an empty file (it may start), and `stopped` ("paused" or "cancelled").
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

from cmaformer.door import names
from cmaformer.door.files import private_folder, read_json, write_json

from ..jobs.background import BackgroundCall
from ..jobs.processes import logTail

QUEUED_MARK, STOPPED_MARK = "queued", "stopped"
_deleted = ".deleted-"


class TrainingFolder:
    """Reads and writes those files. What is not there reads as empty."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._request: dict[str, Any] = {}

    @classmethod
    def make(cls, root: Path, request: dict[str, Any]) -> TrainingFolder:
        """A new folder below `root`, whose name sorts after those of earlier ones.

        :raises OSError: when it cannot be written.
        """
        now = time.time_ns()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now // 10**9))
        folder = cls(Path(root) / f"{stamp}-{now % 10**9 // 1000:06d}-{secrets.token_hex(4)}")
        private_folder(folder.path)
        folder.cases.mkdir()
        folder.job.mkdir()  # the engine says in it, too, why it cannot begin
        if request.get("settings"):
            write_json(folder.path / "recipe.json", request["settings"], indent=1)
        created = time.strftime("%Y-%m-%dT%H:%M:%S")
        write_json(folder.path / "request.json", {"schema": 1, "created": created, **request}, indent=1)
        return folder

    @staticmethod
    def list(root: Path) -> list[Path]:
        """The folders of all trainings below `root`, oldest first."""
        try:
            return sorted(p for p in root.iterdir() if p.name[0] != "." and (p / "request.json").is_file())
        except OSError:
            return []

    @property
    def exists(self) -> bool:
        return self.path.is_dir()

    @property
    def cases(self) -> Path:
        return self.path / "cases"

    @property
    def job(self) -> Path:
        return self.path / "job"

    @property
    def hasCases(self) -> bool:
        """Whether all cases have been saved."""
        return (self.cases / names.CASES).exists()

    @property
    def hasJob(self) -> bool:
        """Whether the engine has looked at the cases and begun."""
        return (self.job / names.JOB).exists()

    @property
    def request(self) -> dict[str, Any]:
        """The content of `request.json`."""
        self._request = self._request or read_json(self.path / "request.json")
        return self._request

    @property
    def report(self) -> dict[str, Any]:
        """The engine's report on its result."""
        return read_json(self.job / names.RESULT / names.REPORT)

    @property
    def model(self) -> Path | None:
        """The folder of the new model within the result."""
        try:
            return next((path.parent for path in sorted((self.job / names.RESULT).glob(f"*/{names.MODEL}"))), None)
        except OSError:
            return None

    def log(self, lines: int) -> str:
        """The last lines that the process printed."""
        return logTail(self.path / "log.txt", lines)

    def mark(self, name: str, text: str = "") -> None:
        """Set a marker. Does nothing when the folder has gone: so has the training."""
        try:
            (self.path / name).write_text(text, encoding="utf-8")
        except OSError:
            pass

    def unmark(self, *names: str) -> None:
        """Take markers away."""
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def marked(self, name: str) -> str | None:
        """The text of a marker; None when it is not set."""
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except OSError:
            return None

    def delete(self) -> BackgroundCall:
        """Delete the folder: it is out of the list at once, and its files go in a thread.

        :raises OSError: when it cannot be moved out of the list.
        """
        root = self.path.parent
        os.rename(self.path, root / f"{_deleted}{self.path.name}")
        leftovers = [path for path in root.iterdir() if path.name.startswith(_deleted)]

        def remove() -> None:
            for path in leftovers:
                shutil.rmtree(path, ignore_errors=True)

        return BackgroundCall(remove)
