"""What the engine says this computer can do, asked in a process of its own; and what that means for a volume."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from typing import Any

import vtk
from slicer.i18n import tr as _

from ..jobs.environment import engineCommand, engineEnvironment, modelsArguments, moduleFolder
from ..jobs.processes import groupOptions, killGroup, letOthersFirst
from ..models.catalog import ModelEntry

UNKNOWN, ASKING, KNOWN, FAILED = "unknown", "asking", "known", "failed"
patienceSeconds = 180.0  # a cold disk and a virus scanner take their time over PyTorch
_thick = 1.25  # as the engine's: an axis is the thick one when its spacing exceeds the next by this factor


@dataclass(frozen=True)
class ComputerFacts:
    """The engine's answer. `megapixelSeconds` is the time for a million pixels of the grid of the model `modelId`;
    None where it could not be measured."""

    torch: str
    device: str
    name: str
    memoryMb: float | None
    cores: int
    gpuProblem: str
    modelId: str
    megapixelSeconds: float | None

    @classmethod
    def fromEvent(cls, event: dict[str, Any]) -> ComputerFacts:
        """The facts of an event `computer`.

        :raises KeyError, TypeError, ValueError: when it is not as the engine writes it.
        """
        memory, speed = event["memory_mb"], event.get("megapixel_s")
        return cls(
            torch=str(event["torch"]).partition("+")[0],
            device=str(event["device"]),
            name=str(event["name"] or ""),
            memoryMb=None if memory is None else float(memory),
            cores=int(event["cores"] or 1),
            gpuProblem=str(event["gpu_problem"] or ""),
            modelId=str(event.get("model") or ""),
            megapixelSeconds=None if speed is None else float(speed),
        )

    @property
    def deviceText(self) -> str:
        """The device with its memory, as people know it."""
        if self.name:
            text = self.name
        elif self.cores == 1:
            text = _("CPU with 1 core")
        else:
            text = _("CPU with {cores} cores").format(cores=self.cores)
        return f"{text}, {self.memoryMb / 1024:.0f} GB" if self.memoryMb else text

    def rate(self, entry: ModelEntry) -> float | None:
        """Seconds for a million pixels of the model's grid; None where that was not measured."""
        return self.megapixelSeconds if entry.id == self.modelId else None


def megapixels(volumeNode, entry: ModelEntry) -> float:
    """Millions of pixels that the model sees of a volume: its slices, resampled to the pixels of the model."""
    size, spacing = volumeNode.GetImageData().GetDimensions(), volumeNode.GetSpacing()
    if entry.pixelMm is None:
        return size[0] * size[1] * size[2] * (3 if entry.slicing == "orthogonal" else 1) / 1e6
    directions = range(3) if entry.slicing == "orthogonal" else [_sliceAxis(volumeNode, entry.slicing)]
    total = 0.0
    for across in directions:
        area = 1.0
        for axis in range(3):
            if axis != across:
                area *= size[axis] * spacing[axis]
        total += size[across] * area / (entry.pixelMm[0] * entry.pixelMm[1])
    return total / 1e6


def _sliceAxis(volumeNode, slicing: str) -> int:
    """The voxel axis (0 i, 1 j, 2 k) across which the engine cuts slices."""
    size, spacing = volumeNode.GetImageData().GetDimensions(), volumeNode.GetSpacing()
    if slicing != "axial":
        single = [axis for axis in range(3) if size[axis] == 1]
        order = sorted(range(3), key=lambda axis: spacing[axis], reverse=True)
        if len(single) == 1:
            return single[0]
        if spacing[order[0]] > _thick * spacing[order[1]]:
            return order[0]
        if slicing == "acquired":
            return 2
    directions = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASDirectionMatrix(directions)
    return max(range(3), key=lambda axis: abs(directions.GetElement(2, axis)))


class ComputerProbe:
    """Asks once, without blocking, and at a low priority.

    :ivar state: UNKNOWN, ASKING, KNOWN or FAILED. :ivar facts: once it is KNOWN.
    """

    def __init__(self) -> None:
        self.state = UNKNOWN
        self.facts: ComputerFacts | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._begin = 0.0

    def start(self, modelId: str = "") -> None:
        """Ask, also about the speed of a model; what was asked before is forgotten."""
        self.stop()
        about = ["--model", modelId] if modelId else []
        try:
            self._process = subprocess.Popen(
                engineCommand(["computer", "--json", *modelsArguments(), *about]),
                env={**engineEnvironment(), "PYTHONDONTWRITEBYTECODE": "1"},
                cwd=moduleFolder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                **groupOptions(),
            )
        except OSError:
            self.state = FAILED
            return
        letOthersFirst(self._process.pid)
        self.state, self._begin = ASKING, time.monotonic()

    def poll(self) -> str:
        """Bring `state` up to date and return it."""
        process = self._process
        if process is None:
            return self.state
        if process.poll() is not None:
            self._take(process)
        elif time.monotonic() - self._begin > patienceSeconds:
            self.stop()
            self.state = FAILED
        return self.state

    def stop(self) -> None:
        """Do not wait for an answer any more."""
        if self._process is not None:
            killGroup(self._process.pid)
            self._process.communicate()
            self._process = None
        self.state = UNKNOWN

    def _take(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self.state = None, FAILED
        answer = process.communicate()[0].decode("utf-8", "replace")  # a few hundred bytes, and it has ended
        for line in answer.splitlines():
            try:
                event = json.loads(line)
                if event["type"] == "computer":
                    self.facts, self.state = ComputerFacts.fromEvent(event), KNOWN
            except (ValueError, KeyError, TypeError):
                continue
