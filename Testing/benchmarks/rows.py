"""Train the rows of the tables in README.md, and print the tables from what has been trained.

    python Testing/benchmarks/rows.py --data ../shared/data --runs runs/rows seven-supervised seven-everything
    python Testing/benchmarks/rows.py --data ../shared/data --runs runs/rows --table

A row that was stopped goes on where it was; one that is done is not repeated. ``--command`` prints the commands instead
of running them.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
EVALUATION = "evaluation.json"
MEASURES = {"dice": 3, "hd95_mm": 1, "assd_mm": 2}
CARDIAC = "--batch-size 4 --patch 96 --keep-largest 1 2 3 --keep-together 1 2 3"
HIPPOCAMPUS = "--batch-size 8 --patch 64"
# From scratch, and from the end of another row (which gives the grid, too), with a lower rate.
FRESH, FURTHER = "--learning-rate 0.002 --evaluate-every 3000", "--learning-rate 0.001 --evaluate-every 1500"
# The long rows: from the end of another one, too, at the rate of a fresh start, and with mirrored and turned patches.
LONG = "--learning-rate 0.002 --evaluate-every 5000"
SUPERVISED = "--spacing 2 2 --iterations 6000 --semi-iterations 0"
# A warm start needs a moment of the first phase, in which the averages of optimizer and teacher settle.
SECOND = "--iterations 100 --semi-iterations 2900"
PASTED, PATCHES, MIRRORED, MIRRORED_SECOND = (
    f"--recipe Testing/benchmarks/{name}.json" for name in ("pasted", "patches", "mirrored", "mirrored_second")
)
GRIDS = "--batch-size 4 --keep-largest 1 2 3 --learning-rate 0.002 --evaluate-every 0 --semi-iterations 0"
TAUGHT = "--taught"  # no argument of the training: the model that a row starts from labels the unlabeled cases first
AGAIN = "-again"  # how the rows of the second seed end
NUMBERS = {"one": 1, "three": 3, "seven": 7, "fourteen": 14, "all": 70}  # labeled patients
WIDE = (16, 32, 48, 80, 128, 160)  # `small` with twice the channels where the pixels are fine
PLAIN = {"transformer": False, "cross_attention": False, "channel_attention": False, "spatial_attention": False}


def network(**settings: object) -> str:
    """The argument that changes the network."""
    return "--network " + shlex.quote(json.dumps(settings))


def without(*parts: str) -> str:
    """The argument that leaves parts out of the network."""
    return network(**{part: PLAIN[part] for part in parts})


def further(labeled: str, arguments: str, rate: str = FURTHER, again: str = "") -> tuple[str, str, str]:
    """A row that starts from the supervised one with the same labels (and the same seed)."""
    return f"cardiac-{NUMBERS[labeled]}", f"{CARDIAC} {rate} {arguments}", f"{labeled}-supervised{again}"


def few(labeled: str, seed: int = 0) -> dict[str, tuple[str, str, str]]:
    """The rows of the figure of few labels: without and with the unlabeled cases, if any are left."""
    again, seeded = (AGAIN, f" --seed {seed}") if seed else ("", "")
    longer = further(labeled, f"--iterations 3000 --semi-iterations 0{seeded}", again=again)
    found = {
        f"{labeled}-supervised{again}": (f"cardiac-{NUMBERS[labeled]}", f"{CARDIAC} {FRESH} {SUPERVISED}{seeded}", ""),
        f"{labeled}-longer{again}": longer,
    }
    if labeled != "all":
        found[f"{labeled}-second{again}"] = further(labeled, f"{SECOND}{seeded}", again=again)
    return found


# Name of a row: list of cases, arguments of the training, and the row whose model it starts from ("": none).
ROWS = {
    **few("seven"),
    "seven-pasted": further("seven", f"{SECOND} {PASTED}"),
    "seven-patches": further("seven", f"{SECOND} {PATCHES}"),
    "seven-taught": further("seven", f"--iterations 3000 --semi-iterations 0 {TAUGHT}"),
    "seven-alm": further("seven", f"{SECOND} --constraint alm"),
    "seven-penalty": further("seven", f"{SECOND} --constraint penalty"),
    "seven-log-barrier": further("seven", f"{SECOND} --constraint log-barrier"),
    "seven-contrast": further("seven", f"{SECOND} --contrast-weight 0.1"),
    "seven-everything": further("seven", f"{SECOND} --constraint penalty --contrast-weight 0.1"),
    "seven-long": further("seven", f"--iterations 10000 --semi-iterations 0 {MIRRORED}", LONG),
    "seven-long-second": further("seven", f"--iterations 100 --semi-iterations 9900 {MIRRORED_SECOND}", LONG),
    # Equal time on two grids.
    "seven-fine": ("cardiac-7", f"{GRIDS} --patch 128 --iterations 1400", ""),
    "seven-coarse": ("cardiac-7", f"{GRIDS} --patch 96 --spacing 2 2 --iterations 2300", ""),
    **few("three"),
    "three-pasted": further("three", f"{SECOND} {PASTED}"),
    "three-everything": further("three", f"{SECOND} --constraint penalty --contrast-weight 0.1"),
    **few("one"),
    **few("fourteen"),
    **few("all"),
    "all-context": ("cardiac-70", f"{CARDIAC} {FRESH} {SUPERVISED} --context 1", ""),
    "all-wide": ("cardiac-70", f"{CARDIAC} {FRESH} {SUPERVISED} {network(widths=WIDE)}", ""),
    "all-base": ("cardiac-70", f"{CARDIAC} {FRESH} {SUPERVISED} --size base", ""),
    **few("one", 1),
    **few("three", 1),
    **few("seven", 1),
    **few("fourteen", 1),
    **few("all", 1),
    "seven-no-transformer": ("cardiac-7", f"{CARDIAC} {FRESH} {SUPERVISED} {without('transformer')}", ""),
    "seven-no-cross-attention": ("cardiac-7", f"{CARDIAC} {FRESH} {SUPERVISED} {without('cross_attention')}", ""),
    "seven-no-channel-attention": ("cardiac-7", f"{CARDIAC} {FRESH} {SUPERVISED} {without('channel_attention')}", ""),
    "seven-resunet": ("cardiac-7", f"{CARDIAC} {FRESH} {SUPERVISED} {without(*PLAIN)}", ""),
    "hippocampus-supervised": ("hippocampus-8", f"{HIPPOCAMPUS} {FRESH} --iterations 3000 --semi-iterations 0", ""),
    "hippocampus-fine": (
        "hippocampus-8",
        f"--batch-size 4 --patch 96 --spacing 0.6 0.6 {FRESH} --iterations 3000 --semi-iterations 0",
        "",
    ),
    "hippocampus-both": ("hippocampus-8", f"{HIPPOCAMPUS} {FRESH} --iterations 1500 --semi-iterations 1500", ""),
}


def commands(row: str, data: Path, runs: Path) -> list[str]:
    """The commands of a row, to be run in the checkout: its list of cases, its training, its evaluation."""
    cases, arguments, start = ROWS[row]
    kind, labeled = cases.split("-")
    folder = data / {"cardiac": "cardiac_cine_mr", "hippocampus": "hippocampus_mr"}[kind]
    if start:
        arguments += f" --base {model(start, runs)}"
    listed, lists = (
        f"{runs / cases}.json",
        [f"python Testing/benchmarks/{kind}_cases.py {folder} {runs / cases}.json --labeled {labeled}"],
    )
    if TAUGHT in arguments:
        arguments = arguments.replace(f" {TAUGHT}", "")
        teacher, taught = model(start, runs), runs / f"{row}-cases"
        lists.append(f"python Testing/benchmarks/taught_cases.py {listed} {teacher} {taught} --times 5")
        listed = f"{taught}/cases.json"
    return [
        *lists,
        f"python -m cmaformer train --cases {listed} --name {row} --job {runs / row} {arguments}",
        f"python -m cmaformer evaluate --cases {runs / cases}.json --model {model(row, runs)} --json",
    ]


def model(row: str, runs: Path) -> Path:
    """The folder of a row's model."""
    return runs / row / "result" / f"{row}-1.0.0"


