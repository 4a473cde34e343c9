"""The card at the top of the panel: what this computer can do, and the button that mends what is missing."""

from __future__ import annotations

import logging
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..jobs import environment
from ..models.catalog import ModelEntry
from ..widgets.duration import duration
from ..widgets.hub import Hub
from ..widgets.section import SectionPanel
from .probe import ASKING, FAILED, KNOWN, ComputerProbe, megapixels
from .torchInstaller import CANCELLED, DONE, RUNNING, TorchInstaller, isTooOld, oldestTorch

_milliseconds = 300
pendingKey = "CMAformer/InstallPending"


def extensionsManager():
    """Slicer's extensions manager; None in a Slicer that was built without it, which has not even the name."""
    make = getattr(slicer.app, "extensionsManagerModel", None)
    return make() if make is not None else None


class ComputerCard(SectionPanel):
    """Looks at the computer when the module is entered, in the background, and installs PyTorch on request."""

    uiFile = "computer.ui"

    def __init__(self, ui, logic, hub: Hub) -> None:
        super().__init__(ui, logic, hub)
        self.torch = environment.TorchProbe()
        self.probe = ComputerProbe()
        self.installer = TorchInstaller(Path(slicer.app.temporaryPath) / "CMAformer" / "install.log")
        self._offline = False
        self._asked = ""  # the model that the probe was asked about
        self._hasCard = environment.hasNvidiaCard()
        # Of models that have segmented here, on each device: better known than from the probe.
        self._rates: dict[tuple[str, str], float] = {}
        self._timer = qt.QTimer()
        self._timer.setInterval(_milliseconds)
        self.connections.add(ui.installButton, "clicked(bool)", self.onInstall)
        self.connections.add(ui.installFolderButton, "clicked(bool)", self.onInstallFromFolder)
        self.connections.add(ui.cancelInstallButton, "clicked(bool)", self.onCancel)
        self.connections.add(self._timer, "timeout()", self._look)
        hub.computerProblem = self.problem
        self.listen(hub.choicesChanged, self._onChoices)
        self.listen(hub.volumeSegmented, self._onSegmented)

    def cleanup(self) -> None:
        """Stop what runs, and disconnect."""
        self._timer.stop()
        super().cleanup()
        self.torch.stop()
        self.probe.stop()
        self.installer.cancel()

    def refresh(self) -> None:
        """Look again whether PyTorch is there: it may have been installed elsewhere meanwhile."""
        if self.torch.state in ("missing", "broken"):
            self.torch.restart()
        self._timer.start()
        self.update()

    def problem(self) -> str:
        """Why the engine cannot run, in words; an empty string when it can, or when that is not known yet."""
        if self.installer.state == RUNNING:
            return _("PyTorch is being installed.")
        return environment.missingTorchMessage(self.torch.state)

    def _onChoices(self) -> None:
        """Tell about another volume or model from now on."""
        entry = self.hub.choices.model
        if entry is not None and self._asked and entry.id != self._asked:
            self._timer.start()
        self.update()

    def _onSegmented(self, volumeNode, entry: ModelEntry, device: str, seconds: float) -> None:
        """A whole volume took so long on a device, as the engine calls it: the next one like it will, too."""
        if volumeNode is not None and volumeNode.GetImageData() is not None and seconds > 0:
            self._rates[entry.id, device] = seconds / megapixels(volumeNode, entry)

    def update(self) -> None:
        """Bring the widgets up to date."""
        ui, installing = self.ui, self.installer.state == RUNNING
        self.hub.engineIsReady = self.torch.state == "present" and not installing
        missing = self.torch.state == "missing" and environment.usesOwnPython()
        facts = self.probe.facts if self.probe.state == KNOWN else None
        replace = environment.usesOwnPython() and facts is not None and self._wantsAnother()
        ui.computerLabel.text = self._words()
        ui.installButton.setVisible((missing or replace) and not installing)
        if replace:
            ui.installButton.text = _("Install another PyTorch...")
        elif self._isPending():
            ui.installButton.text = _("Go on installing PyTorch...")
        else:
            ui.installButton.text = _("Install PyTorch...")
        ui.installFolderButton.setVisible((missing or replace) and not installing and self._offline)
        ui.cancelInstallButton.setVisible(installing)
        ui.installProgressBar.setVisible(installing)
        self._showLog(installing)

    def onInstall(self, _checked: bool = False) -> None:
        """Install PyTorch from the Internet, once the user has agreed."""
        question = _(
            "PyTorch, the library that runs the models, will be downloaded and installed into Slicer: about 0.2 GB, "
            "and up to 3 GB for a computer with an NVIDIA graphics card. Slicer can be used meanwhile. Install it?"
        )
        if not slicer.util.confirmYesNoDisplay(question):
            return
        qt.QSettings().setValue(pendingKey, True)
        if not self._hasExtension():
            self._message = _("Installing the PyTorch extension...")
            self.update()
            qt.QTimer.singleShot(100, self._installExtension)  # after the sentence has been painted
            return
        self._start()

    def onInstallFromFolder(self, _checked: bool = False) -> None:
        """Install from wheels that were brought along."""
        folder = qt.QFileDialog.getExistingDirectory(
            self.ui.installFolderButton, _("Folder with the wheels of PyTorch and of what it needs"), ""
        )
        if folder:
            self._start(folder)

    def onCancel(self, _checked: bool = False) -> None:
        """Stop the installation."""
        self.installer.cancel()
        self._ended()

    def _installExtension(self) -> None:
        # With the extension, the user finds PyTorch where Slicer's users expect it, and can remove it. No restart is
        # needed: the engine runs in a process of its own. Slicer's manager waits here for the server, some seconds.
        manager = extensionsManager()
        wasInteractive, installed = manager.interactive, False
        manager.interactive = False  # the user has been asked
        try:
            installed = manager.installExtensionFromServer("PyTorch", False)
        finally:
            manager.interactive = wasInteractive
        if not installed:
            logging.warning("CMAformer: the PyTorch extension could not be installed; going on without it")
        self._start()

    def _start(self, folder: str | None = None) -> None:
        self._message, self._offline = "", False
        self.probe.stop()  # it and the engine hold files of the PyTorch that there is
        self.logic.runner.rest()
        self.installer.start(folder, replace=self.torch.state == "present")
        self._timer.start()
        self.update()
        self.hub.computerChanged.emit()

    def _ended(self) -> None:
        problem = self.installer.problem
        if self.installer.state == DONE:
            self._message = ""
            qt.QSettings().remove(pendingKey)
        elif self.installer.state == CANCELLED:
            self._message = _("The installation of PyTorch was cancelled.")
            qt.QSettings().remove(pendingKey)
        elif problem is not None:
            logging.error("CMAformer: PyTorch could not be installed (%s)", problem.code)
            self._message = str(problem)
            self._offline = problem.code in ("no-network", "no-wheel")
        self._asked = ""
        self.torch.restart()
        self._timer.start()
        self.update()
        self.hub.computerChanged.emit()

    def _look(self) -> None:
        if self.installer.state == RUNNING:
            if self.installer.poll() != RUNNING:
                self._ended()
            else:
                self.update()
            return
        before = (self.torch.state, self.probe.state)
        if self.torch.poll() == "present":
            self._ask()
        self.probe.poll()
        if (self.torch.state, self.probe.state) != before:
            self.update()
            self.hub.computerChanged.emit()
        if self.torch.state != "unknown" and self.probe.state != ASKING and not self.hub.choices.isRunning:
            self._timer.stop()

    def _ask(self) -> None:
        """Ask the engine once, and again for another model."""
        modelId = self.hub.choices.model.id if self.hub.choices.model is not None else ""
        isAnswered = self.probe.state in (KNOWN, FAILED) and modelId == self._asked
        if self.probe.state != ASKING and not isAnswered and not self.hub.choices.isRunning:
            self._asked = modelId
            self.probe.start(modelId)

    def _hasExtension(self) -> bool:
        manager = extensionsManager()
        return manager is None or bool(manager.isExtensionInstalled("PyTorch"))

    def _isPending(self) -> bool:
        return slicer.util.settingsValue(pendingKey, False, converter=slicer.util.toBool)

    def _wantsAnother(self) -> bool:
        """Whether the PyTorch that there is should be another: too old, or without the graphics card."""
        facts = self.probe.facts
        assert facts is not None
        return isTooOld(facts.torch) or bool(facts.gpuProblem) or self._leavesCardIdle()

    def _leavesCardIdle(self) -> bool:
        facts = self.probe.facts
        return facts is not None and facts.device == "cpu" and not facts.gpuProblem and self._hasCard

    def _words(self) -> str:
        if self.installer.state == RUNNING:
            text = _("Installing PyTorch, {time} so far. Slicer can be used meanwhile. {line}")
            return text.format(time=duration(self.installer.seconds), line=self.installer.lastLine()).strip()
        if self._message:
            return self._message
        if self.torch.state == "missing" and environment.usesOwnPython():
            if self._isPending():
                return _("The installation of PyTorch was not finished. Use the button to go on.")
            return _("PyTorch, the library that runs the models, is not installed yet. It is needed once.")
        problem = environment.missingTorchMessage(self.torch.state)
        if problem:
            return problem
        facts = self.probe.facts
        if self.probe.state == FAILED:
            return _("It could not be found out what this computer can do. Segmenting may work all the same.")
        if self.probe.state != KNOWN or facts is None:
            return _("Looking at this computer...")
        parts = [facts.deviceText, _("PyTorch {version}").format(version=facts.torch)]
        seconds = self._seconds()
        if seconds is not None:
            parts.append(_("about {time} for this volume").format(time=duration(seconds)))
        sentences = [" · ".join(parts) + "."]
        if isTooOld(facts.torch):
            sentences.append(_("PyTorch {version} or newer is wanted.").format(version=oldestTorch))
        elif facts.gpuProblem:
            text = _("The graphics card does not work with this PyTorch ({why}), so the CPU is used.")
            sentences.append(text.format(why=facts.gpuProblem))
        elif self._leavesCardIdle():
            sentences.append(_("There is an NVIDIA graphics card, but this PyTorch is for the CPU alone."))
        return " ".join(sentences)

    def _seconds(self) -> float | None:
        """About how long the chosen model takes for the chosen volume; None where that is not known."""
        choices, facts = self.hub.choices, self.probe.facts
        entry, node = choices.model, choices.volumeNode
        if entry is None or facts is None or node is None or node.GetImageData() is None:
            return None
        rate = self._rates.get((entry.id, facts.device), facts.rate(entry))
        return None if rate is None else rate * megapixels(node, entry)

    def _showLog(self, installing: bool) -> None:
        failed = self.installer.problem is not None and bool(self._message)
        self.ui.installLogGroupBox.setVisible(installing or failed)
        if installing or failed:
            text = self.installer.log()
            if self.ui.installLogView.plainText != text:
                self.ui.installLogView.setPlainText(text)
                bar = self.ui.installLogView.verticalScrollBar()
                bar.setValue(bar.maximum)
