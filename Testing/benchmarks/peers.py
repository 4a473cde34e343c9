"""Two peers on the rows of `race.py`, with their labeled cases alone and for the same time of one core.

    python Testing/benchmarks/peers.py basicunet heart-7-alone --minutes 30
    python Testing/benchmarks/peers.py nnunet heart-7-alone --minutes 30 --python ~/peers/bin/python

``basicunet`` is MONAI's BasicUNet (2-D, 2.6 M parameters) in a plain loop: the windows, the grid and the augmentation
that the command ``train`` would choose, cross-entropy and Dice, Adam, a rate that falls over the time. ``nnunet`` is
nnU-Net v2, 2d, by its own plan (`peers_nnunet.py`), in an environment where it is installed. Both are evaluated on the
grid of the images, without clean-up.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from race import cases_of, choices_of

from cmaformer.cases.dataset_export import export_dataset
from cmaformer.cases.images import read_images
from cmaformer.cases.labels import read_labels
from cmaformer.cases.reading import read_cases
from cmaformer.data.augmentation import augment
from cmaformer.data.sampler import Sampler, WindowSpec
from cmaformer.data.slices import SliceStore, prepare
from cmaformer.door.input_spec import InputSpec
from cmaformer.images.grid import SliceGrid
from cmaformer.images.intensity import Normalization
from cmaformer.segmenting.evaluate import Evaluation, evaluate
from cmaformer.segmenting.metrics import agreement

HERE = Path(__file__).parent
SEED = 0


def basicunet(row: str, data: Path, runs: Path, minutes: float) -> Evaluation:
    """Train and evaluate MONAI's BasicUNet."""
    from monai.networks.nets import BasicUNet  # type: ignore[attr-defined]

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    listed = read_cases(cases_of(row, data, runs))
    choices = choices_of(row, "", listed)
    recipe, spacing = choices["recipe"], choices["spacing_mm"]
    source = InputSpec(
        spacing_mm=(spacing[0], spacing[1]), slicing="axial" if row.startswith("abdomen") else "oriented"
    )
    folder = runs / f"{row}-slices"
    prepare(listed, source, folder)
    store, classes = SliceStore(folder), len(listed.structures) + 1
    sampler = Sampler(store, store.numbers("labeled"), WindowSpec.of(recipe, 0), SEED)
    network = BasicUNet(2, 1, classes).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    begun, steps = time.process_time(), 0
    while (share := (time.process_time() - begun) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (1 - share) ** 0.9
        rng = np.random.default_rng([SEED, steps])
        batch = augment(sampler.batch(recipe.batch_size, steps), recipe.patch, recipe.augmentation, rng, "cpu")
        assert batch.labels is not None
        logits = network(batch.images)
        shares, truth = logits.softmax(1), F.one_hot(batch.labels, classes).permute(0, 3, 1, 2)
        both = (shares * truth).sum((0, 2, 3))[1:]
        dice = 1 - ((2 * both + 1) / ((shares + truth).sum((0, 2, 3))[1:] + 1)).mean()
        loss = F.cross_entropy(logits, batch.labels) + dice
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
        if steps % 200 == 0:
            print(f"{share:.3f} {steps} steps, loss {float(loss):.3f}", flush=True)
    print(f"{steps} steps of {recipe.batch_size} patches of {recipe.patch}", flush=True)
    return measured(network.eval(), listed, source)


@torch.inference_mode()
def measured(network: torch.nn.Module, listed, source: InputSpec) -> Evaluation:
    """Dice, HD95 and ASSD on the held-out cases: whole slices in one pass, on the source's own pixels."""
    values, held_out = [], listed.with_role("held-out")
    for case in held_out:
        volume, truth = read_images(case, listed), read_labels(case, listed)
        grid = SliceGrid(volume.geometry, source.slicing, source.spacing_mm)
        slices = Normalization(source.normalization, volume.array)(grid.to_model(volume.array, np.arange(grid.count)))
        found = np.zeros(volume.geometry.shape_kji, np.uint8)
        for index in range(grid.count):
            image = torch.from_numpy(slices[index : index + 1, None])
            rows, columns = image.shape[2:]
            padded = F.pad(image, (0, -columns % 16, 0, -rows % 16))  # it halves a slice four times
            shares = grid.to_source(network(padded)[:, :, :rows, :columns].softmax(1))
            grid.insert(found, np.array([index]), shares.argmax(1).to(torch.uint8).numpy())
        spacing = volume.geometry.spacing[::-1]
        values.append([agreement(found == s.value, truth.array == s.value, 2, spacing)[0] for s in listed.structures])
    return Evaluation([case.name for case in held_out], [s.name for s in listed.structures], np.array(values))


def nnunet(row: str, data: Path, runs: Path, minutes: float, python: Path) -> Evaluation:
    """Train and evaluate nnU-Net in its environment."""
    root = runs / f"{row}-nnunet"
    raw = root / "raw" / "Dataset001_Race"
    if not raw.exists():
        raw.parent.mkdir(parents=True, exist_ok=True)
        export_dataset(read_cases(cases_of(row, data, runs)), raw, "CT" if row.startswith("abdomen") else "MRI")
    shutil.rmtree(root / "found", ignore_errors=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(python), str(HERE / "peers_nnunet.py"), str(root), "1", "--minutes", str(minutes)]
    subprocess.run(command, check=True, env={**environment, "OMP_NUM_THREADS": "1"})
    return evaluate(read_cases(raw, 0), predictions=root / "found")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=("basicunet", "nnunet"))
    parser.add_argument("row", help='of race.py, such as "heart-7-alone"')
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=Path, default=Path("runs/peers"))
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--python", type=Path, default=Path("python"), help="of an environment with nnunetv2")
    args = parser.parse_args()
    runs = args.runs.resolve()
    runs.mkdir(parents=True, exist_ok=True)
    todo = SimpleNamespace(row=args.row, data=args.data.resolve(), runs=runs, minutes=args.minutes)
    found = basicunet(**vars(todo)) if args.peer == "basicunet" else nnunet(**vars(todo), python=args.python.absolute())
    content = {"summary": found.summary(), "cases": found.rows()}
    place = runs / f"{args.row}+{args.peer}@{args.minutes:g}s{SEED}"
    place.mkdir(exist_ok=True)
    (place / "evaluation.json").write_text(json.dumps(content), encoding="utf-8")
    for line in content["summary"]:
        print(line["structure"], {key: line[key]["mean"] for key in ("dice", "hd95_mm", "assd_mm")})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
