"""One held-out case in the slice views: what the model found before and after the training, over the reference.

The reference is a white outline, the result of the base model a cyan one, that of the new model is filled.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from cmaformer.door.files import read_json
from cmaformer.door.names import CASES

from ..jobs.engineCall import callEngine
from ..jobs.environment import engineCommand, engineEnvironment, trainingsFolder
from ..jobs.privateFolders import makePrivate, sweep
from ..models.catalog import ModelEntry, readModel
from ..scene import nodes as scene
from ..scene.loading import loadVolume
from ..scene.metaimage import readLabels
from ..scene.sliceViews import jumpToSlice
from .job import Training

_white, _cyan = (1.0, 1.0, 1.0), (0.0, 1.0, 1.0)  # colors that no structure of the bundled models has


@dataclass(frozen=True)
class HeldOutCase:
    """A held-out case of a training, with its files."""

    name: str
    image: Path
    labels: Path


def heldOutCases(training: Training) -> list[HeldOutCase]:
    """The held-out cases of a training, those that were drawn, too; empty before the engine has looked at them."""
    try:
        cases = read_json(training.files.job / CASES)["cases"]
        held = [case for case in cases if case["role"] == "held-out"]
        return [HeldOutCase(str(case["name"]), Path(case["image"]), Path(case["labels"])) for case in held]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def worstFirst(training: Training) -> list[tuple[str, int]]:
    """The held-out cases as a list shows them, the one with the lowest Dice after the training first.

    :return: the name with Dice before and after, as far as they are known, and the place among `heldOutCases`.
    """
    report = training.report
    after = (report.get("held_out_dice") or {}).get(report.get("kept")) or []
    before = (report.get("before") or {}).get("dice") or []
    rows = []
    for place, case in enumerate(heldOutCases(training)):
        old, new = (_caseMean(scores[place]) if place < len(scores) else None for scores in (before, after))
        numbers = [f"{dice:.3f}" for dice in (old, new) if dice is not None]
        title = f"{case.name} ({' → '.join(numbers)})" if numbers else case.name
        rows.append((1.0 if new is None else new, place, title))
    return [(title, place) for _dice, place, title in sorted(rows)]


def _caseMean(scores: list[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None


class HeldOutView:
    """Loads the case, lets both models segment it beside Slicer, and shows the results.

    :param case: of the training.
    :param base: the model before; None where there was none.
    :raises ValueError: when the training has no result, or the image cannot be loaded, in words.
    """

    def __init__(self, training: Training, case: HeldOutCase, base: ModelEntry | None) -> None:
        folder = training.modelFolder
        if folder is None:
            raise ValueError(_("The training has no result yet."))
        for path in (case.image, case.labels):
            if not path.exists():
                raise ValueError(_("The file {name} is not there any more.").format(name=path.name))
        self.case = case
        models = {_("after"): readModel(folder)}
        if base is not None:
            models[_("before")] = base
        self.volumeNode = loadVolume(case.image)
        self.volumeNode.SetName(case.name)
        self._device = str(training.request.get("device", "auto"))
        geometry = scene.volumeGeometry(self.volumeNode)
        self._results = {title: (model, *scene.newLabelImage(geometry)) for title, model in models.items()}
        self._wrong: list[int] = []  # voxels in each slice
        self._reference = self._loadReference(models[_("after")])

    def work(self) -> Callable[[], None]:
        """What takes long, for a thread: both models segment the image, and their label maps are read."""
        temporary = trainingsFolder() / f".show-{secrets.token_hex(4)}"
        environment, commands, name = engineEnvironment(), [], self.case.name
        for number, (model, _image, array) in enumerate(self._results.values()):
            path = temporary / f"{number}.mha"
            arguments = ["segment", str(self.case.image), "--model", str(model.path), "-o", str(path)]
            commands.append((engineCommand([*arguments, "--device", self._device]), path, array))

        def run() -> None:
            sweep(temporary.parent)
            makePrivate(temporary)
            try:
                for command, path, array in commands:
                    callEngine(command, environment, name)
                    readLabels(path, array)
                after = next(iter(self._results.values()))[2]  # it was put in first
                self._wrong = [int(np.count_nonzero(a != b)) for a, b in zip(self._truth, after)]
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

        return run

    def show(self) -> list[Any]:
        """Make the segmentations and show them; returns their nodes: reference, before (if any), after.

        :raises ValueError: when the volume was removed meanwhile, in words.
        """
        if not slicer.mrmlScene.IsNodePresent(self.volumeNode):
            raise ValueError(_("The volume was removed from the scene meanwhile."))
        nodes = [self._reference]
        for title in sorted(self._results, key=lambda name: name == _("after")):
            model, image, _array = self._results[title]
            provenance = {"ModelId": model.id, "ModelSha256": model.sha256}
            node = scene.adoptLabels(image, self.volumeNode, model.structures, model.id, provenance)
            node.SetName(f"{self.case.name} {title}")
            nodes.append(node)
        for node, color in zip(nodes[:-1], (_white, _cyan)):
            _outline(node, color)
        if slicer.app.layoutManager() is not None:
            slicer.util.setSliceViewerLayers(background=self.volumeNode, fit=True)
        if any(self._wrong):  # the slice with most wrong voxels
            jumpToSlice(self.volumeNode, "k", self._wrong.index(max(self._wrong)), nodes[-1])
        return nodes

    def _loadReference(self, model: ModelEntry):
        labelNode = slicer.util.loadLabelVolume(str(self.case.labels))
        try:
            array = slicer.util.arrayFromVolume(labelNode)
            image, target = scene.newLabelImage(scene.volumeGeometry(self.volumeNode))
            if array.shape != target.shape:
                raise ValueError(_("The reference lies on another grid than the image."))
            target[:] = array
            self._truth = target
        finally:
            slicer.mrmlScene.RemoveNode(labelNode)
        node = scene.adoptLabels(image, self.volumeNode, model.structures, "reference", {})
        node.SetName(f"{self.case.name} " + _("reference"))
        return node


def _outline(node, color: tuple[float, float, float]) -> None:
    """Show a segmentation as an outline of one color."""
    segmentation = node.GetSegmentation()
    for segmentId in segmentation.GetSegmentIDs():
        segmentation.GetSegment(segmentId).SetColor(*color)
    node.GetDisplayNode().SetVisibility2DFill(False)
