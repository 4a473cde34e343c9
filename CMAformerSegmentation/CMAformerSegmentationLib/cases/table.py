"""The table of cases: what they are, and what they are used for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import qt
from slicer.i18n import tr as _

from ..widgets.marks import BLUE, GREEN, GREY, PURPLE, setMark
from .case import HELD_OUT, LABELED, UNLABELED, TrainingCase
from .list import IGNORED

# The column of roles.
ROLE = 2
# Rows that are filled before Slicer gets on with other things.
AT_A_TIME = 50
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


class CaseTable:
    """Shows cases, a row each, so many at a time that a list of thousands keeps nobody waiting.

    :param table: QTableWidget with four columns: case, segmentation, use, finding.
    """

    def __init__(self, table) -> None:
        self.table = table
        self._rows: Sequence[tuple[TrainingCase, str]] = ()
        self._next = 0
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._fill)

    def show(self, cases: Sequence[TrainingCase], problems: Sequence[str]) -> None:
        """Show cases, and what is wrong with each in words; cells that show it already are left alone."""
        self._rows, self._next = list(zip(cases, problems)), 0
        if self.table.rowCount != len(self._rows):
            self.table.setRowCount(len(self._rows))
        self._fill()

    def cleanup(self) -> None:
        """Show nothing more."""
        self._timer.stop()
        self._timer.disconnect("timeout()", self._fill)

    def _fill(self) -> None:
        wasBlocked = self.table.blockSignals(True)
        first, self._next = self._next, min(self._next + AT_A_TIME, len(self._rows))
        for row in range(first, self._next):
            self._showRow(row, *self._rows[row])
        self.table.blockSignals(wasBlocked)
        if self._next < len(self._rows):
            self._timer.start()

    def _showRow(self, row: int, case: TrainingCase, problem: str) -> None:
        finding = problem.removeprefix(f"{case.title}: ")
        for column, text in enumerate((case.title, _labelsTitle(case), roleTitle(case.role), finding)):
            item = self.table.item(row, column)
            if item is not None and item.text() == text:
                continue
            if item is None:
                item = qt.QTableWidgetItem()
                item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
                self.table.setItem(row, column, item)
            item.setText(text)
            if column == ROLE:
                setMark(item, _roleColors[case.role])
                item.setToolTip(roleExplanation(case.role) + " " + _("Click to change."))
            else:
                item.setToolTip(text)


def selectedRows(table) -> list[int]:
    """Numbers of the rows that are selected."""
    return sorted({index.row() for index in table.selectionModel().selectedRows()})


def _labelsTitle(case: TrainingCase) -> str:
    if case.labels is None:
        return ""
    return Path(case.labels).name if isinstance(case.labels, (str, Path)) else case.labels.GetName()
