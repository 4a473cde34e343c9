"""Volume + model -> label map on the volume's own grid, cleaned up and measured."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..door.errors import EngineError
from ..images.channels import Images, read_images
from ..images.geometry import Geometry
from ..models.model import Model, load_model
from ..network.device import choose_device, is_out_of_memory, out_of_memory, release, with_fallback
from ..network.mirroring import MirroredNetwork
from .clean_up import clean_up
from .inference import PRECISIONS, Inference, Listener, Network, Steps, Wanted
from .region import Ranges, Region
from .structures import measure_structures
from .uncertainty import Uncertainty


@dataclass
class Segmentation:
    """The result: ``labels`` uint8 (K, J, I) on ``geometry``, the image's own, and how it came about.

    ``structures``: one entry per class with value, name, voxels, volume_ml. ``warnings``: (code, message) pairs.
    ``uncertainty``: where the model is unsure, where that was asked for.
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
    uncertainty: Uncertainty | None = None

    def summary(self) -> dict[str, Any]:
        """Plain JSON types, without the voxels."""
        names = [structure["name"] for structure in self.structures]
        unsure = {} if self.uncertainty is None else {"uncertainty": self.uncertainty.summary(names)}
        return {
            **unsure,
            "structures": self.structures,
            "device": self.device,
            "precision": self.precision,
            "batch_size": self.batch_size,
            "steps": self.steps.rounded(),
            "seconds": round(self.seconds, 3),
            "model": self.model,
            "engine_version": __version__,
        }


def segment(
    image: Images,
    model: Model | str | os.PathLike[str],
    *,
    device: str | torch.device = "auto",
    batch_size: int | None = None,
    cleanup: bool = True,
    region: Region | Ranges | None = None,
    uncertainty: bool = False,
    progress: Callable[[int, int, float | None], None] | None = None,
    warning: Callable[[str, str, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    network: Network | None = None,
) -> Segmentation:
    """Segment one volume.

    ``image`` is a path (file or DICOM folder) or a Volume; of a model that looks at several images of a patient, a list
    of them in its order, or a dictionary by their names (see ``images/channels.py``). ``model`` is a Model or its
    folder. ``network`` is given by callers that keep one warm on the device; it maps (B, channels, H, W) to an object
    with ``logits``. ``region`` restricts the work to a box, a Region or six voxel indices (I0, I1, J0, J1, K0, K1),
    inclusive: outside of it the labels are 0, inside they are those of the whole volume but for the clean-up, which
    sees the region alone.
    ``uncertainty`` asks for how sure the model is of each voxel, slice and structure, of a whole volume.
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
    if uncertainty and place is not None:
        raise EngineError("bad-options", "How sure the model is can be told of a whole volume, not of a region.")
    if not isinstance(model, Model):
        model = load_model(model)
    listener.check()
    with steps.time("read"):
        volume = read_images(image, model.description.input.names)
    notices: list[tuple[str, str]] = []

    def warn(code: str, message: str, hint: str = "") -> None:
        notices.append((code, message))
        listener.warning(code, message, hint)

    def run_on(where: torch.device) -> tuple[Inference, np.ndarray]:
        with steps.time("model"):
            net = network if network is not None else prepare(model, where)
        run = Inference(volume, model, net, where, Wanted(batch_size, place, uncertainty), listener, steps)
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
        structures = measure_structures(labels, volume, model)
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
        run.uncertainty,
    )


def prepare(model: Model, device: torch.device) -> torch.nn.Module:
    """The model's network on a device as `segment` wants it. Raises EngineError (``out-of-memory``) or ModelError."""
    try:
        network = model.network(device)
        network.with_distances = False
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        release(device)
        raise out_of_memory(device) from None
    mirrors = model.description.input.mirror
    return MirroredNetwork(network, mirrors) if mirrors else network
