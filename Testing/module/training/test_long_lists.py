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
    assert column(panel.ui.casesTable, 0) == [f"case {n}" for n in range(1500)]
    table = panel.ui.casesTable
    standin.processFor(0.02)
    panel.trainPanel._replace(panel.trainPanel.cases[:3])
    assert table.rowCount == 3 and column(table, 0) == ["case 0", "case 1", "case 2"]


@pytest.mark.parametrize(("count", "length"), [(20_000, 0), (2001, 0), (3, 1_000_000)])
def test_a_list_that_is_too_long_is_not_taken_over(panel, bring, count, length):
    bring(2)
    times = bring(count, length)
    assert panel.trainPanel.cases == [] and panel.ui.casesTable.rowCount == 0
    assert "2000 cases at most" in panel.ui.trainStatusLabel.text
    assert max(times) < 10 * LIMIT_S, times  # seconds, before


def test_a_large_folder_is_refused_in_words(panel, monkeypatch, tmp_path):
    from CMAformerSegmentationLib.cases import list as lists
    from CMAformerSegmentationLib.training import panel as panels

    for module in (lists, panels):
        monkeypatch.setattr(module, "MOST", 3)
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
