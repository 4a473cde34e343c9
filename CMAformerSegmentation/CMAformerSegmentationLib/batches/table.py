"""The table of many volumes: what is to be segmented, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt

from ..jobs.job import FAILED
from ..segmenting.segmentation import RUNNING, WAITING
from ..widgets.marks import RED, setMark
from .batch import BatchItem, stateTitle

_mostRows = 8  # that are shown without scrolling


class BatchTable:
    """A row for each item. Rows that show it already are left alone, so that a thousand of them stay fluid.

    :param table: QTableWidget with three columns: name, state, result.
    """

    def __init__(self, table) -> None:
        self.table = table
        self._shown: list[tuple[Any, ...]] = []
        header = table.horizontalHeader()
        for column, mode in enumerate(
            (qt.QHeaderView.Stretch, qt.QHeaderView.ResizeToContents, qt.QHeaderView.Stretch)
        ):
            header.setSectionResizeMode(column, mode)
        table.verticalHeader().setVisible(False)

    def show(self, items: Sequence[BatchItem], checks: Sequence[bool] | None = None, part: float = 0.0) -> None:
        """Show items.

        :param checks: whether each is checked; None: there is nothing to choose.
        :param part: how much of the running one is done, 0 to 1.
        """
        wanted = [_row(item, None if checks is None else checks[n], part) for n, item in enumerate(items)]
        self.table.setVisible(bool(wanted))
        if wanted == self._shown:
            return
        wasBlocked = self.table.blockSignals(True)
        if len(wanted) != len(self._shown):
            self.table.setRowCount(len(wanted))
        for number, row in enumerate(wanted):
            if number >= len(self._shown) or self._shown[number] != row:
                self._fill(number, *row)
        self.table.blockSignals(wasBlocked)
        if len(wanted) != len(self._shown):
            height = sum(self.table.rowHeight(row) for row in range(min(len(wanted), _mostRows)))
            self.table.setFixedHeight(height + self.table.horizontalHeader().height + 4)
        self._shown = wanted

    def isChecked(self, row: int) -> bool:
        """Whether the user has checked a row, or left it so."""
        return self.table.item(row, 0).checkState() == qt.Qt.Checked

    def _fill(self, row: int, texts: Sequence[str], checked: bool | None, failed: bool) -> None:
        for column, text in enumerate(texts):
            cell = qt.QTableWidgetItem(text)
            cell.setToolTip(text)
            cell.setFlags(qt.Qt.ItemIsEnabled)
            if column == 0 and checked is not None:
                cell.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
                cell.setCheckState(qt.Qt.Checked if checked else qt.Qt.Unchecked)
            if column == 1 and failed:
                setMark(cell, RED)
            self.table.setItem(row, column, cell)


def _row(item: BatchItem, checked: bool | None, part: float) -> tuple[Any, ...]:
    """What a row shows: its texts, its box, and whether it is one that failed."""
    state = stateTitle(item.state)
    if item.state == WAITING and checked is not None:
        state = ""
    elif item.state == RUNNING and part:
        state = f"{part:.0%}"
    result = item.remark or (item.result.GetName() if item.result is not None else "") or ""
    return (item.title, state, result), checked, item.state == FAILED
