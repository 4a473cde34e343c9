"""The table of the structures that were found, with their volumes."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from .result import SegmentationResult

_visibleRows = 12


def fillStructures(table, result: SegmentationResult) -> None:
    """Show the structures of a result: color, name, volume in ml, voxels, mean of the image.

    Does nothing when the table shows them already, so that it can be called at every update.

    :param table: QTableWidget with five columns.
    """
    shown = f"{result.key} {result.recounts}"
    if table.property("shownResult") == shown:
        return
    table.setProperty("shownResult", shown)
    found = {item.get("value"): item for item in result.structures}
    table.setRowCount(len(result.model.structures))
    for row, structure in enumerate(result.model.structures):
        swatch = qt.QTableWidgetItem()
        swatch.setBackground(qt.QBrush(qt.QColor(*(round(255 * c) for c in structure.color))))
        numbers = [qt.QTableWidgetItem(text) for text in _numbers(found.get(structure.value, {}))]
        for item in numbers:
            item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
        name = qt.QTableWidgetItem(_name(structure, found))
        for column, item in enumerate((swatch, name, *numbers)):
            item.setFlags(qt.Qt.ItemIsEnabled)
            table.setItem(row, column, item)
    table.setColumnWidth(0, 24)
    table.setWordWrap(False)
    rows = sum(table.rowHeight(row) for row in range(min(len(result.model.structures), _visibleRows)))
    table.setFixedHeight(rows + table.horizontalHeader().height + 4)


def structuresText(result: SegmentationResult) -> str:
    """The table as text, a line a structure and a tab between columns, for a spreadsheet."""
    return "".join("\t".join(row) + "\n" for row in structureRows(result))


def structureRows(result: SegmentationResult) -> list[tuple[str, ...]]:
    """The cells of the table, with its titles."""
    found = {item.get("value"): item for item in result.structures}
    rows: list[tuple[str, ...]] = [(_("Structure"), _("Volume (ml)"), _("Voxels"), _("Mean intensity"))]
    rows += [(_name(s, found), *_numbers(found.get(s.value, {}))) for s in result.model.structures]
    return rows


def _name(structure, found: dict[Any, Any]) -> str:
    """What to call a structure: it tells where the user has corrected what the model found."""
    corrected = found.get(structure.value, {}).get("corrected")
    return _("{name} (corrected)").format(name=structure.name) if corrected else structure.name


def _numbers(structure: dict[Any, Any]) -> tuple[str, str, str]:
    """Volume in ml, voxels and mean of the image, as text; empty where they are not known."""
    volume, voxels, mean = (structure.get(key) for key in ("volume_ml", "voxels", "mean"))
    return (
        f"{volume:.1f}" if isinstance(volume, (int, float)) else "",
        f"{voxels}" if isinstance(voxels, int) else "",
        f"{mean:.4g}" if isinstance(mean, (int, float)) else "",
    )
