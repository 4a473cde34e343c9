"""How a panel looks: Slicer's two styles, larger fonts, what is cut off, and where Tab goes.

The dark colours are those of Slicer's qSlicerDarkStyle that text stands on or is written in; the light ones are those
usual in light styles.
"""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

_styles = {
    "light": {"Window": "#f0f0f0", "Base": "#ffffff", "Button": "#f0f0f0", "Text": "#000000", "Link": "#0000ff"},
    "dark": {"Window": "#323232", "Base": "#1e1e1e", "Button": "#323232", "Text": "#ffffff", "Link": "#3ca4ff"},
}
# What texts in tables stand on; qSlicerDarkStyle has had both dark ones.
TABLES = ("#ffffff", "#1e1e1e", "#2d2d2d")
_disabled = {"light": "#787878", "dark": "#6d6d6d"}
_rolesOfText = ("WindowText", "Text", "ButtonText")


def palette(style: str) -> QtGui.QPalette:
    """The colours of the style "light" or "dark"."""
    roles = QtGui.QPalette.ColorRole
    colors = {name: QtGui.QColor(color) for name, color in _styles[style].items()}
    made = QtGui.QPalette(colors["Button"], colors["Window"])
    for name in ("Base", "Link"):
        made.setColor(roles[name], colors[name])
    for name in _rolesOfText:
        made.setColor(roles[name], colors["Text"])
        made.setColor(QtGui.QPalette.ColorGroup.Disabled, roles[name], QtGui.QColor(_disabled[style]))
    made.setColor(roles.AlternateBase, colors["Window"])
    faint = QtGui.QColor(colors["Text"])
    faint.setAlpha(128)
    made.setColor(roles.PlaceholderText, faint)
    return made


def setLooks(style: str, points: float) -> None:
    """Show everything in a style of Slicer, with letters of a size in points."""
    app = QtWidgets.QApplication.instance()
    app.setPalette(palette(style))
    font = app.font()
    font.setPointSizeF(points)
    app.setFont(font)


def contrast(one: QtGui.QColor, other: QtGui.QColor) -> float:
    """Contrast of two colours, 1 to 21, after WCAG 2.1."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def cutOff(widget) -> list[str]:
    """What does not fit: visible widgets that end outside, texts of buttons and labels that are wider or higher."""
    root = _native(widget)
    found = []
    for child in root.findChildren(QtWidgets.QWidget):
        if not child.isVisible():
            continue
        place = child.mapTo(root, QtCore.QPoint(0, 0))
        tooWide = place.x() + child.width() > root.width() and not _scrolled(child, root)
        if isinstance(child, QtWidgets.QLabel) and child.wordWrap():
            tooHigh = child.heightForWidth(child.width()) > child.height()
        else:
            tooHigh = False
            if isinstance(child, (QtWidgets.QAbstractButton, QtWidgets.QLabel)) and child.text():
                tooWide = tooWide or child.sizeHint().width() > child.width()
        if tooWide or tooHigh:
            found.append(child.objectName() or child.text())
    return found


def tabOrder(widget) -> list[tuple[str, int, int]]:
    """The widgets that Tab goes to, one after the other: name, and upper left corner (y, x) in the panel."""
    root = _native(widget)
    root.setFocus()
    order, seen = [], []
    # QWidget.nextInFocusChain would be shorter, but PySide takes what it returns for a child of the widget that was
    # asked: when that one goes, all wrappers of the panel would count as deleted. Here that is the root.
    while root.focusNextChild():
        child = root.focusWidget()
        if child in seen:
            return order
        seen.append(child)
        if child is not root:
            place = child.mapTo(root, QtCore.QPoint(0, 0))
            order.append((child.objectName(), place.y(), place.x()))
    raise RuntimeError("Tab leaves the panel")


def _native(widget):
    return widget._qt if hasattr(widget, "_qt") else widget


def _scrolled(child, root) -> bool:
    """Whether a widget is in something that scrolls."""
    while child is not root:
        child = child.parentWidget()
        if isinstance(child, QtWidgets.QAbstractScrollArea):
            return True
    return False


def _luminance(color: QtGui.QColor) -> float:
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color.getRgbF()[:3]]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
