"""Draw the figure of the paper's setting, halved: Dice of each organ, 7 CTs with labels alone and with 7 without.

    python Testing/benchmarks/half_labels.py Testing/benchmarks/README.md --output Resources/Screenshots/half-labels.png

It reads the rows ``abdomen-7...`` of a table as race.py prints it. Needs matplotlib, which comes with vtk.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

TITLES = {
    "abdomen-7-alone": "7 labeled CTs alone",
    "abdomen-7": "and 7 CTs without labels",
    "abdomen-7:constraint": "and the constraints of Eq. (3)",
    "abdomen-7:contrast": "and the contrast of Eq. (4)",
}
COLORS = ("#1e88e5", "#d84343", "#f0a030", "#4caf50")
ROW = re.compile(r"^\| (abdomen-7\S*) [^|]*\| ([\d.]+) \| \d+ \| ([\d.]+) ± [\d.]+ \|[^|]*\| ([^|]+) \|", re.MULTILINE)


def measured(text: str) -> dict[str, tuple[str, float, dict[str, float]]]:
    """Minutes, mean Dice and Dice of each organ by the name of the row."""
    found = {}
    for name, minutes, mean, organs in ROW.findall(text):
        each = dict(part.rsplit(" ", 1) for part in organs.split(", "))
        found[name] = (minutes, float(mean), {organ: float(dice) for organ, dice in each.items()})
    return found


def draw(rows: dict[str, tuple[str, float, dict[str, float]]], output: Path) -> None:
    """Write the figure."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = [name for name in TITLES if name in rows]
    if len(shown) < 2:
        raise SystemExit("The table has less than two rows of seven CTs.")
    organs = [*rows[shown[0]][2], "mean"]
    figure, axes = pyplot.subplots(figsize=(8.0, 3.6), dpi=130)
    width = 0.8 / len(shown)
    for number, (name, color) in enumerate(zip(shown, COLORS)):
        _minutes, mean, each = rows[name]
        places = [place + (number - (len(shown) - 1) / 2) * width for place in range(len(organs))]
        bars = axes.bar(places, [*each.values(), mean], width, color=color, label=TITLES[name])
        axes.annotate(
            f"{mean:.3f}", (places[-1], mean), (0, 2), textcoords="offset points", ha="center", fontsize=6, color=color
        )
        bars[-1].set_edgecolor("black")
    axes.set_xticks(range(len(organs)), [organ.replace(" ", "\n") for organ in organs], fontsize=8)
    axes.set_ylabel("Dice, 4 validation CTs")
    axes.set_ylim(0, 1.2)
    axes.grid(axis="y", alpha=0.3)
    axes.set_title(f"{rows[shown[0]][0]} minutes of one core each, one seed", fontsize=9)
    axes.legend(loc="upper center", fontsize=7, ncol=2)
    figure.tight_layout()
    figure.savefig(output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    draw(measured(options.table.read_text(encoding="utf-8")), options.output)
