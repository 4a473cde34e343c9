"""One volume on its way through a network, slice by slice.

Slices run through the network in batches; each batch's probabilities are brought to the source's pixels, the argmax is
taken there, and only a uint8 volume is kept: memory does not grow with classes times voxels. A model that looks along
several directions needs the probabilities of all voxels (`votes.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from ..door import modality
from ..door.errors import EngineError, ImageError
from ..door.watcher import Watcher
from ..images.geometry import Volume
from ..images.grid import SliceGrid, grids_of
from ..images.intensity import Normalization, tamed
from ..images.likeness import facts_of, recognizable, remarks
from ..images.volume import finite
from ..models.model import Model
from ..network.device import batch_size as default_batch_size
from ..network.device import is_out_of_memory, out_of_memory, precision, release
from ..network.sliding_window import predict
from .region import Region, RegionOnGrid
from .uncertainty import Uncertainty
from .votes import Votes
from .wanted import Wanted

Network = Callable[[torch.Tensor], Any]
PRECISIONS = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
# Larger slices than this come from a wrong spacing in the image or the model, and no memory holds the network's maps.
LARGEST_SLICE = 4096 * 4096


class Steps(dict[str, float]):
    """Seconds spent in each named step; the same step may be timed several times."""

    @contextmanager
    def time(self, name: str) -> Any:
        """Add the seconds of a ``with`` block to a step."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self[name] = self.get(name, 0.0) + time.perf_counter() - start

    def rounded(self) -> dict[str, float]:
        """Seconds to the millisecond."""
        return {name: round(seconds, 3) for name, seconds in self.items()}


