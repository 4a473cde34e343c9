"""Lists of thousands of cases, as a scene of a stranger or a large folder may bring them."""

from __future__ import annotations

import json

import pytest
from trainpanels import column, trigger

import standin
from owntime import ownTime

# Slicer's main thread is never kept for longer. The test machine may be ten times slower than a quiet one.
LIMIT_S = 0.05


@pytest.fixture
def bring(panel):
    """A scene brings a list of so many cases; returns the seconds of each stretch of the main thread."""
    from CMAformerSegmentationLib.cases import list as lists

    def bring(count, length=0):
        rows = [{"role": "labeled", "name": f"case {n}" + "x" * length, "image": f"/a/{n}.nrrd"} for n in range(count)]
        text, times = json.dumps(rows), []
        begin = ownTime()
        panel.trainPanel._parameterNode.parameterNode.SetParameter(lists._parameter, text)
        times.append(ownTime() - begin)
        while panel.trainPanel.table._timer.isActive():
            begin = ownTime()
            panel.trainPanel.table._timer.stop()
            panel.trainPanel.table._fill()
            times.append(ownTime() - begin)
        return times

    return bring


def test_a_long_list_is_shown_piece_by_piece(panel, bring):
    times = bring(1500)
    assert sorted(times)[len(times) // 2] < LIMIT_S and len(times) > 10, times
    assert times[0] < 3 * LIMIT_S and max(times) < 5 * LIMIT_S, times  # a second, if all rows were filled at once
    assert column(panel.ui.casesTable, 0) == [f"case {n}" for n in range(1500)]
    table = panel.ui.casesTable
    standin.processFor(0.02)
    panel.trainPanel._replace(panel.trainPanel.cases[:3])
    assert table.rowCount == 3 and column(table, 0) == ["case 0", "case 1", "case 2"]


@pytest.mark.parametrize(("count", "length"), [(20_000, 0), (2001, 0), (3, 1_500_000)])
def test_a_list_that_is_too_long_is_not_taken_over(panel, bring, count, length):
    bring(2)
    times = bring(count, length)
    assert panel.trainPanel.cases == [] and panel.ui.casesTable.rowCount == 0
    assert "2000 cases at most" in panel.ui.trainStatusLabel.text
    assert max(times) < 10 * LIMIT_S, times  # seconds, before


def test_a_large_folder_is_refused_in_words(panel, monkeypatch, tmp_path):
    from CMAformerSegmentationLib.cases import list as lists

    monkeypatch.setattr(lists, "MOST", 3)
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.nrrd").touch()
    standin.answer("getExistingDirectory", str(folder))
    trigger(panel, "Folder...")
    assert panel.trainPanel.cases == [] and "3 cases at most" in panel.ui.trainStatusLabel.text
    (folder / "0.nrrd").unlink()
    standin.answer("getExistingDirectory", str(folder))
    trigger(panel, "Folder...")
    assert column(panel.ui.casesTable, 0) == ["1", "2", "3"]


def test_a_list_that_is_full_stays_as_it_is(panel, monkeypatch, tmp_path):
    """Whatever adds a case, and however long its paths are."""
    from CMAformerSegmentationLib.cases import list as lists
    from CMAformerSegmentationLib.cases.case import TrainingCase

    def case(name):
        return TrainingCase(tmp_path / f"{name}.nrrd", role="unlabeled")

    trainPanel = panel.trainPanel
    trainPanel._replace([case("a"), case("b")])
    monkeypatch.setattr(lists, "MOST", 2)
    trainPanel._replace([*trainPanel.cases, case("c")])
    assert [c.image.stem for c in trainPanel.cases] == ["a", "b"]
    assert "2 cases at most" in panel.ui.trainStatusLabel.text
    monkeypatch.setattr(lists, "_MOST_LETTERS", 400)
    trainPanel._replace([case("a"), case("я" * 60)])
    assert [c.image.stem for c in trainPanel.cases] == ["a", "b"]


def test_a_longer_list_of_the_scene_is_replaced_with_a_word(panel, bring, tmp_path):
    from CMAformerSegmentationLib.cases.case import TrainingCase
    from CMAformerSegmentationLib.cases.list import loadCases

    bring(2001)
    (tmp_path / "a.nrrd").touch()
    panel.trainPanel._replace([TrainingCase(tmp_path / "a.nrrd", role="unlabeled")])
    assert "too long, and is replaced" in panel.ui.trainStatusLabel.text
    node = panel.trainPanel._parameterNode.parameterNode
    assert [c.image.stem for c in loadCases(node)] == ["a"]


def test_files_are_looked_for_once(panel, monkeypatch, tmp_path):
    from pathlib import Path

    from CMAformerSegmentationLib.cases.case import TrainingCase

    for name in "ab":
        (tmp_path / f"{name}.nrrd").touch()
    looked, exists = [], Path.exists
    monkeypatch.setattr(Path, "exists", lambda self: looked.append(self.name) or exists(self))
    cases = [TrainingCase(tmp_path / f"{name}.nrrd", role="unlabeled") for name in "abc"]
    panel.trainPanel._replace(cases)
    assert sorted(n for n in looked if n.endswith(".nrrd")) == ["a.nrrd", "b.nrrd", "c.nrrd"]
    looked.clear()
    panel.trainPanel._replace(cases[::-1])
    assert [n for n in looked if n.endswith(".nrrd")] == ["c.nrrd"]  # it was not there, and may be now
