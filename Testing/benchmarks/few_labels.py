"""Draw the figure of few labels: Dice against the number of labeled patients, with and without the unlabeled ones.

    python -m pip install matplotlib
    python Testing/benchmarks/few_labels.py --runs runs/rows --output Resources/Screenshots/few-labels.png

It takes what rows.py has trained and evaluated: ``NUMBER-longer`` and ``NUMBER-second``, whose numbers of iterations
are the same. Bars are the standard deviation over volumes, not over trainings.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from rows import EVALUATION, NUMBERS

LINES = {"longer": ("labeled patients alone", "#1e88e5"), "second": ("and the others as unlabeled ones", "#d84343")}


def points(runs: Path, kind: str) -> list[tuple[int, float, float]]:
    """Of each row there is: number of labeled patients, mean Dice over volumes and structures, and its spread."""
    found = []
    for number, labeled in NUMBERS.items():
        path = runs / f"{number}-{kind}" / EVALUATION
        if path.exists():
            dice = json.loads(path.read_text(encoding="utf-8"))["summary"][-1]["dice"]
            found.append((labeled, dice["mean"], dice["std"]))
    return found


def draw(runs: Path, output: Path) -> None:
    """Write the figure."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4.0), dpi=150)
    for shift, (kind, (title, color)) in zip((0.97, 1.03), LINES.items()):
        measured = points(runs, kind)
        if not measured:
            raise SystemExit(f"There is no row of the kind -{kind} in {runs}.")
        labeled, mean, spread = zip(*measured)
        places = [number * shift for number in labeled]
        axes.errorbar(places, mean, spread, color=color, label=title, marker="o", elinewidth=0.8, capsize=3)
        for place, value in zip(places, mean):
            text = f"{value:.3f}"
            side, align = ((6, 5), "left") if kind == "second" else ((-6, -12), "right")
            axes.annotate(text, (place, value), side, textcoords="offset points", ha=align, color=color, fontsize=8)
    numbers = sorted({labeled for kind in LINES for labeled, _mean, _spread in points(runs, kind)})
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
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    draw(options.runs, options.output)
