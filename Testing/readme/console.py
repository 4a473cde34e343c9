"""Slicer's Python console, on the stand-in: runs the pages' blocks one after the other, as if pasted.

Argument: the folder that stands for /data, made by `readme.examples.console`. In the text, /data is replaced by it, and
two steps a phase with small patches are added to the training. They replace its hour, which is left out of the command
of its process: how many steps fit into a time depends on what else the computer does. The training starts from a tiny
model that has the id of the bundled one, which segments in the first block.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import readme
import standin

HOUR = "minutes=60"
STEPS = {"iterations": 2, "semi_iterations": 2, "batch_size": 2, "patch": 32}


def main(data: Path) -> None:
    standin.start()
    standin.loadModule(readme.repository / "CMAformerSegmentation" / "CMAformerSegmentation.py")
    import qt
    import slicer

    from CMAformerSegmentationLib import logic
    from CMAformerSegmentationLib.jobs import environment
    from CMAformerSegmentationLib.training import job as training

    for key, folder in ((environment.modelsKey, "own"), (environment.trainingsKey, "trainings")):
        qt.QSettings().setValue(key, str(data / folder))
    segmenting, several, fine_tuning = [block for block in readme.blocks() if "slicer.util" in block.text]
    space = pasted(segmenting, data, {"slicer": slicer})
    node = space["segmentationNode"]
    assert node.GetAttribute("CMAformer.ModelId") == "cardiac-cine-mr-1.4.0"
    assert node.GetSegmentation().GetNthSegment(0).GetRepresentation("Closed surface") is not None

    assert HOUR in fine_tuning.text
    for where in (environment, logic, training):
        where.bundledModelFolders = lambda: [data / "models"]
    space["logic"].cleanup()  # the engine that is warm knows the models that there were when it started
    many(several, data, space)
    arguments = training.trainingArguments
    training.trainingArguments = lambda *given: untimed(arguments(*given))
    space = pasted(fine_tuning, data, space)
    assert (space["job"].state, space["model"].title) == ("finished", "Our hearts")
    assert [entry.id for entry in space["logic"].models()] == ["cardiac-cine-mr-1.4.0", space["model"].id]
    made = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert {n.GetAttribute("CMAformer.ModelId") for n in made} == {"cardiac-cine-mr-1.4.0", space["model"].id}
    space["logic"].cleanup()
    standin.quitApplication()


def many(block: readme.Block, data: Path, space: dict) -> None:
    """The block about several volumes, with a cine of two frames in the scene."""
    import slicer

    cine = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "cine")
    for time in ("0", "40"):
        cine.SetDataNodeAtValue(space["volumeNode"], time)
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    browser.SetAndObserveMasterSequenceNodeID(cine.GetID())
    pasted(block, data, space)
    assert len(space["batch"].results) == 2 and all(not problem for _volume, _node, problem in space["batch"].results)
    assert space["sequenceNode"].GetNumberOfDataNodes() == 2


def pasted(block: readme.Block, data: Path, space: dict) -> dict:
    text = block.text.replace("/data/", f"{data.as_posix()}/").replace(HOUR, f'{HOUR}, device="cpu", settings={STEPS}')
    exec(compile(text, f"README.md, {block.section}", "exec"), space)
    return space


def untimed(words: list[str]) -> list[str]:
    """The command of a training without its time."""
    at = words.index("--minutes")
    assert words[at + 1] == "60.0"
    return words[:at] + words[at + 2 :]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
