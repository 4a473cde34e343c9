"""What README.md tells its readers to type: the commands and the blocks of code, by section, in their order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

repository = Path(__file__).resolve().parents[2]
PROGRAMS = ("python", ".venv/bin/python", "cmaformer", "torchrun", "make", "pip", "git", "touch", "apt-get")
"""What a line of code within a sentence begins with, if it is a command."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its section, language ("" for a shell), and text."""

    section: str
    language: str
    text: str

    def commands(self) -> list[str]:
        """The commands of a shell block, without comments, each on one line; a script is one command."""
        if self.language:
            return []
        if self.text.startswith("#!"):
            return [self.text]
        lines = self.text.replace("\\\n", " ").splitlines()
        commands = [" ".join(re.sub(r"(^|\s)#.*", "", line).split()) for line in lines]
        return [command for command in commands if command]


def blocks() -> list[Block]:
    """All fenced blocks of README.md."""
    found, section, fence = [], "", None
    for line in (repository / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            if fence is None:
                fence, lines = line[3:].strip(), []
            else:
                found.append(Block(section, fence, "\n".join(lines) + "\n"))
                fence = None
        elif fence is not None:
            lines.append(line)
        elif line.startswith("#"):
            section = line.lstrip("#").strip()
    assert fence is None, "a block of README.md has no end"
    return found


def inline_commands() -> list[str]:
    """Commands within sentences, each on one line."""
    text = re.sub(r"^```.*?^```", "", (repository / "README.md").read_text(encoding="utf-8"), flags=re.S | re.M)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]
    return [span for span in spans if span.split()[0] in PROGRAMS and " " in span]
