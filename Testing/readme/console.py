"""Slicer's Python console, on the stand-in: runs README.md's blocks one after the other, as somebody who pastes them.

Argument: the folder that stands for /data, made by `readme.examples.console`. In the text, /data is replaced by it, and
the hour of the training by some seconds with small patches. The training starts from a tiny model that has the id of
the bundled one, which segments in the first block.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import readme
import standin

HOUR = "minutes=60"
SHORT = 'minutes={minutes}, device="cpu", settings={{"patch": 32, "batch_size": 2}}'
# A training that finds its time too short does not begin: on a busy computer the next one is taken.
MINUTES = (0.2, 0.6, 2)


def main(data: Path) -> None:
    standin.start()
    module = standin.loadModule(readme.repository / "CMAformerSegmentation" / "CMAformerSegmentation.py")
    import qt
    import slicer

    from CMAformerSegmentationLib import environment, training

    for key, folder in ((environment.modelsKey, "own"), (environment.trainingsKey, "trainings")):
        qt.QSettings().setValue(key, str(data / folder))
    segmenting, fine_tuning = [block for block in readme.blocks() if "slicer.util" in block.text]
    space = pasted(segmenting, data, {"slicer": slicer})
    node = space["segmentationNode"]
    assert node.GetAttribute("CMAformer.ModelId") == "cardiac-cine-mr-1.0.0"
    assert node.GetSegmentation().GetNthSegment(0).GetRepresentation("Closed surface") is not None

    assert HOUR in fine_tuning.text
    for where in (environment, module, training):
        where.bundledModelFolders = lambda: [data / "models"]
    space["logic"].cleanup()  # the engine that is warm knows the models that there were when it started
    space = fine_tuned(fine_tuning, data, space)
    assert (space["job"].state, space["model"].title) == ("finished", "Our hearts")
    assert [entry.id for entry in space["logic"].models()] == ["cardiac-cine-mr-1.0.0", space["model"].id]
    made = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert [n.GetAttribute("CMAformer.ModelId") for n in made] == ["cardiac-cine-mr-1.0.0", space["model"].id]
    space["logic"].cleanup()
    standin.quitApplication()


def fine_tuned(block: readme.Block, data: Path, space: dict) -> dict:
    for minutes in MINUTES:
        try:
            return pasted(block, data, space, SHORT.format(minutes=minutes))
        except RuntimeError as problem:
            if "iterations fit into" not in str(problem) or minutes == MINUTES[-1]:
                raise
            space["job"].discard()
    raise AssertionError("there is no time to try")


def pasted(block: readme.Block, data: Path, space: dict, time: str = HOUR) -> dict:
    text = block.text.replace("/data/", f"{data.as_posix()}/").replace(HOUR, time)
    exec(compile(text, f"README.md, {block.section}", "exec"), space)
    return space


if __name__ == "__main__":
    main(Path(sys.argv[1]))
