"""Whether the command ``next`` chooses better patients to label than chance does.

    python Testing/benchmarks/next_labels.py --data ../shared/data --runs runs/next --minutes 12

Four labeled patients of the cardiac data train a model; three more are chosen by it (the odd, as with many labels, and
the typical, as with few), and by chance (three draws), of the other 66 training patients. Each set of seven trains for
the same time of one core, from scratch with the same seed, on its labeled cases alone. The validation patients are held
out of all of it.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from pathlib import Path

from race import choices_of, table

from cmaformer.cases.reading import read_cases
from cmaformer.models.model import load_model
from cmaformer.segmenting import next_cases as next_module
from cmaformer.segmenting.evaluate import evaluate
from cmaformer.training.plan import create
from cmaformer.training.work import work

HERE = Path(__file__).parent
MORE, DRAWS = 3, 3


def listed(source: dict, labeled: set[str], path: Path) -> Path:
    """Write the list with these patients labeled and the others unlabeled."""
    cases = [
        case
        if case["role"] == "held-out"
        else {**case, "role": "labeled" if case["patient"] in labeled else "unlabeled"}
        for case in source["cases"]
    ]
    path.write_text(json.dumps({**source, "cases": cases}), encoding="utf-8")
    return path


def train(name: str, cases: Path, minutes: float) -> Path:
    """Train on the labeled cases of a list alone; returns the folder of the model."""
    content = json.loads(cases.read_text(encoding="utf-8"))
    content["cases"] = [case for case in content["cases"] if case["role"] != "unlabeled"]
    alone = cases.with_name(f"{cases.stem}-alone.json")
    alone.write_text(json.dumps(content), encoding="utf-8")
    folder, cases_alone = cases.parent / f"{name}@{minutes:g}s0", read_cases(alone)
    if not (folder / "job.json").exists():
        create(cases_alone, folder, name, seed=0, minutes=minutes, **choices_of("heart-alone", "", cases_alone))
    if not (folder / "result").exists():
        work(folder, "cpu", clock=time.process_time)
    (model,) = (path.parent for path in (folder / "result").glob("*/model.json"))
    if not (folder / "evaluation.json").exists():
        found = evaluate(cases_alone, load_model(model), device="cpu")
        (folder / "evaluation.json").write_text(json.dumps({"summary": found.summary(), "cases": found.rows()}))
    return model


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=Path, default=Path("runs/next"))
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--draw", type=int, default=0, help="of the first four patients; needs a folder of its own")
    parser.add_argument("rows", nargs="*", help="of the sets (default: all)")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    path = options.runs / "all.json"
    command = [sys.executable, str(HERE / "cardiac_cases.py"), str(options.data / "cardiac_cine_mr"), str(path)]
    subprocess.run(command, check=True)
    source = json.loads(path.read_text(encoding="utf-8"))
    patients = sorted({case["patient"] for case in source["cases"] if case["role"] == "labeled"})
    random.Random(options.draw).shuffle(patients)
    first, others = patients[:4], sorted(patients[4:])
    four = listed(source, set(first), options.runs / "four.json")
    model = train("four", four, options.minutes)
    sets = {}
    for name, few in (("chosen", 0), ("typical", next_module.FEW_LABELS)):
        told = options.runs / f"{name}.txt"
        if not told.exists():
            next_module.FEW_LABELS = few
            cases = read_cases(four)
            found = next_module.next_cases(cases, load_model(model), "cpu")
            lines = [f"{cases.cases[one.cases[0] - 1].patient} {one.reason()}" for one in found]
            told.write_text("\n".join(lines), encoding="utf-8")
        sets[name] = [line.split()[0] for line in told.read_text(encoding="utf-8").splitlines()[:MORE]]
    sets |= {f"chance-{n}": random.Random(n).sample(others, MORE) for n in range(1, DRAWS + 1)}
    sets = {name: more for name, more in sets.items() if not options.rows or name in options.rows}
    for name, more in sets.items():
        print(name, more, flush=True)
        train(name, listed(source, {*first, *more}, options.runs / f"{name}.json"), options.minutes)
    print(table(options.runs))


if __name__ == "__main__":
    main()
