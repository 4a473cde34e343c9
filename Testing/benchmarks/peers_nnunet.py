"""nnU-Net v2 (2d, its own plan) for a time of one core, in an environment of its own; `peers.py` calls this.

    python peers_nnunet.py ROOT DATASET_ID --minutes 30

ROOT holds ``raw``, ``preprocessed`` and ``results``; the split is fold 0. Planning and preprocessing are not counted.
What differs from its default: it stops at a time (``time.process_time``) instead of after 1000 epochs, and the learning
rate falls to zero over that time, as its own schedule does over its epochs. Label maps go to ``ROOT/found``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("dataset", type=int)
    parser.add_argument("--minutes", type=float, default=30.0)
    args = parser.parse_args()
    root = args.root.resolve()
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str(root / name)
    # One core, and no processes beside it whose time would not be counted.
    os.environ |= {"nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1", "nnUNet_compile": "f", "OMP_NUM_THREADS": "1"}
    import torch
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
        preprocess,
    )
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    torch.set_num_threads(1)
    (folder,) = (root / "raw").glob(f"Dataset{args.dataset:03d}_*")
    ready = root / "preprocessed" / folder.name
    if not (ready / "nnUNetPlans_2d").is_dir():
        extract_fingerprints([args.dataset], num_processes=1)
        plan_experiments([args.dataset])
        preprocess([args.dataset], configurations=["2d"], num_processes=[1])
        shutil.copyfile(folder / "splits_final.json", ready / "splits_final.json")
    torch.set_num_threads(1)
    os.environ |= {"nnUNet_n_proc_DA": "0"}  # batches are made in this process

    class Timed(nnUNetTrainer):
        """Its trainer, with small epochs until the time is over."""

        def run_training(self) -> None:
            self.num_iterations_per_epoch, self.num_epochs = 5, 10**6
            self.on_train_start()
            begun, steps = time.process_time(), 0
            while (share := (time.process_time() - begun) / (60 * args.minutes)) < 1:
                self.network.train()
                for group in self.optimizer.param_groups:
                    group["lr"] = self.initial_lr * (1 - share) ** 0.9
                for _ in range(self.num_iterations_per_epoch):
                    loss = self.train_step(next(self.dataloader_train))["loss"]
                steps += self.num_iterations_per_epoch
                print(f"{share:.3f} {steps} steps, loss {float(loss):.3f}", flush=True)
            self.save_checkpoint(str(Path(self.output_folder) / "checkpoint_final.pth"))
            print(f"{steps} steps of {self.configuration_manager.batch_size} patches "
                  f"{self.configuration_manager.patch_size}", flush=True)  # fmt: skip

        def _do_i_compile(self) -> bool:
            return False

    plans = json.loads((ready / "nnUNetPlans.json").read_text())
    about = json.loads((ready / "dataset.json").read_text())
    plans["continue_training"] = False
    trainer = Timed(plans, "2d", 0, about, torch.device("cpu"))
    trainer.run_training()
    predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False, allow_tqdm=False)
    trainer.set_deep_supervision_enabled(False)
    network = trainer.network.eval()
    predictor.manual_initialization(
        network, trainer.plans_manager, trainer.configuration_manager, [network.state_dict()], about, "Timed",
        trainer.inference_allowed_mirroring_axes,
    )  # fmt: skip
    held_out = json.loads((ready / "splits_final.json").read_text())[0]["val"]
    files = [[str(folder / "imagesTr" / f"{name}_0000{about['file_ending']}")] for name in held_out]
    (root / "found").mkdir(exist_ok=True)
    predictor.predict_from_files_sequential(files, [str(root / "found" / name) for name in held_out])
    return 0


if __name__ == "__main__":
    sys.exit(main())