class Inference:
    """One volume on its way through the network.

    Args:
        volume: what is segmented, with all images that the model needs.
        model: its description says how the volume is cut and normalized, and which values the classes have.
        network: maps (B, channels, H, W) to an object with ``logits``, on ``device``.
        device: where it computes.
        wanted: the part of the volume, and what is to be known of it.
        watcher: is told, and may stop it.
        steps: where the seconds are added.

    Attributes: ``warnings`` (code, message) pairs, ``dtype`` and ``batch`` as they were in the end, ``uncertainty`` or
    None.

    Raises ImageError for a volume that cannot be cut into slices, or a region without a voxel.
    """

    def __init__(
        self,
        volume: Volume,
        model: Model,
        network: Network,
        device: torch.device,
        wanted: Wanted,
        watcher: Watcher,
        steps: Steps,
    ) -> None:
        self.watcher, self.steps, self.network, self.device = watcher, steps, network, device
        self.warnings: list[tuple[str, str]] = []
        with steps.time("prepare"):
            volume, replaced = finite(volume)
            for note in volume.notes:
                self.warn("image", note)
            made_for = model.description.modality
            if modality.is_other(volume.modality, made_for):
                self.warn(
                    "other-modality",
                    f"The image is {volume.modality}, and the model is for {made_for}: do not rely on it.",
                    "Choose the series or the model that belong together.",
                )
            if replaced:
                self.warn("not-finite", f"{replaced} voxels of the image are not numbers; they count as its minimum.")
            source = model.description.input
            specs = [image.normalization for image in source.images]
            self.arrays = [tamed(array, spec) for array, spec in zip(volume.arrays, specs)]
            grids = grids_of(volume.geometry, source.slicing, source.spacing_mm)
            seen = model.description.training.get("images")
            wide = recognizable(grids, seen)
            if len(wide) < len(grids):
                self.warn(
                    "fewer-directions",
                    "The volume is much narrower than those of the training; only "
                    f"{' and '.join(g.axis for g in wide)} slices are looked at.",
                    "If it was cut close to the structures, leave a margin of some voxels around them.",
                )
            grids = wide
            for grid in grids:
                rows, cols = grid.model_shape
                if rows * cols > LARGEST_SLICE:
                    raise ImageError(
                        "image-too-large",
                        f"The slices would have {rows} x {cols} pixels at the pixel size of the model.",
                        "Is the voxel spacing of the image right?",
                    )
            self.directions = [_Direction(grid, wanted.region) for grid in grids]
            # Of the whole volume, also where a region is segmented: a part has other statistics.
            self.normalize = [Normalization(spec, array) for array, spec in zip(self.arrays, specs)]
            empty = [number for number, array in enumerate(volume.arrays) if array.min() == array.max()]
            for number in empty:
                which = "the image" if not number else source.images[number].name
                self.warn(
                    "constant-image", f"All voxels of {which} have the same value; there is nothing to see in it."
                )
            if not empty:
                facts = facts_of(self.arrays, grids[0], self.normalize)
                unlike = remarks(facts, seen)
                if unlike:
                    self.warn(
                        "unlike-training",
                        f"This image does not look like those of the training: {'; '.join(unlike)}. "
                        "Do not rely on the result.",
                        "Is it the right kind of image for this model?",
                    )
        self.context, self.patch = source.context_slices, source.patch
        # Label value of each of the network's classes.
        self.values = np.array([0] + [structure.value for structure in model.description.classes], np.uint8)
        self.plain = bool((self.values == np.arange(len(self.values))).all())
        self.dtype = precision(device)
        self.uncertainty: Uncertainty | None = None
        if wanted.uncertainty:
            axis = grids[0].slice_axis if len(grids) == 1 else 0
            self.uncertainty = Uncertainty(volume.geometry.shape_kji, axis, len(self.values))
        self.batch = wanted.batch_size or min(
            default_batch_size(device, grid.model_shape, grid.source_shape, len(self.values)) for grid in grids
        )

    def warn(self, code: str, message: str, hint: str = "") -> None:
        """Keep a warning for the result, and tell it at once."""
        self.warnings.append((code, message))
        self.watcher.warning(code, message, hint)

    def labels(self) -> np.ndarray:
        """uint8 (K, J, I)."""
        shape = self.directions[0].grid.geometry.shape_kji
        result = np.zeros(shape, np.uint8)
        votes = Votes(len(self.values), shape) if len(self.directions) > 1 else None
        total, done = sum(len(direction.indices) for direction in self.directions), 0
        self.batch = min(self.batch, max(len(direction.indices) for direction in self.directions))
        self.watcher.progress(0, total, None)
        begin = time.perf_counter()
        for direction in self.directions:
            place = 0
            while place < len(direction.indices):
                self.watcher.check()
                indices = direction.indices[place : place + self.batch]
                with self.steps.time("resample"):
                    slices = self._input(direction.grid, indices)
                try:
                    planes = self._predict(direction, indices, slices, votes is not None)
                except (RuntimeError, MemoryError) as error:
                    if not is_out_of_memory(error):
                        raise
                    planes = None  # handled outside of the block, which keeps the tensors of the failed batch alive
                if planes is None:
                    self._smaller_batch()
                    continue
                if votes is None:
                    direction.grid.insert(result, indices, planes)
                else:
                    votes.add(direction.grid, indices, planes)
                place, done = place + len(indices), done + len(indices)
                left = (time.perf_counter() - begin) / done * (total - done)
                self.watcher.progress(done, total, left)
        if votes is not None:
            result = self._values(votes.strongest())
            if self.uncertainty is not None:
                for k in range(shape[0]):
                    self.uncertainty.add_plane(k, torch.from_numpy(votes.means(k, len(self.directions))))
        if self.directions[0].region is not None:
            self.directions[0].region.cut(result)
        return result

    def _input(self, grid: SliceGrid, indices: np.ndarray) -> torch.Tensor:
        """Normalized slices (n, channels, rows, cols): slices of each image with neighbors, repeated at the ends."""
        first = max(0, indices[0] - self.context)
        last = min(grid.count - 1, indices[-1] + self.context)
        wanted, around = np.arange(first, last + 1), np.arange(-self.context, self.context + 1)
        neighbors = np.clip(indices[:, None] + around, first, last) - first
        images = [n(grid.to_model(array, wanted))[neighbors] for array, n in zip(self.arrays, self.normalize)]
        return torch.from_numpy(images[0] if len(images) == 1 else np.concatenate(images, axis=1))

    @torch.inference_mode()
    def _predict(
        self, direction: _Direction, indices: np.ndarray, slices: torch.Tensor, probabilities: bool
    ) -> np.ndarray:
        """On the source's pixels: label values uint8 (n, rows, cols), or probabilities float32 (n, C, rows, cols)."""
        with self.steps.time("network"):
            x = slices.to(self.device).contiguous(memory_format=torch.channels_last)
            answer = self._forward(x, direction)
        with self.steps.time("resample"):
            if probabilities or direction.grid.resamples:
                answer = direction.grid.to_source(torch.softmax(answer, dim=1))
            if probabilities:
                return answer.cpu().numpy()
            if self.uncertainty is not None:
                shares = answer if direction.grid.resamples else torch.softmax(answer, dim=1)
                self.uncertainty.add(direction.grid, indices, shares)
            # The largest logit is where the largest probability is. `max` and not `argmax`, which takes seven times as
            # long on a processor.
            return self._values(answer.max(dim=1).indices.to("cpu", torch.uint8).numpy())

    def _values(self, classes: np.ndarray) -> np.ndarray:
        """Label values of classes, uint8 of any shape."""
        return classes if self.plain else self.values[classes]

    def _forward(self, x: torch.Tensor, direction: _Direction) -> torch.Tensor:
        reduced = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype) if reduced else nullcontext():
            logits = predict(self.network, x, self.patch, direction.window).logits
        logits = logits.float()
        finite_logits = bool(torch.isfinite(logits).all())  # waits for the device, so the step's time is true
        if finite_logits:
            return logits
        if not reduced:
            raise EngineError(
                "bad-prediction", "The network's answer is not finite; its weights do not fit this image."
            )
        self.warn("precision", f"{PRECISIONS[self.dtype]} is not accurate enough for this image; going on in fp32.")
        self.dtype = torch.float32
        return self._forward(x, direction)

    def _smaller_batch(self) -> None:
        release(self.device)
        if self.batch == 1:
            raise out_of_memory(self.device)
        self.batch = max(1, self.batch // 2)
        self.warn("smaller-batch", f"The device's memory is short; going on with {self.batch} slices at a time.")


class _Direction:
    """A direction in which the volume is cut, and the slices and the part of them that are wanted."""

    def __init__(self, grid: SliceGrid, region: Region | None) -> None:
        self.grid = grid
        self.region = RegionOnGrid(region, grid) if region is not None else None
        self.indices = np.arange(grid.count) if self.region is None else self.region.indices
        self.window = self.region.window if self.region else None
