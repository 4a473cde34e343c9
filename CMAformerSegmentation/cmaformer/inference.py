"""One volume on its way through a network, slice by slice.

Slices run through the network in batches; each batch's probabilities are brought to the source's pixels, the argmax is
taken there, and only a uint8 volume is kept: memory does not grow with classes times voxels.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .device import batch_size as default_batch_size
from .device import is_out_of_memory, out_of_memory, precision, release
from .errors import CancelledError, EngineError, ImageError
from .geometry import Volume
from .likeness import facts_of, remarks
from .model import Model
from .normalization import Normalization
from .region import Region, RegionOnGrid
from .slicegrid import SliceGrid
from .volume import finite
from .windows import predict

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


@dataclass
class Listener:
    """Who wants to hear how it goes, and who may stop it."""

    progress: Callable[[int, int, float | None], None] = lambda done, total, eta_s: None
    warning: Callable[[str, str, str], None] = lambda code, message, hint: None
    cancelled: Callable[[], bool] = lambda: False

    def check(self) -> None:
        """Raise CancelledError if a stop was asked for."""
        if self.cancelled():
            raise CancelledError()


class Inference:
    """One volume on its way through the network.

    Args:
        volume: what is segmented.
        model: its description says how the volume is cut and normalised, and which values the classes have.
        network: maps (B, channels, H, W) to an object with ``logits``, on ``device``.
        device: where it computes.
        batch: slices at a time; None chooses by the memory of the device.
        listener: is told, and may stop it.
        steps: where the seconds are added.
        region: the part that is wanted; None is the whole volume.

    Attributes: ``warnings`` (code, message) pairs, ``dtype`` and ``batch`` as they were in the end.

    Raises ImageError for a volume that cannot be cut into slices, or a region without a voxel.
    """

    def __init__(
        self,
        volume: Volume,
        model: Model,
        network: Network,
        device: torch.device,
        batch: int | None,
        listener: Listener,
        steps: Steps,
        region: Region | None,
    ) -> None:
        self.listener, self.steps, self.network, self.device = listener, steps, network, device
        self.warnings: list[tuple[str, str]] = []
        with steps.time("prepare"):
            volume, replaced = finite(volume)
            for note in volume.notes:
                self.warn("image", note)
            if replaced:
                self.warn("not-finite", f"{replaced} voxels of the image are not numbers; they count as its minimum.")
            source = model.description.input
            self.array = volume.array
            self.grid = SliceGrid(volume.geometry, source.slicing, source.spacing_mm)
            rows, cols = self.grid.model_shape
            if rows * cols > LARGEST_SLICE:
                raise ImageError(
                    "image-too-large",
                    f"The slices would have {rows} x {cols} pixels at the pixel size of the model.",
                    "Is the voxel spacing of the image right?",
                )
            self.region = RegionOnGrid(region, self.grid) if region is not None else None
            # Of the whole volume, also where a region is segmented: a part has other statistics.
            self.normalize = Normalization(source.normalization, volume.array)
            if volume.array.min() == volume.array.max():
                self.warn(
                    "constant-image", "All voxels of the image have the same value; there is nothing to see in it."
                )
            else:
                facts = facts_of(self.array, self.grid, self.normalize)
                unlike = remarks(facts, model.description.training.get("images"))
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
        self.batch = batch or default_batch_size(
            device, self.grid.model_shape, self.grid.source_shape, len(self.values)
        )

    def warn(self, code: str, message: str, hint: str = "") -> None:
        """Keep a warning for the result, and tell it at once."""
        self.warnings.append((code, message))
        self.listener.warning(code, message, hint)

    def labels(self) -> np.ndarray:
        """uint8 (K, J, I)."""
        result = np.zeros(self.grid.geometry.shape_kji, np.uint8)
        wanted = np.arange(self.grid.count) if self.region is None else self.region.indices
        total, done = len(wanted), 0
        self.batch = min(self.batch, total)
        self.listener.progress(0, total, None)
        begin = time.perf_counter()
        while done < total:
            self.listener.check()
            indices = wanted[done : done + self.batch]
            with self.steps.time("resample"):
                slices = self._input(indices)
            try:
                planes = self._predict(slices)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                planes = None  # handled outside of the block, which keeps the tensors of the failed batch alive
            if planes is None:
                self._smaller_batch()
                continue
            self.grid.insert(result, indices, planes)
            done += len(indices)
            left = (time.perf_counter() - begin) / done * (total - done)
            self.listener.progress(done, total, left)
        if self.region is not None:
            self.region.cut(result)
        return result

    def _input(self, indices: np.ndarray) -> torch.Tensor:
        """Normalised slices (n, channels, rows, cols); channels are a slice's neighbours, repeated at the ends."""
        first = max(0, indices[0] - self.context)
        last = min(self.grid.count - 1, indices[-1] + self.context)
        slices = self.normalize(self.grid.to_model(self.array, np.arange(first, last + 1)))
        around = np.arange(-self.context, self.context + 1)
        neighbours = np.clip(indices[:, None] + around, first, last) - first
        return torch.from_numpy(slices[neighbours])

    @torch.inference_mode()
    def _predict(self, slices: torch.Tensor) -> np.ndarray:
        """Label values uint8 (n, rows, cols) on the source's pixels."""
        with self.steps.time("network"):
            x = slices.to(self.device).contiguous(memory_format=torch.channels_last)
            logits = self._forward(x)
        with self.steps.time("resample"):
            if self.grid.resamples:  # else the largest logit is where the largest probability is
                logits = self.grid.to_source(torch.softmax(logits, dim=1))
            # `max` and not `argmax`, which takes seven times as long on a processor.
            best = logits.max(dim=1).indices.to("cpu", torch.uint8).numpy()
            return best if self.plain else self.values[best]

    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        reduced = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype) if reduced else nullcontext():
            logits = predict(self.network, x, self.patch, self.region.window if self.region else None).logits
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
        return self._forward(x)

    def _smaller_batch(self) -> None:
        release(self.device)
        if self.batch == 1:
            raise out_of_memory(self.device)
        self.batch = max(1, self.batch // 2)
        self.warn("smaller-batch", f"The device's memory is short; going on with {self.batch} slices at a time.")
