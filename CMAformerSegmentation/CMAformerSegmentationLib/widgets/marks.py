"""Colored marks beside a text in a table.

Slicer has a light and a dark style, and changes between them while it runs. So text keeps the color that the style
gives it, and what a color has to say is said by a square beside it, in tones that stand out from white and from the
dark style's greys (#1e1e1e, #2d2d2d) alike (contrast 3 or more, as WCAG 2.1 asks of graphics).
"""

from __future__ import annotations

import qt

GREEN, RED, BLUE, PURPLE, GREY = "#388e3c", "#d84343", "#1e88e5", "#a860d0", "#808080"


def setMark(item, color: str) -> None:
    """Put a square of a color before the text of a QTableWidgetItem."""
    item.setData(qt.Qt.DecorationRole, qt.QColor(color))