def run(row: str, data: Path, runs: Path) -> None:
    """Train a row, or go on with it, and evaluate its model on the held-out cases."""
    runs.mkdir(parents=True, exist_ok=True)
    start = ROWS[row][2]
    if start and not model(start, runs).exists():
        run(start, data, runs)
    *lists, train, evaluate = commands(row, data, runs)
    if (runs / row / "job.json").exists():
        train = f"python -m cmaformer train --resume {runs / row}"
    if not (runs / row / "result").exists():
        for step in (*lists, train):
            call(step)
    if not (runs / row / EVALUATION).exists():
        (runs / row / EVALUATION).write_text(call(evaluate), encoding="utf-8")


def call(command: str) -> str:
    """Run a command in the checkout; returns what it prints."""
    print(command, flush=True)
    words = [sys.executable, *shlex.split(command)[1:]]
    return subprocess.run(words, check=True, cwd=HERE.parents[1], stdout=subprocess.PIPE, text=True).stdout


def table(runs: Path) -> str:
    """The model that each row gave: mean over cases and structures, and the spread over cases.

    The last column is the Dice of each phase's teacher on the model's grid, before any clean-up; the model is that of
    the last phase, unless it was more than a point worse there.
    """
    lines = ["| row | Dice | per structure | HD95 mm | ASSD mm | of each phase |", "|---|---|---|---|---|---|"]
    for row in ROWS:
        path = runs / row / EVALUATION
        if not path.exists():
            continue
        summary = json.loads(path.read_text(encoding="utf-8"))["summary"]
        whole = summary[-1]
        each = " / ".join(f"{entry['dice']['mean']:.3f}" for entry in summary[:-1])
        cells = [f"{whole[measure]['mean']:.{n}f} ± {whole[measure]['std']:.{n}f}" for measure, n in MEASURES.items()]
        phases = json.loads((runs / row / "result" / "report.json").read_text(encoding="utf-8"))["held_out_dice"]
        told = [f"{mean(scores):.3f}" for _, scores in sorted(phases.items(), reverse=True)]  # supervised first
        lines.append(f"| {row} | {cells[0]} | {each} | {cells[1]} | {cells[2]} | {', then '.join(told)} |")
    return "\n".join(lines)


def mean(scores: list[list[float | None]]) -> float:
    """Mean over cases and structures, where a structure is there."""
    known = [score for case in scores for score in case if score is not None]
    return sum(known) / len(known)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--command", action="store_true")
    options = parser.parse_args()
    for name in options.rows:
        if options.command:
            print("\n".join(commands(name, options.data, options.runs)))
        else:
            run(name, options.data, options.runs)
    if options.table:
        print(table(options.runs))
