"""The menu of the button that gives the selected cases a role."""

from __future__ import annotations

from collections.abc import Callable

import qt

from ..widgets.connections import Connections
from .case import HELD_OUT, LABELED, UNLABELED
from .list import IGNORED
from .table import roleExplanation, roleTitle


class RoleMenu:
    """One entry a role.

    :param onRole: called with the role that was chosen.
    """

    def __init__(self, button, onRole: Callable[[str], None]) -> None:
        self.menu = qt.QMenu(button)
        self._connections = Connections()
        for role in (LABELED, UNLABELED, HELD_OUT, IGNORED):
            action = self.menu.addAction(roleTitle(role))
            action.setToolTip(roleExplanation(role))
            self._connections.add(action, "triggered(bool)", self._slot(role, onRole))
        button.setMenu(self.menu)

    def cleanup(self) -> None:
        """Disconnect everything."""
        self._connections.clear()

    @staticmethod
    def _slot(role: str, onRole: Callable[[str], None]) -> Callable[[bool], None]:
        def slot(_checked: bool = False) -> None:
            onRole(role)

        return slot
