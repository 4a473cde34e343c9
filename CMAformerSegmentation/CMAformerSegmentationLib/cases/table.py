"""The table of cases: what they are, and what they are used for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import qt
from slicer.i18n import tr as _

from ..widgets.marks import BLUE, GREEN, GREY, PURPLE, setMark
from .case import HELD_OUT, LABELED, UNLABELED, TrainingCase
from .list import IGNORED

_roleColors = {LABELED: GREEN, UNLABELED: BLUE, HELD_OUT: PURPLE, IGNORED: GREY}


def roleTitle(role: str) -> str:
    """A role as users read it."""
    return {
        LABELED: _("labeled"),
        UNLABELED: _("unlabeled"),
        HELD_OUT: _("held out"),
        IGNORED: _("ignored"),
    }[role]


def roleExplanation(role: str) -> str:
    """What a role means, for a tooltip."""
    return {
        LABELED: _("The model learns from image and segmentation."),
        UNLABELED: _("The model learns from the image alone."),
        HELD_OUT: _("Never trained on: shows how good the model is, before and after."),
        IGNORED: _("Stays in the list, and out of the training."),
    }[role]


def fillCases(table, cases: Sequence[TrainingCase], problems: Sequence[str]) -> None:
    """Show cases, a row each; cells that show them already are left alone, so that hundreds of rows stay fluid.

    :param table: QTableWidget with four columns: case, segmentation, use, finding.
    :param problems: what is wrong with each case, in words.
    """
    wasBlocked = table.blockSignals(True)
    if table.rowCount != len(cases):
        table.setRowCount(len(cases))
    for row, (case, problem) in enumerate(zip(cases, problems)):
        finding = problem.removeprefix(f"{case.title}: ")
        for column, text in enumerate((case.title, _labelsTitle(case), roleTitle(case.role), finding)):
            item = table.item(row, column)
            if item is not None and item.text() == text:
                continue
            if item is None:
                item = qt.QTableWidgetItem()
                item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
                table.setItem(row, column, item)
            item.setText(text)
            if column == 2:
                setMark(item, _roleColors[case.role])
                item.setToolTip(roleExplanation(case.role))
            else:
                item.setToolTip(text)
    table.blockSignals(wasBlocked)


def selectedRows(table) -> list[int]:
    """Numbers of the rows that are selected."""
    return sorted({index.row() for index in table.selectionModel().selectedRows()})


def _labelsTitle(case: TrainingCase) -> str:
    if case.labels is None:
        return ""
    return Path(case.labels).name if isinstance(case.labels, (str, Path)) else case.labels.GetName()
