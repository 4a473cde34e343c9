"""Volume + model -> label map on the volume's own grid, cleaned up and measured."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .. import __version__
from ..door.watcher import Watcher
from ..images.channels import Images, read_images
from ..images.geometry import Geometry
from ..models.model import Model, load_model
from ..network.device import choose_device, is_out_of_memory, out_of_memory, release, with_fallback
from ..network.mirroring import MirroredNetwork
from .clean_up import clean_up
from .inference import PRECISIONS, Inference, Network, Steps
from .structures import measure_structures
from .uncertainty import Uncertainty
from .wanted import Wanted

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .wanted import Options


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
    network: Network | None = None,
    watcher: Watcher | None = None,
    **wanted: Unpack[Options],
) -> Segmentation:
    """Segment one volume.

    ``image`` is a path (file or DICOM folder) or a Volume; of a model that looks at several images of a patient, a list
    of them in its order, or a dictionary by their names (see ``images/channels.py``). ``model`` is a Model or its
    folder. ``network`` is given by callers that keep one warm on the device; it maps (B, channels, H, W) to an object
    with ``logits``. ``watcher`` is told of progress and warnings, and may stop the work before each batch.

    What is ``wanted`` (see :class:`cmaformer.segmenting.wanted.Wanted`): ``batch_size``; ``cleanup``, on by default;
    ``region``, a box as a Region or six voxel indices (I0, I1, J0, J1, K0, K1), inclusive: outside of it the labels are
    0, inside they are those of the whole volume but for the clean-up, which sees the region alone; ``uncertainty``: how
    sure the model is of each voxel, slice and structure, of a whole volume.

    Raises ImageError, ModelError, CancelledError, or EngineError (``no-device``, ``out-of-memory``).
    """
    start = time.perf_counter()
    steps, watched, wish = Steps(), watcher or Watcher(), Wanted.of(**wanted)
    if not isinstance(model, Model):
        model = load_model(model)
    watched.check()
    with steps.time("read"):
        volume = read_images(image, model.description.input.names)
    notices: list[tuple[str, str]] = []

    def warn(code: str, message: str, hint: str = "") -> None:
        notices.append((code, message))
        watched.warning(code, message, hint)

    def run_on(where: torch.device) -> tuple[Inference, np.ndarray]:
        with steps.time("model"):
            net = network if network is not None else prepare(model, where)
        run = Inference(volume, model, net, where, wish, watched, steps)
        return run, run.labels()

    if network is not None:  # it is on its device already
        run, labels = run_on(device if isinstance(device, torch.device) else choose_device(device))
    else:
        run, labels = with_fallback(device, run_on, warn)
    where = run.device
    if wish.cleanup:
        with steps.time("cleanup"):
            clean_up(labels, **model.description.postprocessing, watcher=watched)
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
