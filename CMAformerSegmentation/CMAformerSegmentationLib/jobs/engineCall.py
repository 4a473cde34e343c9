"""One command of the engine from its beginning to its end, for a thread."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from slicer.i18n import tr as _

from ..refusal import Refusal
from .environment import moduleFolder
from .processes import groupOptions


def startEngine(command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a command of the engine, whose words all arrive on its standard output.

    :param command: see `engineCommand`. :param environment: see `engineEnvironment`; both are for the main thread.
    :raises OSError: when it cannot be started.
    """
    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=moduleFolder,
        **groupOptions(),
    )


def callEngine(command: Sequence[str], environment: dict[str, str], name: str) -> None:
    """Run the engine, and wait for it; see `startEngine`.

    :param name: of what it works on, for the message.
    :raises Refusal: with its last words when it fails. :raises OSError: when it cannot be started.
    """
    process = startEngine(command, environment)
    output = process.communicate()[0]
    if process.returncode:
        said = " ".join(output.decode("utf-8", "replace").strip().splitlines()[-1:])
        raise Refusal(lambda: _("{name}: the engine stopped: {words}").format(name=name, words=said))
