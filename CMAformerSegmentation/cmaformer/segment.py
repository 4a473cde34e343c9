"""Volume + model -> label map on the volume's own grid.

Slices run through the network in batches; each batch's probabilities are brought to the source's pixels, the argmax is
taken there, and only a uint8 volume is kept: memory does not grow with classes times voxels.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from . import __version__
from .device import batch_size as default_batch_size
from .device import choose_device, is_out_of_memory, out_of_memory, precision, release, with_fallback
from .errors import CancelledError, EngineError, ImageError
from .geometry import Geometry, Volume
from .likeness import facts_of, remarks
from .measure import measure
from .mirroring import MirroredNetwork
from .model import Model, load_model
from .normalization import Normalization
from .postprocess import clean_up
from .region import Ranges, Region, RegionOnGrid
from .slicegrid import SliceGrid
from .volume import finite, read_volume
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
class Segmentation:
    """The result: ``labels`` uint8 (K, J, I) on ``geometry``, the image's own, and how it came about.

    ``structures``: one entry per class with value, name, voxels, volume_ml. ``warnings``: (code, message) pairs.
    """

    labels: np.ndarray
    geometry: Geometry
    structures: list[dict[str, Any]]
    device: str
    precision: str
    batch_size: int
    model: dict[str, str]
    steps: Steps
    seconds: float = 0.0
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Plain JSON types, without the voxels."""
        return {
            "structures": self.structures,
            "device": self.device,
            "precision": self.precision,
            "batch_size": self.batch_size,
            "steps": self.steps.rounded(),
            "seconds": round(self.seconds, 3),
            "model": self.model,
            "engine_version": __version__,
        }


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


def segment(
    image: str | os.PathLike[str] | Volume,
    model: Model | str | os.PathLike[str],
    *,
    device: str | torch.device = "auto",
    batch_size: int | None = None,
    cleanup: bool = True,
    region: Region | Ranges | None = None,
    progress: Callable[[int, int, float | None], None] | None = None,
    warning: Callable[[str, str, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    network: Network | None = None,
) -> Segmentation:
    """Segment one volume.

    ``image`` is a path (file or DICOM folder) or a Volume; ``model`` a Model or its folder. ``network`` is given by
    callers that keep one warm on the device; it maps (B, channels, H, W) to an object with ``logits``. ``region``
    restricts the work to a box, a Region or six voxel indices (I0, I1, J0, J1, K0, K1), inclusive: outside of it the
    labels are 0, inside they are those of the whole volume but for the clean-up, which sees the region alone.
    ``progress(done, total, eta_s)`` is called after each batch, ``warning(code, message, hint)`` when
    something should be known, ``cancelled()`` is asked before each batch.

    Raises ImageError, ModelError, CancelledError, or EngineError (``no-device``, ``out-of-memory``).
    """
    place = Region.of(region)
    start = time.perf_counter()
    steps = Steps()
    listener = Listener(progress or Listener.progress, warning or Listener.warning, cancelled or Listener.cancelled)
    if batch_size is not None and batch_size < 1:
        raise EngineError("bad-batch-size", f"The batch size must be at least 1, not {batch_size}.")
    if not isinstance(model, Model):
        model = load_model(model)
    listener.check()
    with steps.time("read"):
        volume = image if isinstance(image, Volume) else read_volume(image)
    notices: list[tuple[str, str]] = []

    def warn(code: str, message: str, hint: str = "") -> None:
        notices.append((code, message))
        listener.warning(code, message, hint)

    def run_on(where: torch.device) -> tuple[_Run, np.ndarray]:
        with steps.time("model"):
            net = network if network is not None else prepare(model, where)
        run = _Run(volume, model, net, where, batch_size, listener, steps, place)
        return run, run.labels()

    if network is not None:  # it is on its device already
        run, labels = run_on(device if isinstance(device, torch.device) else choose_device(device))
    else:
        run, labels = with_fallback(device, run_on, warn)
    where = run.device
    if cleanup:
        with steps.time("cleanup"):
            clean_up(labels, **model.description.postprocessing, between=listener.check)
    with steps.time("measure"):
        structures = measure(labels, volume, model)
    return Segmentation(
        labels,
        volume.geometry,
        structures,
        where.type,
        PRECISIONS[run.dtype],
        run.batch,
        {"id": model.id, "sha256": model.sha256},
        steps,
        time.perf_counter() - start,
        notices + run.warnings,
    )


def prepare(model: Model, device: torch.device) -> torch.nn.Module:
    """The model's network on a device as `segment` wants it. Raises EngineError (``out-of-memory``) or ModelError."""
    try:
        network = model.network(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        release(device)
        raise out_of_memory(device) from None
    mirrors = model.description.input.mirror
    return MirroredNetwork(network, mirrors) if mirrors else network


class _Run:
    """One volume on its way through the network."""

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
