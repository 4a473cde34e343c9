"""The table of the structures that were found, with their volumes."""

from __future__ import annotations

import qt

from .segmentation import SegmentationTask

_visibleRows = 12


def fillStructures(table, task: SegmentationTask) -> None:
    """Show the structures of a finished segmentation: color, name, volume in ml.

    Does nothing when the table shows them already, so that it can be called at every update.

    :param table: QTableWidget with three columns.
    """
    if table.property("shownJob") == task.job.id:
        return
    table.setProperty("shownJob", task.job.id)
    found = {item.get("value"): item for item in task.summary.get("structures", [])}
    table.setRowCount(len(task.model.structures))
    for row, structure in enumerate(task.model.structures):
        swatch = qt.QTableWidgetItem()
        swatch.setBackground(qt.QBrush(qt.QColor(*(round(255 * c) for c in structure.color))))
        volume = qt.QTableWidgetItem(_volumeText(found.get(structure.value, {})))
        volume.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
        for column, item in enumerate((swatch, qt.QTableWidgetItem(structure.name), volume)):
            item.setFlags(qt.Qt.ItemIsEnabled)
            table.setItem(row, column, item)
    table.setColumnWidth(0, 24)
    rows = sum(table.rowHeight(row) for row in range(min(len(task.model.structures), _visibleRows)))
    table.setFixedHeight(rows + table.horizontalHeader().height + 4)


def _volumeText(structure: dict) -> str:
    volume = structure.get("volume_ml")
    return f"{volume:.1f}" if isinstance(volume, (int, float)) else ""
