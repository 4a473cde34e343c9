"""A command of the engine in a fork of this process, which has loaded everything: many of them take seconds."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable


def forked(
    arguments: list[str], before: Callable[[], object], after: Callable[[], object] = lambda: None
) -> tuple[int, str]:
    """Run it; returns its exit code and what it said.

    Args:
        arguments: of ``cmaformer``.
        before: called in the fork, before the command.
        after: called in the fork, after it, however it ended.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        for number in (1, 2):
            os.dup2(write, number)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
        code = 70
        try:
            before()
            from cmaformer.__main__ import main

            code = main(arguments)
        except BaseException:
            traceback.print_exc()
        finally:
            after()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode("utf-8", "replace")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said
