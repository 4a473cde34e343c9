"""The panel's side of a check of cases: one at a time, and what was found, as long as the list is the same."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from ..jobs.environment import trainingsFolder
from .check import ERROR, CaseCheck
from .request import TrainingRequest

_milliseconds = 20  # threads save cases and wait for the engine: see BackgroundCall


class CaseChecker:
    """Starts checks and watches them with a timer.

    :param onChanged: called when a check has come on or has ended.
    :param makeCheck: makes the check; replaced in tests.
    """

    def __init__(self, onChanged: Callable[[], None], makeCheck: Callable[..., CaseCheck] = CaseCheck) -> None:
        self._onChanged = onChanged
        self._makeCheck = makeCheck
        self._check: CaseCheck | None = None
        self._shown = ""
        self._timer = qt.QTimer()
        self._timer.setInterval(_milliseconds)
        self._timer.connect("timeout()", self.poll)

    @property
    def isRunning(self) -> bool:
        return self._check is not None and not self._check.done

    @property
    def blocks(self) -> bool:
        """Whether the check has found what a training must not start with."""
        return self._check is not None and self._check.done and not self._check.ok and self._check.problem is None

    @property
    def broken(self) -> set[int]:
        """Numbers, from 1, of the cases of the request that have errors, where a training can go on without them."""
        check = self._check
        if check is None or not self.blocks:
            return set()
        errors = {finding.case for finding in check.findings if finding.severity == ERROR}
        return set() if None in errors else {case for case in errors if case is not None}

    def start(self, request: TrainingRequest) -> None:
        """Check the cases of a request.

        :raises OSError: when the temporary folder cannot be made.
        """
        self.forget()
        self._check = self._makeCheck(request, trainingsFolder() / f".check-{secrets.token_hex(4)}")
        self._timer.start()
        self.poll()

    def forget(self) -> None:
        """The list has changed, or nobody wants to know any more."""
        self._timer.stop()
        if self.isRunning and self._check is not None:
            self._check.cancel()
        self._check, self._shown = None, ""

    def cleanup(self) -> None:
        """Stop, and disconnect."""
        self.forget()
        self._timer.disconnect("timeout()", self.poll)

    def findings(self, number: int) -> str:
        """What was found about a case of the request, by its number from 1, in words."""
        done = self._check is not None and self._check.done
        return " ".join(str(finding) for finding in self._check.of(number)) if done and self._check is not None else ""

    def words(self) -> str:
        """What the check does, or what it has found, in words; an empty string when there is none."""
        check = self._check
        if check is None:
            return ""
        if not check.done:
            return check.status
        if check.problem is not None:
            return str(check.problem)
        errors = sum(finding.severity == ERROR for finding in check.findings)
        others = len(check.findings) - errors
        if errors:
            text = _("The check found problems that must be solved first: {errors}; further remarks: {others}.")
        elif others:
            text = _("The check found nothing that stops a training; remarks: {others}.")
        else:
            text = _("The check found nothing to remark.")
        general = [str(finding) for finding in check.of(None)]
        return " ".join([text.format(errors=errors, others=others), *general, *_estimate(check.estimate)])

    def poll(self) -> None:
        """Move the check on."""
        if self._check is None:
            return
        self._check.poll()
        if self._check.done:
            self._timer.stop()
        if self._check.done or self._check.status != self._shown:
            self._shown = self._check.status
            self._onChanged()


def _estimate(known: dict[str, Any]) -> list[str]:
    """What fits into the time, in words."""
    if not known:
        return []
    steps = int(known["iterations"])
    words = [_("About {steps} training steps fit into the time on this computer.").format(steps=steps)]
    if known.get("few"):
        words.append(_("That is little: give it more time."))
    return words
