"""Train on a graphics card that is lent for some minutes: pack here, run there, unpack here.

    python Testing/benchmarks/gpu_train.py cases --to runs/abdomen-cases.json              # here
    python Testing/benchmarks/gpu_train.py jobs --data ../shared/data --to runs/gpu        # here: needs SimpleITK
    python Testing/benchmarks/gpu_train.py run --at runs/gpu --out $OUT --seconds 300      # there: the trainings

The rows train side by side, each in a process of its own, for the same time: one of them alone leaves a part of a large
card idle. What travels is one file of slices and label maps (35 to 40 MB), and a job folder without slices for each
row; signed distances are computed there. What comes back is the events of all rows, and the models of those that
``--keep`` names. ``--device cpu --iterations 2`` tries the same here.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ENGINE = HERE.parents[1] / "CMAformerSegmentation"
sys.path[:0] = [str(ENGINE), str(HERE)]

from gpu_rows import NETWORK, RECIPE, ROWS, SOURCES, Row, cases_of, write_list  # noqa: E402

# Part of the time that the second phase has, and the steps between two looks of the teacher at whole volumes.
SECOND, LOOK_EVERY = 45, 200
# Seconds that a training needs besides its steps: until the first one, and after the last.
AROUND_S = 60


def write_jobs(data: Path, to: Path, recipe: dict[str, Any], rows: list[str], bases: list[Path]) -> None:
    """Prepare the slices once, pack them, and write a job folder without slices for each row."""
    import torch
    from gpu_pack import pack
    from ship import packed

    from cmaformer.data.slices import prepare
    from cmaformer.door.input_spec import ImageSpec, InputSpec
    from cmaformer.door.names import INITIAL
    from cmaformer.door.watcher import Watcher
    from cmaformer.models.model import load_model
    from cmaformer.recipes.presets import preset
    from cmaformer.recipes.recipe import changed
    from cmaformer.training.plan import create

    to.mkdir(parents=True, exist_ok=True)
    left = iter(bases)
    for name in rows:
        row, source = ROWS[name], SOURCES[ROWS[name].data]
        shutil.rmtree(to / name, ignore_errors=True)
        settings = {**RECIPE, "look_slices": 10_000, **row.recipe, **recipe}
        create(
            cases_of(row, data, to),
            to / name,
            f"{row.data} {name}",
            load_model(next(left)) if row.further else None,
            recipe=changed(preset(), settings),
            network={**NETWORK, **row.network},
            spacing_mm=source.spacing,
            slicing=source.slicing,
            normalization=source.normalization,
            context_slices=row.context,
            facts={"modality": source.modality},
            seed=row.seed,
            largest_component=source.cleaned,
            together=source.cleaned,
        )
        (to / name / "cases.json").write_text("{}")  # paths of this computer mean nothing there
        if row.further:  # little room to travel
            weights = torch.load(to / name / INITIAL, weights_only=True)
            halved = {key: value.half() if value.is_floating_point() else value for key, value in weights.items()}
            (to / name / INITIAL).write_bytes(packed(halved))
    for kind in sorted({ROWS[name].data for name in rows}):
        if not (to / f"{kind}.xz").exists():
            source = SOURCES[kind]
            spec = InputSpec((ImageSpec("", source.normalization),), spacing_mm=source.spacing, slicing=source.slicing)
            slices = to / "prepared"
            most = cases_of(Row(13, data=kind), data, to)
            prepare(most, spec, slices, Watcher(progress=lambda done, total, left: print(done, "of", total)))
            pack(slices, to / f"{kind}.xz", source.steps)
            shutil.rmtree(slices)


def run(at: Path, out: Path, rows: list[str], keep: list[str], device: str, seconds: float, iterations: int) -> None:
    """Train the rows side by side, for about so many seconds in all, or for so many iterations."""
    from gpu_pack import unpack

    start = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    for kind in sorted({ROWS[row].data for row in rows}):
        if not (at / "slices" / kind / "done").exists():
            unpack(
                at / f"{kind}.xz", at / "slices" / kind, sorted({ROWS[r].classes for r in rows if ROWS[r].data == kind})
            )
            (at / "slices" / kind / "done").touch()
    print(f"unpacked in {time.monotonic() - start:.0f} s", flush=True)
    left = seconds - (time.monotonic() - start) - AROUND_S
    train(at, rows, device, 0.0 if iterations else left, iterations, lambda row: _told(at, out, row, row in keep))
    with tarfile.open(out / "events.tar.gz", "w:gz") as archive:
        for row in rows:
            for path in (at / row / "events.jsonl", at / row / "output.txt"):
                if path.exists():
                    archive.add(path, f"{row}/{path.name}")
    print(f"{time.monotonic() - start:.0f} s in all", flush=True)


def _told(at: Path, out: Path, row: str, keep: bool) -> None:
    """Print what a row has learned, and send its model where it is wanted."""
    events = at / row / "events.jsonl"
    for line in events.read_text().splitlines() if events.exists() else ():
        event = json.loads(line)
        if "dice" in event.get("values", {}):
            scores = list(event["values"]["dice"].values())
            about = f"the first eight {np.mean(scores[:8]):.4f}; {np.round(scores, 3).tolist()}"
            print(f"{row}, {event.get('iteration')} steps: {about}", flush=True)
    if keep and (at / row / "result").exists():
        with tarfile.open(out / f"{row}.tar.gz", "w:gz") as archive:
            archive.add(at / row / "result", "result")


def roles(folder: Path, row: Row) -> None:
    """Give the slices of a job the roles of its row; what an unlabeled case has of labels is not to be seen."""
    from cmaformer.data.slice_entry import SliceEntry
    from cmaformer.data.slices import INDEX, share

    slices = folder.parent / "slices" / row.data / str(row.classes)
    known = json.loads((slices / INDEX).read_text())["cases"]
    learned = [entry["number"] for entry in known if entry["role"] == "labeled"]

    def role(entry: SliceEntry) -> str:
        if row.data == "heart":
            return entry.role
        if not row.labeled:
            return "labeled"
        if entry.role != "labeled" or learned.index(entry.number) < row.labeled:
            return entry.role
        return "unlabeled" if row.unlabeled else "unused"

    share(slices, folder / "slices", role)
    index = json.loads((folder / "slices" / INDEX).read_text())
    for entry in index["cases"]:
        if entry["role"] in ("unlabeled", "unused"):
            entry["pixels"] = {}
    (folder / "slices" / INDEX).write_text(json.dumps(index))


def train(at: Path, rows: list[str], device: str, seconds: float, iterations: int, done: Callable[[str], None]) -> None:
    """Train rows side by side from their beginning, for so many seconds of steps, or (0) for so many iterations."""
    each = max(1, (os.cpu_count() or 1) // len(rows))
    environment = {**os.environ, "PYTHONPATH": str(ENGINE), "OMP_NUM_THREADS": str(each), "OMP_WAIT_POLICY": "PASSIVE"}
    processes = {}
    for name in rows:
        job, row = at / name, ROWS[name]
        for left in ("checkpoint.pt", "events.jsonl", "shares.txt"):
            (job / left).unlink(missing_ok=True)
        for left in ("result", "taught", "slices"):
            shutil.rmtree(job / left, ignore_errors=True)
        roles(job, row)
        length = iterations or 100
        second = round(SECOND / 100 * length) if row.unlabeled else 0
        # The training takes this for a length that was fitted to a budget.
        kept = {"minutes": 1, "iterations": length - second, "semi_iterations": second, "look_every": LOOK_EVERY}
        if seconds:
            kept |= {"seconds": seconds, "after_s": AROUND_S / 2}
        (job / "schedule.json").write_text(json.dumps(kept))
        command = [sys.executable, "-m", "cmaformer", "train", "--resume", str(job), "--device", device]
        output = open(job / "output.txt", "w")  # noqa: SIM115 - the process writes there
        processes[name] = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    while processes:
        time.sleep(0.2)
        for name in [name for name, process in processes.items() if process.poll() is not None]:
            code = processes.pop(name).returncode
            if code:
                print(f"{name}: exit {code}\n{(at / name / 'output.txt').read_text()[-3000:]}", flush=True)
            done(name)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    listed = commands.add_parser("cases", help="write the list of the 14 and 4 CTs, here")
    listed.add_argument("--data", type=Path, default=HERE.parents[2] / "shared" / "data")
    listed.add_argument("--to", type=Path, required=True)
    jobs = commands.add_parser("jobs", help="prepare, here")
    jobs.add_argument("--data", type=Path, default=HERE.parents[2] / "shared" / "data")
    jobs.add_argument("--to", type=Path, required=True)
    jobs.add_argument("--rows", nargs="+", default=list(ROWS)[:5], choices=list(ROWS))
    jobs.add_argument("--base", type=Path, nargs="+", default=[], help="model of each row that starts from one")
    jobs.add_argument("--recipe", type=json.loads, default={}, help="changes of the recipe, JSON")
    running = commands.add_parser("run", help="train, there")
    running.add_argument("--at", type=Path, required=True)
    running.add_argument("--out", type=Path, required=True)
    running.add_argument("--rows", nargs="+", default=list(ROWS)[:5], choices=list(ROWS))
    running.add_argument("--keep", nargs="+", default=[], choices=list(ROWS), help="rows whose models come back")
    running.add_argument("--device", default="cuda")
    running.add_argument("--seconds", type=float, default=300.0)
    running.add_argument("--iterations", type=int, default=0)
    args = parser.parse_args()
    if args.command == "cases":
        write_list(args.data, args.to)
    elif args.command == "jobs":
        write_jobs(args.data, args.to, args.recipe, args.rows, args.base)
    else:
        run(args.at, args.out, args.rows, args.keep, args.device, args.seconds, args.iterations)


if __name__ == "__main__":
    main()
