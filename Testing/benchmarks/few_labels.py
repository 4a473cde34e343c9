"""Draw the figure of few labels: Dice against the number of labeled patients, with and without the unlabeled ones.

    python Testing/benchmarks/few_labels.py Testing/benchmarks/README.md --output Resources/Screenshots/few-labels.png

It reads a table as rows.py prints it, here the one in README.md: the rows ``NUMBER-longer`` and ``NUMBER-second``,
whose numbers of iterations are the same, and those of the second seed, ``-again``. A point is one training, the line
goes through the means of the seeds; bars are the standard deviation over volumes, not over trainings. Needs
matplotlib, which comes with vtk.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from rows import AGAIN, NUMBERS

LINES = {"longer": ("labeled patients alone", "#1e88e5"), "second": ("and the others as unlabeled ones", "#d84343")}
ROW = re.compile(r"^\| ([a-z-]+) \| ([\d.]+) ± ([\d.]+) \|", re.MULTILINE)


def measured(tables: str) -> dict[str, tuple[float, float]]:
    """Mean Dice and its spread over volumes by the name of the row; of tables one below the other, the first counts."""
    found: dict[str, tuple[float, float]] = {}
    for name, mean, spread in ROW.findall(tables):
        found.setdefault(name, (float(mean), float(spread)))
    return found


def points(rows: dict[str, tuple[float, float]], kind: str) -> list[tuple[int, list[float], float]]:
    """For each number of labeled patients: the number, mean Dice of each seed, and the mean spread over volumes."""
    found = []
    for number, labeled in NUMBERS.items():
        seeds = [rows[name] for name in (f"{number}-{kind}", f"{number}-{kind}{AGAIN}") if name in rows]
        if seeds:
            found.append((labeled, [mean for mean, _ in seeds], sum(spread for _, spread in seeds) / len(seeds)))
    return found


def draw(rows: dict[str, tuple[float, float]], output: Path) -> None:
    """Write the figure."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4.0), dpi=150)
    for shift, (kind, (title, color)) in zip((0.97, 1.03), LINES.items()):
        found = points(rows, kind)
        if not found:
            raise SystemExit(f"The table has no row of the kind -{kind}.")
        places = [labeled * shift for labeled, _seeds, _spread in found]
        means = [sum(seeds) / len(seeds) for _labeled, seeds, _spread in found]
        axes.errorbar(
            places, means, [spread for *_, spread in found], color=color, label=title, elinewidth=0.8, capsize=3
        )
        for place, mean, (_labeled, seeds, _spread) in zip(places, means, found):
            axes.plot([place] * len(seeds), seeds, "o", color=color, markersize=4)
            side, align = ((-6, 5), "right") if kind == "second" else ((6, -12), "left")
            axes.annotate(
                f"{mean:.3f}", (place, mean), side, textcoords="offset points", ha=align, color=color, fontsize=8
            )
    numbers = sorted({labeled for kind in LINES for labeled, *_ in points(rows, kind)})
    axes.set_xscale("log")
    axes.set_xlim(numbers[0] / 1.7, numbers[-1] * 1.7)
    axes.set_xticks(numbers, [str(number) for number in numbers])
    axes.minorticks_off()
    axes.set_xlabel("labeled patients, of 70")
    axes.set_ylabel("Dice, mean and spread over 20 volumes")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False)
    figure.tight_layout()
    figure.savefig(output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    draw(measured(options.table.read_text(encoding="utf-8")), options.output)
