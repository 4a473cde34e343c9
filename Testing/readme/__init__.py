"""What README.md and the documentation tell readers to type: commands and blocks of code, by section, in order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

repository = Path(__file__).resolve().parents[2]
PROGRAMS = ("python", ".venv/bin/python", "cmaformer", "torchrun", "make", "pip", "git", "touch", "apt-get")
"""What a line of code within a sentence begins with, if it is a command."""


DOCUMENTATION = repository / "Resources" / "Documentation"
_NAMES = (
    *("README", "tutorial", "panel", "console", "command-line", "fine-tuning", "datasets", "clusters", "method"),
    *("evidence", "troubleshooting"),
)
PAGES = [repository / "README.md", *(DOCUMENTATION / f"{name}.md" for name in _NAMES)]
"""In the order in which they are read."""


def text() -> str:
    """All pages, one after the other."""
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


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
    """All fenced blocks."""
    found, section, fence = [], "", None
    for line in text().splitlines():
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
    assert fence is None, "a block has no end"
    return found


def inline_commands() -> list[str]:
    """Commands within sentences, each on one line."""
    prose = re.sub(r"^```.*?^```", "", text(), flags=re.S | re.M)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    return [span for span in spans if span.split()[0] in PROGRAMS and " " in span]
