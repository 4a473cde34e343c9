"""Train the abdomen on a graphics card that is lent for some minutes: pack here, run there, unpack here.

    python Testing/benchmarks/gpu_train.py cases --to runs/abdomen-cases.json              # here
    python Testing/benchmarks/gpu_train.py jobs --data ../shared/data --to runs/gpu        # here: needs SimpleITK
    python Testing/benchmarks/gpu_train.py run --at runs/gpu --out $OUT --seconds 300      # there: the trainings

The rows train side by side, each in a process of its own: one of them alone leaves most of a large card idle. A short
run first tells how fast they are; the trainings are then as long as the seconds allow. What travels is one file of
8-bit slices and label maps (about 35 MB), and a job folder without slices for each row; signed distances are computed
there. ``--device cpu --iterations 2`` tries the same here.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ENGINE = HERE.parents[1] / "CMAformerSegmentation"
sys.path.insert(0, str(ENGINE))

# The validation cases of the abdomen, by number (issue 20); the other 14 are for training.
VALIDATION = {5, 21, 30, 39}
ORGANS = ["aorta", "gallbladder", "left kidney", "right kidney", "liver", "pancreas", "spleen", "stomach"]
FURTHER = ["esophagus", "inferior vena cava", "portal and splenic veins", "right adrenal gland", "left adrenal gland"]
# Class of each value in the files.
LABEL_MAP = {1: 7, 2: 4, 3: 3, 4: 2, 5: 9, 6: 5, 7: 8, 8: 1, 9: 10, 10: 11, 11: 6, 12: 12, 13: 13}
NETWORK = {"layout": "pyramid", "norm": "batch", "gated": True}
RECIPE = {
    "whole": True,
    "patch": 256,
    "batch_size": 24,
    "alpha": 0.5,
    "supervised_weight": 0.2,
    "ema": 0.998,
    "evaluate_every": 0,
    "checkpoint_every": 1000,
    "augmentation": {"flip": 0.0, "right_angle": 0.0},
}
SPACING = (1.5, 1.5)
# Name of a row: how many classes, neighboring slices, and changes of the network. With "-all" it learns from all 18.
BASES: dict[str, tuple[int, int, dict[str, Any]]] = {
    "eight": (8, 0, {}),
    "thirteen": (13, 0, {}),
    "context": (13, 1, {}),
    "compact": (13, 0, {"layout": "compact"}),
}
ROWS = {name + end: base for name, base in BASES.items() for end in ("", "-all")}
PACK = "slices.xz"
# Seconds of the short run, and those that a training needs besides its iterations.
SHORT_S, AROUND_S = 30, 25


def case_list(data: Path, classes: int, everything: bool) -> Any:
    """The 18 CTs with so many classes."""
    from cmaformer.cases.case_list import Case, CaseList
    from cmaformer.door.description import Structure

    folder = data / "abdomen_ct"
    names = (ORGANS + FURTHER)[:classes]
    cases = []
    for path in sorted((folder / "img").glob("img*.nii.gz")):
        number = int(path.name[3:7])
        role = "held-out" if number in VALIDATION and not everything else "labeled"
        cases.append(Case(f"{number:04d}", path, folder / "label" / f"label{number:04d}.nii.gz", role, str(number)))
    structures = tuple(Structure(value, name, (128, 128, 128), None) for value, name in enumerate(names, 1))
    label_map = {value: class_ if class_ <= classes else 0 for value, class_ in LABEL_MAP.items()}
    return CaseList(structures, tuple(cases), label_map)


def write_list(data: Path, to: Path) -> None:
    """A ``cases.json`` of the eight organs, as the rows on one processor core and ``shift.py`` need it."""
    found = case_list(data, 8, False)
    cases = [
        {"name": case.name, "image": str(case.image.resolve()), "labels": str(case.labels.resolve()), "role": case.role}
        for case in found.cases
    ]
    classes = {str(structure.value): structure.name for structure in found.structures}
    label_map = {str(value): class_ for value, class_ in found.label_map.items()}
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps({"classes": classes, "label_map": label_map, "cases": cases}, indent=1))


def write_jobs(data: Path, to: Path, recipe: dict[str, Any]) -> None:
    """Prepare the slices once, pack them, and write a job folder without slices for each row."""
    from cmaformer.cases.tasks import SYNAPSE
    from cmaformer.data.slices import prepare
    from cmaformer.door.input_spec import ImageSpec, InputSpec
    from cmaformer.recipes.presets import preset
    from cmaformer.recipes.recipe import changed
    from cmaformer.training.plan import create

    to.mkdir(parents=True, exist_ok=True)
    source = InputSpec((ImageSpec("", dict(SYNAPSE.normalization)),), spacing_mm=SPACING, slicing="axial")
    for name, (classes, context, network) in ROWS.items():
        shutil.rmtree(to / name, ignore_errors=True)
        create(
            case_list(data, classes, name.endswith("-all")),
            to / name,
            f"abdomen {name}",
            recipe=changed(preset(), {**RECIPE, **recipe}),
            network={**NETWORK, **network},
            spacing_mm=SPACING,
            slicing="axial",
            normalization=dict(SYNAPSE.normalization),
            context_slices=context,
            facts={"modality": "CT"},
        )
        (to / name / "cases.json").write_text("{}")  # paths of this computer mean nothing there
    if not (to / PACK).exists():
        slices = to / "prepared"
        prepare(case_list(data, 13, False), source, slices, lambda done, total: print(done, "of", total))
        pack(slices, to / PACK)
        shutil.rmtree(slices)


def pack(slices: Path, to: Path) -> None:
    """Images (8 bits from the lowest to the highest value of a case) and label maps of prepared slices, in one file."""
    index = json.loads((slices / "index.json").read_text())
    with lzma.open(to, "wb", preset=6) as file:
        ranges = []
        for entry in index["cases"]:
            images = np.load(slices / f"{entry['number']:05d}.images.npy").astype(np.float32)
            ranges.append([float(images.min()), float(images.max())])
        file.write((json.dumps({**index, "ranges": ranges}) + "\n").encode())
        for entry, (low, high) in zip(index["cases"], ranges):
            images = np.load(slices / f"{entry['number']:05d}.images.npy").astype(np.float32)
            bytes_ = np.rint((images - low) / (high - low) * 255).astype(np.uint8)
            bytes_[:, :, 1:] -= bytes_[:, :, :-1].copy()  # differences take less room
            file.write(bytes_.tobytes())
            file.write(np.load(slices / f"{entry['number']:05d}.labels.npy").tobytes())
    print(f"{to}: {to.stat().st_size / 1e6:.1f} MB")


def unpack(path: Path, to: Path, classes: list[int]) -> None:
    """The slices of a pack with the first so many classes each, in folders of that name; distances are computed."""
    with lzma.open(path) as file:
        index = json.loads(file.readline())
        cases = []
        for entry, (low, high) in zip(index["cases"], index.pop("ranges")):
            count = int(np.prod(entry["shape"]))
            differences = np.frombuffer(file.read(count), np.uint8).reshape(entry["shape"])
            images = np.cumsum(differences, 2, dtype=np.uint8).astype(np.float32) / 255 * (high - low) + low
            labels = np.frombuffer(file.read(count), np.uint8).reshape(entry["shape"])
            cases.append((entry, images.astype(np.float16), labels))
    most = max(classes)
    planes = [plane for _, _, labels in cases for plane in labels]
    with ProcessPoolExecutor() as pool:
        distances = iter(list(pool.map(_distances, planes, [most] * len(planes), chunksize=16)))
    for entry, images, labels in cases:
        own = np.stack([next(distances) for _ in labels])
        for many in classes:
            folder = to / str(many)
            folder.mkdir(parents=True, exist_ok=True)
            maps = np.where(labels <= many, labels, 0).astype(np.uint8)
            for kind, array in (("images", images), ("labels", maps), ("distances", own[:, :many])):
                np.save(folder / f"{entry['number']:05d}.{kind}.npy", np.ascontiguousarray(array))
            pixels = {str(c): [int(n) for n in np.count_nonzero(maps == c, axis=(1, 2))] for c in range(many + 1)}
            entry = {**entry, "pixels": pixels}
            (folder / f"{entry['number']:05d}.json").write_text(json.dumps(entry))
    for many in classes:
        entries = [json.loads(p.read_text()) for p in sorted((to / str(many)).glob("[0-9]*.json"))]
        (to / str(many) / "index.json").write_text(json.dumps({"classes": many + 1, "cases": entries}))


def _distances(labels: np.ndarray, classes: int) -> np.ndarray:
    from cmaformer.data.slices import signed_distance

    return np.stack([signed_distance(labels == value) for value in range(1, classes + 1)])


def run(at: Path, out: Path, rows: list[str], device: str, seconds: float, iterations: int) -> None:
    """Train the rows side by side, for about so many seconds, or for so many iterations."""
    start = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    if not (at / "slices" / "done").exists():
        unpack(at / PACK, at / "slices", sorted({ROWS[row][0] for row in ROWS}))
        (at / "slices" / "done").touch()
    print(f"unpacked in {time.monotonic() - start:.0f} s", flush=True)
    lengths = dict.fromkeys(rows, iterations)
    if not iterations:
        rates = train(at, out, dict.fromkeys(rows, 1_000_000), device, SHORT_S)
        left = seconds - (time.monotonic() - start) - AROUND_S
        lengths = {row: max(20, int(rate * left)) for row, rate in rates.items()}
        print(f"lengths {lengths}", flush=True)
    train(at, out, lengths, device)
    for row in rows:
        found = [json.loads(line) for line in (at / row / "events.jsonl").read_text().splitlines()]
        dice = [event["values"]["dice"] for event in found if "dice" in event.get("values", {})]
        if dice:
            scores = list(dice[-1].values())
            print(f"{row}: the eight {np.mean(scores[:8]):.4f}; {np.round(scores, 3).tolist()}", flush=True)
        if (at / row / "result").exists():
            with tarfile.open(out / f"{row}.tar.gz", "w:gz") as archive:
                archive.add(at / row / "result", "result")
                archive.add(at / row / "events.jsonl", "events.jsonl")
    print(f"{time.monotonic() - start:.0f} s in all", flush=True)


def train(at: Path, out: Path, lengths: dict[str, int], device: str, seconds: float = 0.0) -> dict[str, float]:
    """Train rows from their beginning, to their end or for so many seconds; iterations a second of each."""
    from cmaformer.data.slice_entry import SliceEntry
    from cmaformer.data.slices import share

    each = max(1, (os.cpu_count() or 1) // len(lengths))
    environment = {**os.environ, "PYTHONPATH": str(ENGINE), "OMP_NUM_THREADS": str(each), "OMP_WAIT_POLICY": "PASSIVE"}
    processes, rates = {}, {}
    for row, length in lengths.items():
        job, everything = at / row, row.endswith("-all")
        for name in ("checkpoint.pt", "events.jsonl"):
            (job / name).unlink(missing_ok=True)
        shutil.rmtree(job / "result", ignore_errors=True)

        def role(entry: SliceEntry, everything: bool = everything) -> str:
            return "labeled" if everything else entry.role

        share(at / "slices" / str(ROWS[row][0]), job / "slices", role)
        # The training takes this for a length that was fitted to a budget.
        kept = {"minutes": 1, "iterations": length, "semi_iterations": 0}
        (job / "schedule.json").write_text(json.dumps(kept))
        command = [sys.executable, "-m", "cmaformer", "train", "--resume", str(job), "--device", device]
        log = open(out / f"{row}.log", "w")  # noqa: SIM115 - the process writes there
        processes[row] = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    if seconds:
        time.sleep(seconds)
        for row in lengths:
            (at / row / "CANCEL").touch()
    for row, process in processes.items():
        process.wait()
        log_text = (out / f"{row}.log").read_text()
        told = []
        if (at / row / "events.jsonl").exists():
            events = [json.loads(line) for line in (at / row / "events.jsonl").read_text().splitlines()]
            told = [event for event in events if event["type"] == "progress" and event.get("unit") == "iterations"]
        if len(told) < 3:
            print(f"{row}: exit {process.returncode}\n{log_text[-3000:]}", flush=True)
            rates[row] = 0.0
            continue
        rates[row] = (told[-1]["done"] - told[1]["done"]) / max(1e-9, told[-1]["time"] - told[1]["time"])
        done, rate = told[-1]["done"], rates[row]
        print(f"{row}: {done} iterations, {rate:.1f} a second, exit {process.returncode}", flush=True)
    return rates


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
    jobs.add_argument("--recipe", type=json.loads, default={}, help="changes of the recipe, JSON")
    running = commands.add_parser("run", help="train, there")
    running.add_argument("--at", type=Path, required=True)
    running.add_argument("--out", type=Path, required=True)
    running.add_argument("--rows", nargs="+", default=list(BASES), choices=list(ROWS))
    running.add_argument("--device", default="cuda")
    running.add_argument("--seconds", type=float, default=300.0)
    running.add_argument("--iterations", type=int, default=0)
    args = parser.parse_args()
    if args.command == "cases":
        write_list(args.data, args.to)
    elif args.command == "jobs":
        write_jobs(args.data, args.to, args.recipe)
    else:
        run(args.at, args.out, args.rows, args.device, args.seconds, args.iterations)


if __name__ == "__main__":
    main()
