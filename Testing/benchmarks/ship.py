"""Make a bundled model of a trained one: its version, what `evaluate` measured, and a card that a person has written.

    python Testing/benchmarks/ship.py TRAINED --version 1.3.0 --evaluation evaluation.json --card card.md

`evaluation.json` is what `evaluate --model ... --json` prints. Weights are rounded, so that the file, of which the
history keeps every version, is half as large. With `--mirror columns` the model looks at mirror images, too
(`cmaformer/mirroring.py`). So evaluate what was written, and call this again with `--replace` for the true numbers.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import tempfile
import zipfile
from pathlib import Path

import torch

from cmaformer.models.model import load_model

MODELS = Path(__file__).resolve().parents[2] / "Resources" / "Models"
# A step is between 1/16 and 1/8 of the root mean square of its channel: the errors, evenly spread over a step, are
# 2 to 4 % of it, and even out in the sum over a channel, where it has as many weights as this.
STEPS, MANY = 8, 32


def rounded(weights: torch.Tensor, steps: int = STEPS) -> torch.Tensor:
    """fp16 weights (channels, ...), each rounded to the nearest multiple of a power of two, one for each channel.

    Channels with few weights, and vectors, are returned as they are.
    """
    if weights.dtype != torch.float16 or weights.ndim < 2 or weights[0].numel() < MANY:
        return weights
    values = weights.float()
    size = values.square().mean(dim=tuple(range(1, values.ndim)), keepdim=True).sqrt()
    step = torch.exp2(torch.floor(torch.log2(size.clamp(min=2.0**-20) / steps)))
    return (torch.round(values / step) * step).half()


def packed(state: dict[str, torch.Tensor]) -> bytes:
    """A file of PyTorch weights whose parts are deflated, which `torch.load` reads like any other."""
    plain, small = io.BytesIO(), io.BytesIO()
    torch.save(state, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(small, "w") as target:
        for part in source.namelist():
            target.writestr(zipfile.ZipInfo(part), source.read(part), zipfile.ZIP_DEFLATED, 9)
    return small.getvalue()


def ship(trained: Path, version: str, evaluation: Path, card: Path, mirror: list[str], replace: bool) -> Path:
    """Write the folder in Resources/Models, whole or not at all, and return it."""
    description = json.loads((trained / "model.json").read_text(encoding="utf-8"))
    name = description["id"].rpartition("-")[0]
    description.update(id=f"{name}-{version}", version=version)
    if mirror:
        description["input"]["mirror"] = mirror
    *structures, _whole = json.loads(evaluation.read_text(encoding="utf-8"))["summary"]
    names = [entry["name"] for entry in description["classes"]]
    description["metrics"] = {
        "held_out_dice": {
            name: {key: round(entry["dice"][key], 4) for key in ("mean", "std")}
            for name, entry in zip(names, structures)
        },
        "grid": "image",
        "cleanup": True,
    }
    state = torch.load(trained / "weights.pt", weights_only=True)
    weights = packed({name: rounded(value) for name, value in state.items()})
    description["weights_sha256"] = hashlib.sha256(weights).hexdigest()
    target = MODELS / description["id"]
    with tempfile.TemporaryDirectory(dir=MODELS) as made:
        folder = Path(made) / "model"
        folder.mkdir()
        (folder / "model.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
        (folder / "weights.pt").write_bytes(weights)
        shutil.copyfile(card, folder / "card.md")
        load_model(folder).network()  # is it complete, and are these its weights?
        if replace and target.exists():
            target.rename(Path(made) / "old")
        folder.rename(target)
    return target


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=Path)
    parser.add_argument("--version", required=True)
    parser.add_argument("--evaluation", type=Path, required=True)
    parser.add_argument("--card", type=Path, required=True)
    parser.add_argument("--mirror", nargs="*", default=[], choices=["rows", "columns"])
    parser.add_argument("--replace", action="store_true", help="an earlier folder of this name")
    options = parser.parse_args()
    print(ship(options.trained, options.version, options.evaluation, options.card, options.mirror, options.replace))
