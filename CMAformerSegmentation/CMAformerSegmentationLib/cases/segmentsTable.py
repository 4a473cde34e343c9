"""The table in which a user says which structure each segment of the cases is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from ..models.catalog import ModelEntry
from .structures import LEFT_OUT, FoundSegment, SegmentMapping, mappedStructure, matchingStructure, segmentKey

_mostRows = 6  # that are shown without scrolling


class SegmentsTable:
    """A row for each name that segments have, with a list of what it can be.

    :param table: QTableWidget with three columns: segment, cases, learn as.
    :param onChosen: called with a mapping when the user has chosen.
    """

    def __init__(self, table, onChosen: Callable[[dict[str, str]], None]) -> None:
        self.table = table
        self._onChosen = onChosen
        self._rows: list[tuple[FoundSegment, list[str]]] = []
        self._selectors: list[Any] = []  # with their slots
        self._mapping: dict[str, str] = {}
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.horizontalHeader().setSectionResizeMode(2, qt.QHeaderView.Stretch)
        table.verticalHeader().setVisible(False)

    def cleanup(self) -> None:
        """Disconnect everything."""
        self._clear()

    def show(self, found: Sequence[FoundSegment], base: ModelEntry | None, mapping: SegmentMapping) -> None:
        """Show the segments that there are; the table is made anew only where they or the choices have changed.

        :param base: whose structures are offered; None offers the segments' own names alone.
        :param mapping: what the user has said so far.
        """
        self._mapping = dict(mapping)
        bases = [structure.name for structure in base.structures] if base is not None else []
        rows = [(segment, _choices(segment, bases, found)) for segment in found]
        if rows != self._rows:
            self._make(rows)
        for (segment, choices), (selector, _slot) in zip(self._rows, self._selectors):
            own = mappedStructure(segment.structure, self._mapping)
            known = matchingStructure(own, base.structures) if own is not None and base is not None else None
            name = LEFT_OUT if own is None else (known or own).name
            index = next((n for n, choice in enumerate(choices) if segmentKey(choice) == segmentKey(name)), -1)
            wasBlocked = selector.blockSignals(True)
            selector.setCurrentIndex(index)
            selector.blockSignals(wasBlocked)
        self.table.setVisible(bool(found))

    def _make(self, rows: list[tuple[FoundSegment, list[str]]]) -> None:
        self._clear()
        table, self._rows = self.table, rows
        table.setRowCount(len(rows))
        for row, (segment, choices) in enumerate(rows):
            for column, text in enumerate((segment.name, str(segment.cases))):
                item = qt.QTableWidgetItem(text)
                item.setFlags(qt.Qt.ItemIsEnabled)
                item.setToolTip(text)
                table.setItem(row, column, item)
            selector = qt.QComboBox()
            selector.setToolTip(_("What the model learns of this segment."))
            selector.setSizeAdjustPolicy(qt.QComboBox.AdjustToMinimumContentsLengthWithIcon)
            for choice in choices:
                selector.addItem(choice if choice != LEFT_OUT else _("(leave out)"), choice)
            slot = self._slot(row)
            selector.connect("currentIndexChanged(int)", slot)
            table.setCellWidget(row, 2, selector)
            self._selectors.append((selector, slot))
        if rows:
            height = sum(table.rowHeight(row) for row in range(min(len(rows), _mostRows)))
            table.setFixedHeight(height + table.horizontalHeader().height + 4)

    def _clear(self) -> None:
        for selector, slot in self._selectors:
            selector.disconnect("currentIndexChanged(int)", slot)
        self._rows, self._selectors = [], []
        self.table.setRowCount(0)

    def _slot(self, row: int) -> Callable[[int], None]:
        def slot(index: int) -> None:
            segment, choices = self._rows[row]
            self._onChosen({**self._mapping, segment.key: choices[index]})

        return slot


def _choices(segment: FoundSegment, bases: Sequence[str], found: Sequence[FoundSegment]) -> list[str]:
    """What a segment can be: a structure of the base, itself, another segment's structure, or nothing."""
    choices: dict[str, str] = {}
    for name in (*bases, segment.name, *(other.name for other in found)):
        choices.setdefault(segmentKey(name), name)
    return [*choices.values(), LEFT_OUT]
