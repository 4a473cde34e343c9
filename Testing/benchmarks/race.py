"""Train rows side by side for the same time of one core, and print what each of them learned.

    python Testing/benchmarks/race.py --data ../shared/data --runs runs/race --minutes 30 heart-7 heart-3-alone
    python Testing/benchmarks/race.py --data ../shared/data --runs runs/race --table

Minutes are those of a processor (``time.process_time``): a row that waits, or is paused while tests run, loses nothing.
Every row has one thread; ``--jobs`` rows run at once. A row that was stopped goes on where it was, and one that is done
is not repeated. Held-out cases are the validation cases of the data; they are looked at when the training is over.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cmaformer.cases.case_list import CaseList
from cmaformer.door.input_spec import InputSpec

HERE = Path(__file__).parent
CARDIAC, HIPPOCAMPUS, ABDOMEN = "cardiac_cine_mr", "hippocampus_mr", "abdomen_ct"
VALIDATION = ("0005", "0021", "0030", "0039")
PLAIN = {"transformer": False, "cross_attention": False, "channel_attention": False, "spatial_attention": False}
# Changes of the defaults that rows may name after a colon, "heart-7:batch".
VARIANTS: dict[str, dict[str, Any]] = {
    "": {},
    "group": {"network": {"norm": "group"}},
    "gated": {"network": {"gated": True}},
    "pyramid": {"network": {"layout": "pyramid", "gated": True}},
    "attention": {"network": dict.fromkeys(PLAIN, True)},
    "plain": {"network": PLAIN},
    "coarse": {"settings": {"coarse": 0.5}},
    "oriented": {"choices": {"slicing": "oriented"}},
    "sure": {"settings": {"confidence": 0.8}},
    "constraint": {"settings": {"constraint": "penalty"}},
    "contrast": {"settings": {"contrast_weight": 0.1}},
    "patches": {"settings": {"teaching": "patches", "confidence": 0.8}},
}


def cases_of(row: str, data: Path, runs: Path) -> Path:
    """The list of cases of a row, "heart-7", "heart-7-alone", "abdomen-9", "hippocampus-8": written once."""
    kind, labeled, *alone = row.split("-")
    path = runs / f"{row}.json"
    if kind == "abdomen":
        content = abdomen(data / ABDOMEN, int(labeled))
    else:
        script, folder = {"heart": ("cardiac", CARDIAC), "hippocampus": ("hippocampus", HIPPOCAMPUS)}[kind]
        command = [sys.executable, str(HERE / f"{script}_cases.py"), str(data / folder), str(path)]
        subprocess.run([*command, "--labeled", labeled], check=True)
        content = json.loads(path.read_text(encoding="utf-8"))
    if alone:
        content["cases"] = [case for case in content["cases"] if case["role"] != "unlabeled"]
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def abdomen(folder: Path, labeled: int) -> dict[str, Any]:
    """The first ``labeled`` of the training CTs by number are labeled, the others are not."""
    from cmaformer.cases.tasks import SYNAPSE

    names = [path.name[3:7] for path in sorted((folder / "img").glob("img*.nii.gz"))]
    learned = [name for name in names if name not in VALIDATION]
    cases = []
    for name in names:
        role = "held-out" if name in VALIDATION else "labeled" if learned.index(name) < labeled else "unlabeled"
        labels = None if role == "unlabeled" else str(folder / "label" / f"label{name}.nii.gz")
        cases.append({"name": name, "image": str(folder / "img" / f"img{name}.nii.gz"), "labels": labels, "role": role})
    classes = {str(s.value): {"name": s.name, "color": list(s.color)} for s in SYNAPSE.structures}
    return {"classes": classes, "label_map": {str(a): b for a, b in (SYNAPSE.label_map or {}).items()}, "cases": cases}


def choices_of(row: str, variant: str, listed: CaseList) -> dict[str, Any]:
    """Further arguments of the training of a row, as the command ``train`` would choose them."""
    from cmaformer.preflight.check import check
    from cmaformer.recipes.presets import preset
    from cmaformer.recipes.recipe import SECOND_PHASE, changed
    from cmaformer.training.suggestion import suggested

    change = VARIANTS[variant]
    source = InputSpec(slicing="axial" if row.startswith("abdomen") else "oriented")
    found = suggested(check(listed, source))
    settings: dict[str, Any] = {"evaluate_every": 0, **found.settings, **change.get("settings", {})}
    if not row.endswith("-alone"):
        settings["semi_iterations"] = round(SECOND_PHASE * preset().iterations)
    choices: dict[str, Any] = {
        "network": change.get("network"),
        "spacing_mm": found.spacing_mm,
        "slicing": found.slicing,
    }
    if row.startswith("heart"):  # as the tables of before
        choices |= {"largest_component": [1, 2, 3], "together": [1, 2, 3]}
    if row.startswith("abdomen"):
        settings["augmentation"] = {"flip": 0.0, "right_angle": 0.0}
        choices |= {"normalization": {"type": "window", "low": -125, "high": 275}, "slicing": "axial"}
    return {**choices, "recipe": changed(preset(), settings), **change.get("choices", {})}


def train(name: str, data: Path, runs: Path, minutes: float, seed: int) -> None:
    """Train and evaluate one row, in a process of its own."""
    from cmaformer.cases.reading import read_cases
    from cmaformer.models.model import load_model
    from cmaformer.segmenting.evaluate import evaluate
    from cmaformer.training.plan import create
    from cmaformer.training.work import work

    row, _, variant = name.partition(":")
    folder = runs / folder_of(name, minutes, seed)
    if (folder / "evaluation.json").exists():
        return
    listed = read_cases(cases_of(row, data, runs))
    if not (folder / "job.json").exists():
        name = f"{row}-{variant}" if variant else row
        create(listed, folder, name, seed=seed, minutes=minutes, **choices_of(row, variant, listed))
    if not (folder / "result").exists():
        work(folder, "cpu", clock=time.process_time)
    (model,) = (path.parent for path in (folder / "result").glob("*/model.json"))
    found = evaluate(listed, load_model(model), device="cpu")
    content = {"summary": found.summary(), "cases": found.rows()}
    (folder / "evaluation.json").write_text(json.dumps(content), encoding="utf-8")


def folder_of(name: str, minutes: float, seed: int) -> str:
    """The job folder of a row."""
    return f"{name.replace(':', '+')}@{minutes:g}s{seed}"


def table(runs: Path) -> str:
    """What the rows learned: Dice and HD95 of the mean of the structures, and Dice of each."""
    lines = ["| row | minutes of a core | seed | Dice | HD95 mm | structures |", "|---|---|---|---|---|---|"]
    for path in sorted(runs.glob("*/evaluation.json")):
        name, _, rest = path.parent.name.partition("@")
        minutes, _, seed = rest.partition("s")
        *structures, mean = json.loads(path.read_text(encoding="utf-8"))["summary"]
        dice, distance = mean["dice"], mean["hd95_mm"]
        each = ", ".join(f"{row['structure']} {row['dice']['mean']:.3f}" for row in structures)
        about = f"{dice['mean']:.4f} ± {dice['std']:.4f} | {distance['mean']:.2f} | {each}"
        lines.append(f"| {name.replace('+', ':')} | {minutes} | {seed} | {about} |")
    return "\n".join(lines)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help='such as "heart-7", "heart-3-alone", "abdomen-14:plain"')
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=Path, default=Path("runs/race"))
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="rows at once")
    parser.add_argument("--table", action="store_true", help="print what has been trained")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    if args.table:
        print(table(args.runs))
        return 0
    if args.one:
        train(args.rows[0], args.data.resolve(), args.runs.resolve(), args.minutes, args.seed)
        return 0
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

    def run(row: str) -> int:
        command = [sys.executable, __file__, row, "--one", "--data", str(args.data), "--runs", str(args.runs)]
        command += ["--minutes", str(args.minutes), "--seed", str(args.seed)]
        log = args.runs / f"{folder_of(row, args.minutes, args.seed)}.log"
        with open(log, "ab") as file:
            return subprocess.run(command, env=environment, stdout=file, stderr=file).returncode

    with ThreadPoolExecutor(args.jobs) as pool:
        ended = list(pool.map(run, args.rows))
    print(table(args.runs))
    return max(ended, default=0)


if __name__ == "__main__":
    raise SystemExit(main())
