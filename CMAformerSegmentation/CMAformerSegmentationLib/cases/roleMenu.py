"""The menu that gives the selected cases a role: of a button, and where the role of a case is clicked."""

from __future__ import annotations

from collections.abc import Callable

import qt

from ..widgets.connections import Connections
from .case import HELD_OUT, LABELED, UNLABELED
from .list import IGNORED
from .table import ROLE, roleExplanation, roleTitle


class RoleMenu:
    """One entry a role.

    :param button: shows the menu.
    :param table: of the cases; a click on a role shows it, too. It has selected that case, or it is one of several.
    :param onRole: called with the role that was chosen.
    """

    def __init__(self, button, table, onRole: Callable[[str], None]) -> None:
        self.menu = qt.QMenu(button)
        self._connections = Connections()
        for role in (LABELED, UNLABELED, HELD_OUT, IGNORED):
            action = self.menu.addAction(roleTitle(role))
            action.setToolTip(roleExplanation(role))
            self._connections.add(action, "triggered(bool)", self._slot(role, onRole))
        button.setMenu(self.menu)
        self._connections.add(table, "cellClicked(int,int)", self.onCellClicked)

    def cleanup(self) -> None:
        """Disconnect everything."""
        self._connections.clear()

    def onCellClicked(self, _row: int, column: int) -> None:
        """Show the menu where a role was clicked."""
        if column == ROLE:
            self.menu.popup(qt.QCursor.pos())

    @staticmethod
    def _slot(role: str, onRole: Callable[[str], None]) -> Callable[[bool], None]:
        def slot(_checked: bool = False) -> None:
            onRole(role)

        return slot
