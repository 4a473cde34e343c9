"""Make a bundled model of a trained one: its version, what `evaluate` measured, and a card that a person has written.

    python Testing/benchmarks/ship.py TRAINED --version 1.1.0 --evaluation evaluation.json --card card.md

`evaluation.json` is what `evaluate --model TRAINED --json` prints. Weights stay as they are. With `--mirror columns`
the model looks at mirror images, too (`cmaformer/mirroring.py`): evaluate what was written then, and call this again
with `--replace` for the true numbers.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from cmaformer.model import load_model

MODELS = Path(__file__).resolve().parents[2] / "Resources" / "Models"


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
    target = MODELS / description["id"]
    with tempfile.TemporaryDirectory(dir=MODELS) as made:
        folder = Path(made) / "model"
        folder.mkdir()
        (folder / "model.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
        shutil.copyfile(trained / "weights.pt", folder / "weights.pt")
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
