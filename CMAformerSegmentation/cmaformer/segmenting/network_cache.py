"""The network that a process keeps on its device from one volume to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..models.model import Model

if TYPE_CHECKING:
    import torch


class NetworkCache:
    """The last network on the last device: loading it again takes longer than segmenting a small volume."""

    def __init__(self) -> None:
        self._key: tuple[str, str] | None = None
        self._network: torch.nn.Module | None = None

    def get(self, model: Model, device: torch.device) -> torch.nn.Module:
        """The network of a model on a device; one of another model or device is let go first. Raises EngineError."""
        from ..network.device import release
        from .segment import prepare

        key = (model.sha256, str(device))
        if self._network is None or self._key != key:
            self._key = self._network = None
            release(device)
            self._network = prepare(model, device)
            self._key = key
        return self._network
