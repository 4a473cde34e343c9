"""Prepared slices in one small file, to travel to a borrowed machine: 8 bits (or 7) instead of 16, and no distances."""

from __future__ import annotations

import json
import lzma
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np


def pack(slices: Path, to: Path, steps: int = 255) -> None:
    """Images (so many steps from the lowest to the highest value of a case) and label maps of prepared slices."""
    index = json.loads((slices / "index.json").read_text())
    with lzma.open(to, "wb", preset=6) as file:
        ranges = []
        for entry in index["cases"]:
            images = np.load(slices / f"{entry['number']:05d}.images.npy").astype(np.float32)
            ranges.append([float(images.min()), float(images.max())])
        file.write((json.dumps({**index, "ranges": ranges, "steps": steps}) + "\n").encode())
        for entry, (low, high) in zip(index["cases"], ranges):
            images = np.load(slices / f"{entry['number']:05d}.images.npy").astype(np.float32)
            bytes_ = np.rint((images - low) / (high - low) * steps).astype(np.uint8)
            bytes_[:, :, 1:] -= bytes_[:, :, :-1].copy()  # differences take less room
            file.write(bytes_.tobytes())
            file.write(np.load(slices / f"{entry['number']:05d}.labels.npy").tobytes())
    print(f"{to}: {to.stat().st_size / 1e6:.1f} MB")


def unpack(path: Path, to: Path, classes: list[int]) -> None:
    """The slices of a pack with the first so many classes each, in folders of that name; distances are computed."""
    with lzma.open(path) as file:
        index = json.loads(file.readline())
        steps, cases = index.get("steps", 255), []
        for entry, (low, high) in zip(index["cases"], index.pop("ranges")):
            count = int(np.prod(entry["shape"]))
            differences = np.frombuffer(file.read(count), np.uint8).reshape(entry["shape"])
            images = np.cumsum(differences, 2, dtype=np.uint8).astype(np.float32) / steps * (high - low) + low
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
            entry = {**entry, "pixels": pixels, "crc32": {}}  # of the files of before the pack
            (folder / f"{entry['number']:05d}.json").write_text(json.dumps(entry))
    for many in classes:
        entries = [json.loads(p.read_text()) for p in sorted((to / str(many)).glob("[0-9]*.json"))]
        (to / str(many) / "index.json").write_text(json.dumps({"classes": many + 1, "cases": entries}))


def _distances(labels: np.ndarray, classes: int) -> np.ndarray:
    from cmaformer.data.slices import signed_distance

    return np.stack([signed_distance(labels == value) for value in range(1, classes + 1)])
