"""What the sections of the panel have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .connections import Connections
from .hub import Hub, Signal


class SectionPanel:
    """A section: connects the widgets of its own .ui file to the logic. It owns no data that matters.

    :cvar uiFile: name of the file in the folder Resources/UI.
    :cvar place: name of the widget of another section in whose layout it stands; empty for the panel itself.
    :cvar button: name of the button that folds it; empty where nothing does.
    :param ui: its widgets by name.
    :param logic: of the module.
    :param hub: what the sections tell each other.
    """

    uiFile = ""
    place = ""
    button = ""

    def __init__(self, ui: Any, logic: Any, hub: Hub) -> None:
        self.ui, self.logic, self.hub = ui, logic, hub
        self.connections = Connections()
        self._heard: list[tuple[Signal, Callable[..., Any]]] = []
        self._parameterNode: Any = None
        self._message = ""  # replaces the usual status until the user changes something
        if self.button:
            self.connections.add(getattr(ui, self.button), "contentsCollapsed(bool)", self._onFolded)
        self.listen(hub.sectionOpened, self.update)

    def listen(self, signal: Signal, slot: Callable[..., Any]) -> None:
        """Call a method whenever another section tells something."""
        signal.connect(slot)
        self._heard.append((signal, slot))

    def say(self, message: str) -> None:
        """Say something in the status line; an empty string gives the usual status back."""
        self._message = message
        self.update()

    def setParameterNode(self, parameterNode: Any) -> None:
        """Show the choices of a parameter node; None while there is no scene or another module is open."""
        self._parameterNode = parameterNode
        self.update()

    def onParameterNodeModified(self) -> None:
        """The choices in the scene have changed."""

    def refresh(self) -> None:
        """Look again at what may have changed meanwhile: models, files, the scene."""
        self.update()

    def update(self) -> None:
        """Bring every widget up to date."""

    def cleanup(self) -> None:
        """Disconnect everything."""
        self.connections.clear()
        for signal, slot in self._heard:
            signal.disconnect(slot)
        self._heard = []
        self._parameterNode = None

    def _onFolded(self, collapsed: bool) -> None:
        if not collapsed:
            self.hub.sectionOpened.emit()
