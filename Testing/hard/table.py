"""The table of README.md from what `make hard` has counted: ``python Testing/hard/table.py counts.tsv``."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

OUTCOMES = ("right", "warned", "refused", "unclear", "crashed", "hung", "silent wrong", "leaked")


def table(path: Path) -> str:
    """A row a kind, and their sum."""
    counts: dict[str, Counter[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, _, outcome = line.partition("\t")
        counts.setdefault(kind, Counter())[outcome] += 1
    counts = dict(sorted(counts.items()))
    counts["**all**"] = sum(counts.values(), Counter())
    lines = [f"| kind | tried | {' | '.join(OUTCOMES)} |", "|---" * (len(OUTCOMES) + 2) + "|"]
    for kind, found in counts.items():
        numbers = " | ".join(str(found[outcome]) for outcome in OUTCOMES)
        lines.append(f"| {kind} | {sum(found.values())} | {numbers} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(Path(sys.argv[1])))
