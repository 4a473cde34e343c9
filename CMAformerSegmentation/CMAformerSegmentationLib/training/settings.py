"""How long and how to train, as the section Fine-tune asks for it."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from ..jobs.environment import deviceArgument
from ..widgets.connections import Connections

# Minutes of each effort; the last one is the user's own.
efforts = (10, 60, 240, 0)


class TrainSettings:
    """The widgets of effort and of the advanced settings. What is left as it is stays with the engine.

    :param onChanged: called with a value when the user changes something.
    """

    def __init__(self, ui, onChanged) -> None:
        self.ui = ui
        names = (_("Quick: 10 minutes"), _("Standard: 1 hour"), _("Thorough: 4 hours"), _("Minutes:"))
        for name, minutes in zip(names, efforts):
            ui.effortSelector.addItem(name, minutes)
        ui.effortSelector.setCurrentIndex(1)
        for selector, items in (
            (ui.trainDeviceSelector, ((_("Automatic"), "auto"), (_("GPU"), "gpu"), (_("CPU"), "cpu"))),
            (ui.teachingSelector, ((_("Label whole volumes"), "volumes"), (_("Mean teacher on patches"), "patches"))),
            (
                ui.constraintSelector,
                (
                    (_("None"), "none"),
                    (_("Quadratic penalty"), "penalty"),
                    (_("Augmented Lagrangian"), "alm"),
                    (_("Logarithmic barrier"), "log-barrier"),
                ),
            ),
        ):
            for name, value in items:
                selector.addItem(name, value)
        selectors = (ui.effortSelector, ui.trainDeviceSelector, ui.teachingSelector, ui.constraintSelector)
        whole = (ui.minutesSpinBox, ui.batchSizeSpinBox, ui.patchSizeSpinBox)
        parts = (ui.learningRateSpinBox, ui.unlabeledWeightSpinBox, ui.contrastSpinBox)
        self._connections = Connections()
        for widgets, signal in (
            (selectors, "currentIndexChanged(int)"),
            (whole, "valueChanged(int)"),
            (parts, "valueChanged(double)"),
        ):
            for widget in widgets:
                self._connections.add(widget, signal, onChanged)
        self.update()

    def cleanup(self) -> None:
        """Disconnect everything."""
        self._connections.clear()

    def update(self) -> None:
        """Ask for minutes only where they are the user's own."""
        self.ui.minutesSpinBox.setVisible(self.ui.effortSelector.currentData == 0)

    @property
    def minutes(self) -> float:
        """How long to train."""
        return float(self.ui.effortSelector.currentData or self.ui.minutesSpinBox.value)

    @property
    def device(self) -> str:
        """Where to train, as the engine calls it."""
        return deviceArgument(str(self.ui.trainDeviceSelector.currentData))

    @property
    def recipe(self) -> dict[str, Any]:
        """Entries of the engine's recipe that the user has changed."""
        ui = self.ui
        entries = {
            "learning_rate": (round(ui.learningRateSpinBox.value, 5), 0.0),
            "batch_size": (ui.batchSizeSpinBox.value, 0),
            "patch": (ui.patchSizeSpinBox.value, 0),
            "teaching": (ui.teachingSelector.currentData, "volumes"),
            "unlabeled_weight": (round(ui.unlabeledWeightSpinBox.value, 2), 1.0),
            "constraint": (ui.constraintSelector.currentData, "none"),
            "contrast_weight": (round(ui.contrastSpinBox.value, 2), 0.0),
        }
        return {name: value for name, (value, usual) in entries.items() if value != usual}
