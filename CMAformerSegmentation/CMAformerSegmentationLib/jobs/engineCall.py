"""One command of the engine from its beginning to its end, for a thread."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from slicer.i18n import tr as _

from ..refusal import Refusal
from .environment import moduleFolder
from .processes import groupOptions


def callEngine(command: Sequence[str], environment: dict[str, str], name: str) -> None:
    """Run the engine, and wait for it.

    :param command: see `engineCommand`. :param environment: see `engineEnvironment`; both are for the main thread.
    :param name: of what it works on, for the message.
    :raises Refusal: with its last words when it fails. :raises OSError: when it cannot be started.
    """
    done = subprocess.run(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=moduleFolder,
        check=False,
        **groupOptions(),
    )
    if done.returncode:
        said = " ".join(done.stdout.decode("utf-8", "replace").strip().splitlines()[-1:])
        raise Refusal(lambda: _("{name}: the engine stopped: {words}").format(name=name, words=said))
