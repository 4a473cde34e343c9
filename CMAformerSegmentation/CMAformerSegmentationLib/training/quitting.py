"""What becomes of trainings when Slicer is closed: the user is asked while there are some that go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import qt
import slicer
from slicer.i18n import tr as _

from .job import PREPARING, Training, movingStates


class QuitQuestion(qt.QObject):
    """Watches the main window for the wish to close it. It must see every event, so watch only while it matters.

    :param trainings: gives the trainings that there are.
    """

    def __init__(self, trainings: Callable[[], Sequence[Training]]) -> None:
        qt.QObject.__init__(self)
        self._trainings = trainings
        self._window = None

    def watch(self) -> None:
        """Ask from now on."""
        window = slicer.util.mainWindow()
        if self._window is None and window is not None:
            self._window = window
            window.installEventFilter(self)

    def forget(self) -> None:
        """Do not ask any more."""
        if self._window is not None:
            self._window.removeEventFilter(self)
            self._window = None

    def eventFilter(self, _watched, event) -> bool:
        """Called by Qt with every event of the main window; True ends the event here."""
        if event.type() != qt.QEvent.Close or self.mayClose():
            return False
        event.ignore()
        return True

    def mayClose(self) -> bool:
        """Ask what to do with the trainings that go on, and do it; False when Slicer is to stay open."""
        moving = [training for training in self._trainings() if training.state in movingStates]
        if not moving or slicer.app.testingEnabled():
            return True
        answer = self._ask(moving)
        if answer == qt.QMessageBox.No:
            for training in moving:
                training.pause()
        return answer in (qt.QMessageBox.Yes, qt.QMessageBox.No)

    def _ask(self, moving: Sequence[Training]) -> int:
        box = qt.QMessageBox(slicer.util.mainWindow())
        box.setIcon(qt.QMessageBox.Question)
        box.setWindowTitle(_("CMAformer Segmentation"))
        names = ", ".join(training.name for training in moving)
        box.setText(_("A training is not done yet: {names}").format(names=names))
        about = [_("It can go on without Slicer, and waits in the list when Slicer is open again.")]
        if any(training.state == PREPARING for training in moving):
            about.append(_("Its cases are still being saved from the scene; that is lost when Slicer is closed now."))
        box.setInformativeText(" ".join(about))
        box.setStandardButtons(qt.QMessageBox.Yes | qt.QMessageBox.No | qt.QMessageBox.Cancel)
        box.button(qt.QMessageBox.Yes).setText(_("Go on without Slicer"))
        box.button(qt.QMessageBox.No).setText(_("Pause the training"))
        box.button(qt.QMessageBox.Cancel).setText(_("Keep Slicer open"))
        box.setDefaultButton(qt.QMessageBox.Yes)
        answer = box.exec_()
        box.deleteLater()
        return int(answer)
