"""Runs a command again and again, and each time another of its writes fails: with `faults.c` preloaded.

    LD_PRELOAD=faults.so python faults.py SPEC RESULTS

SPEC is JSON: "template" (a folder that is copied to "work" before each try), "work", "command" (of ``cmaformer``),
"resume" (what goes on with it where the job is there; null for none), "most" (tries of each kind at most; evenly
spread). RESULTS gets a line of JSON for each try. Tries are forks of this process, which has loaded everything.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from forked import forked

LIMIT_S = 60


def run(shim: Any, work: Path, arguments: list[str], at: int, following: bool) -> tuple[int, str, int]:
    """Run a command whose write number ``at`` fails; returns its exit code, what it said, and how often it wrote."""
    with tempfile.TemporaryFile() as counted:

        def arm() -> None:
            signal.alarm(LIMIT_S)
            shim.faults_arm(os.fsencode(work), at, following)

        def disarm() -> None:
            number = shim.faults_count()
            shim.faults_arm(b"", 0, 0)
            os.write(counted.fileno(), str(number).encode())

        code, said = forked(arguments, arm, disarm)
        counted.seek(0)
        return code, said, int(counted.read() or -1)


def state(folder: Path) -> dict[str, str]:
    """The content of each file, in hexadecimal digits of its hash."""
    import hashlib

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def main() -> None:
    """Try every write in turn."""
    spec, results = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
    import SimpleITK  # noqa: F401 - loaded once for all tries
    import torch

    import cmaformer.segmenting.many
    import cmaformer.training.loop
    import cmaformer.training.result  # noqa: F401

    torch.set_num_threads(1)
    template, work = Path(spec["template"]), Path(spec["work"])

    def afresh() -> None:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(template, work, symlinks=True)

    afresh()
    before = state(work)
    code, said, count = run(shim, work, spec["command"], 0, False)
    assert code == 0, said
    whole = state(work)
    with results.open("w") as file:
        file.write(json.dumps({"before": before, "whole": whole, "count": count}) + "\n")
        step = max(1, count // spec["most"]) if spec["most"] else 1
        for following in (False, True):
            for at in range(1, count + 1, step):
                afresh()
                code, said, _ = run(shim, work, spec["command"], at, following)
                line: dict[str, Any] = {"at": at, "following": following, "code": code, "said": said}
                line["after"] = state(work)
                if spec["resume"] and code != 0:
                    begun = (work / spec["job"] / "job.json").exists()
                    again = run(shim, work, spec["resume"] if begun else spec["command"], 0, False)
                    line["again"], line["said_again"], line["resumed"] = again[0], again[1], state(work)
                file.write(json.dumps(line) + "\n")
                file.flush()


if __name__ == "__main__":
    main()
