"""Names of files that Slicer and the engine both know."""

from __future__ import annotations

# A job folder: what is to be done, what happens, a request to stop, who works on it, and what came out.
JOB, EVENTS, CANCEL, LOCK, RESULT = "job.json", "events.jsonl", "CANCEL", "worker.lock", "result"
# What the process that works on a job writes besides, where Slicer started it.
LOG = "log.txt"
# Of a segmentation: its image, and in the result the label map and the facts of it.
IMAGE, LABELS, SUMMARY = "input.mha", "segmentation.mha", "summary.json"
# and where the model is unsure: percent of the highest entropy, where that was asked for.
UNCERTAINTY = "uncertainty.mha"
# Of a training: its cases, their check, the prepared slices, the fitted length and how much of it was gone before each
# iteration, checkpoints, weights to start from; and in the result, beside the model folder, the report.
CASES, PREFLIGHT, SLICES = "cases.json", "preflight.json", "slices"
SCHEDULE, SHARES = "schedule.json", "shares.txt"
CHECKPOINT, SUPERVISED, INITIAL, BASE = "checkpoint.pt", "supervised.pt", "initial.pt", "base.pt"
REPORT = "report.json"
# A model folder: what it is, its weights, and its card for people.
MODEL, WEIGHTS, CARD = "model.json", "weights.pt", "card.md"
# Formats of images that are read, and of label maps that are written; by the end of a name, the longest first.
IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
LABEL_SUFFIXES = (".nrrd", ".nii.gz", ".nii", ".mha")
# A color for each class without one: distinguishable side by side and on gray images.
PALETTE = (
    (128, 174, 128), (241, 214, 145), (177, 122, 101), (111, 184, 210), (216, 101, 79), (221, 130, 101),
    (144, 238, 144), (192, 104, 88), (220, 245, 20), (78, 63, 0), (255, 250, 220), (230, 220, 70), (200, 200, 235),
)  # fmt: skip


def suffix_of(name: str, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> str:
    """The suffix of a file name as it is written there, also ".nii.gz"; empty if it is none of them."""
    known = next((suffix for suffix in suffixes if name.lower().endswith(suffix)), "")
    return name[len(name) - len(known) :] if known else ""


def stem_of(name: str) -> str:
    """A file name without the suffix of an image."""
    return name[: len(name) - len(suffix_of(name))]
