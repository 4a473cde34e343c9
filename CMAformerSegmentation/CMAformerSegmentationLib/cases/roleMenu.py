"""The menu that gives the selected cases a role: of a button, and where the role of a case is clicked."""

from __future__ import annotations

from collections.abc import Callable

import qt

from ..widgets.connections import Connections
from .case import HELD_OUT, LABELED, UNLABELED
from .list import IGNORED
from .table import ROLE, roleExplanation, roleTitle, selectedRows


class RoleMenu:
    """One entry a role.

    :param button: shows the menu.
    :param table: of the cases; a click on the role of a selected case shows it, too, unless it is to select more.
    :param onRole: called with the role that was chosen.
    """

    def __init__(self, button, table, onRole: Callable[[str], None]) -> None:
        self.menu = qt.QMenu(button)
        self._connections, self._table = Connections(), table
        for role in (LABELED, UNLABELED, HELD_OUT, IGNORED):
            action = self.menu.addAction(roleTitle(role))
            action.setToolTip(roleExplanation(role))
            self._connections.add(action, "triggered(bool)", self._slot(role, onRole))
        button.setMenu(self.menu)
        self._connections.add(table, "cellClicked(int,int)", self.onCellClicked)

    def cleanup(self) -> None:
        """Disconnect everything."""
        self._connections.clear()

    def onCellClicked(self, row: int, column: int) -> None:
        """Show the menu where a role was clicked."""
        selecting = int(qt.QApplication.keyboardModifiers()) & int(qt.Qt.ShiftModifier | qt.Qt.ControlModifier)
        if column == ROLE and row in selectedRows(self._table) and not selecting:
            self.menu.popup(qt.QCursor.pos())

    @staticmethod
    def _slot(role: str, onRole: Callable[[str], None]) -> Callable[[bool], None]:
        def slot(_checked: bool = False) -> None:
            onRole(role)

        return slot
