"""What the module can do, without its panel: for the panel itself, and for Slicer's Python console."""

import weakref
from typing import Any

from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from .batches.batch import Batch
from .batches.cardiacFunction import cardiacFunction
from .batches.sequence import SequenceBatch, sequenceOf
from .batches.volumes import VolumesBatch
from .cases.case import HELD_OUT, LABELED, UNLABELED, casesOf
from .cases.structures import segmentKey, structuresToLearn
from .jobs.environment import bundledModelFolders, deviceArgument, engineVersion, userModelFolder
from .models.catalog import Catalog, findModels
from .scene.loading import loadVolume
from .segmenting.request import Request, volumesInOrder
from .segmenting.taskRunner import TaskRunner
from .training.queue import TrainingQueue
from .training.request import TrainingRequest


class Logic(ScriptedLoadableModuleLogic):
    """What the module can do, without its panel. From the Python console::

    logic = slicer.util.getModuleLogic("CMAformerSegmentation")
    print([model.id for model in logic.models()])
    segmentationNode = logic.segment(volumeNode)
    print(logic.segmentMany(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")).table())

    job = logic.startTraining(labeled=[(volumeNode, segmentationNode)], unlabeled=[otherNode], name="Our hearts")
    model = job.wait().keep()
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.runner = TaskRunner()
        self.queue = TrainingQueue()
        self._batches: weakref.WeakSet[Batch] = weakref.WeakSet()

    def cleanup(self) -> None:
        """Stop what segments, and the engine. Trainings go on without Slicer."""
        for batch in list(self._batches):
            batch.abandon(_("Slicer was closed."))
        self.runner.shutdown()
        self.queue.shutdown()

    def catalog(self) -> Catalog:
        """The models on this computer, and the folders with problems."""
        return findModels(bundledModelFolders(), [userModelFolder()])

    def models(self) -> list[Any]:
        """The models on this computer: entries with `id`, `title`, `description`, `structures`, `path` and more."""
        return self.catalog().entries

    def loadVolume(self, path):
        """Load a volume from a file or a folder of DICOM images and return its node.

        :raises ValueError: in words, when nothing can be loaded.
        """
        return loadVolume(path)

    def startSegmentation(self, volumeNode, model=None, segmentation=None, device="auto", onChanged=None, roi=None):
        """Start segmenting and return at once.

        :param volumeNode: a scalar volume; of a model that looks at several images of a patient, a list of volumes in
            its order, or a dictionary by their names; the result lies on the first.
        :param model: a model of `models()`, or its id; None for the first one there is.
        :param segmentation: segmentation node for the result; None for a new one.
        :param device: "auto", "gpu" or "cpu".
        :param onChanged: called without arguments whenever the task has changed.
        :param roi: markups ROI node: only the voxels inside are segmented, and what an earlier result of the same
            structures has outside is kept; None for the whole volume.
        :return: the task, with `state`, `job.progress`, `problem`, `segmentationNode` and `cancel()`.
        :raises ValueError: in words, when it cannot be started as asked.
        """
        _entry, makeRequest = self._requests(model, device)
        return self.runner.start(makeRequest(volumeNode, segmentation, roi), onChanged)

    def segment(self, volumeNode, model=None, segmentation=None, device="auto", wait=True, progress=None, roi=None):
        """Segment a volume.

        :param volumeNode, model, segmentation, device, roi: see `startSegmentation`.
        :param wait: False returns the running task instead of waiting for the result.
        :param progress: called with (slices done, slices in all, seconds left or None) while waiting.
        :return: the segmentation node.
        :raises ValueError: in words, when it cannot be started as asked.
        :raises SegmentationError: in words, when it fails.
        """
        task = self.startSegmentation(volumeNode, model, segmentation, device, roi=roi)
        return task.wait(self.runner.poll, progress) if wait else task

    def segmentMany(self, volumeNodes, model=None, device="auto", wait=True, progress=None, onChanged=None):
        """Segment volumes one after the other; one that fails does not stop the rest.

        :param volumeNodes: scalar volumes; each gets a new segmentation.
        :param model, device: see `startSegmentation`.
        :param wait: False returns at once.
        :param progress: called with (volumes done, volumes in all, seconds left or None) while waiting.
        :param onChanged: called without arguments whenever something has changed.
        :return: an object with `results`: of each volume (volume, segmentation node or None, problem in words), with
            `items` and their `state`s, `ended`, `table()` (text) and `cancel()`.
        :raises ValueError: in words, when there is no such model.
        """
        entry, makeRequest = self._requests(model, device)
        names = [structure.name for structure in entry.structures]
        return self._startBatch(VolumesBatch(volumeNodes, self.runner, makeRequest, names, onChanged), wait, progress)

    def segmentSequence(self, sequence, model=None, device="auto", wait=True, progress=None, onChanged=None):
        """Segment every frame of a sequence, such as a cine, into a sequence of segmentations.

        :param sequence: a sequence of volumes, the browser of one, or the volume that a browser shows of it.
        :param model, device, wait, progress, onChanged: see `segmentMany`.
        :return: as `segmentMany`, of frames instead of volumes; in the end `sequenceNode` is the new sequence, which is
            browsed with that of the volumes, or None when no frame has a result.
        :raises ValueError: in words, when it cannot be started as asked.
        """
        entry, makeRequest = self._requests(model, device)
        names = [structure.name for structure in entry.structures]
        batch = SequenceBatch(*sequenceOf(sequence), self.runner, makeRequest, names, onChanged)
        return self._startBatch(batch, wait, progress)

    def cardiacFunction(self, segmentations, endDiastole=None, endSystole=None, body=None):
        """Volumes over a cycle, ejection fractions and mass, of segmentations by a model of the heart as they are now.

        :param segmentations: a sequence of segmentations, as `segmentSequence` makes, or segmentation nodes in time.
        :param endDiastole, endSystole: phases from 1; None for those of the largest and the smallest left ventricle.
        :param body: height in cm and weight in kg, for indexed values.
        :return: an object with `function`, `volumes`, `table`, `curveTable`, `chart`, `text()` and `show()`.
        :raises ValueError: in words, when there is nothing to measure.
        """
        return cardiacFunction(segmentations, endDiastole, endSystole, body)

    def startTraining(
        self,
        labeled,
        unlabeled=(),
        heldOut=(),
        base=None,
        name="",
        minutes=30,
        classes=None,
        device="auto",
        settings=None,
        mapping=None,
    ):
        """Train a model in the background, in a process of its own, and return at once.

        :param labeled: pairs of a volume and its segmentation: nodes, or paths of an image and of a label map. Also
            `TrainingCase`s, which can name the patient.
        :param unlabeled: volumes or paths without segmentation, from which the model learns, too.
        :param heldOut: pairs that are never trained on and show how good the model is. Where there are none and at
            least five patients are labeled, a fifth of those is held out.
        :param base: the model to start from, or its id; None starts afresh.
        :param name: of the new model.
        :param minutes: how long to train on this computer.
        :param classes: names of the structures in the order of their values 1, 2, ...; None: what the cases show.
        :param device: "auto", "gpu" or "cpu".
        :param settings: further entries of the engine's recipe.
        :param mapping: which structure a segment is, where its name does not tell: name of the segment -> name of the
            structure, or "" to leave it out.
        :return: the training, with `state`, `metrics`, `wait()`, `pause()`, `cancel()`, `resume()`, `keep()` and
            `discard()`.
        :raises ValueError: in words, when it cannot be started as asked.
        """
        cases = casesOf(labeled, LABELED) + casesOf(unlabeled, UNLABELED) + casesOf(heldOut, HELD_OUT)
        for case in cases:
            problem = case.problem()
            if problem:
                raise ValueError(problem)
        entry = self._model(base) if base is not None else None
        known = {segmentKey(segment): structure for segment, structure in dict(mapping or {}).items()}
        structures = structuresToLearn(cases, entry, classes, known)
        request = TrainingRequest(
            tuple(cases), structures, name, entry, float(minutes), deviceArgument(device), dict(settings or {}), known
        )
        return self.queue.start(request)

    def jobs(self) -> list[Any]:
        """All trainings there are, oldest first, in whatever state, and those of earlier sessions, too."""
        trainings = self.queue.trainings()
        for training in trainings:
            training.poll(whole=True)
        return trainings

    def _requests(self, model, device):
        """The entry of a model, and what makes a request of a volume and a segmentation node with it.

        :raises ValueError: in words, when there is no such model.
        """
        entry = self._model(model)
        if entry is None:
            raise ValueError(_("There are no models on this computer."))
        where, version = deviceArgument(device), engineVersion()

        def makeRequest(volumes, segmentation=None, roi=None):
            first, *others = volumesInOrder(volumes, entry)
            return Request(first, entry, segmentation, where, version, roi, tuple(others))

        return entry, makeRequest

    def _startBatch(self, batch, wait, progress):
        self._batches.add(batch)
        batch.start()
        return batch.wait(progress) if wait else batch

    def _model(self, model):
        """The entry of a model, of its id, or of the first model for None; None where there is none.

        :raises ValueError: in words, for an id that no model has.
        """
        model = getattr(model, "id", model)
        entry = self.catalog().find(model)
        if entry is None and model is not None:
            raise ValueError(_("There is no model {id} on this computer.").format(id=model))
        return entry
