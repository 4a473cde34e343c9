"""The panel's side of a check of cases: one at a time, and what was found, as long as the list is the same."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import qt

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

    def start(self, request: TrainingRequest, makeCheck: Callable[..., CaseCheck] | None = None) -> None:
        """Check the cases of a request.

        :param makeCheck: makes another kind of check.
        :raises OSError: when the temporary folder cannot be made.
        """
        self.forget()
        self._check = (makeCheck or self._makeCheck)(request, trainingsFolder() / f".check-{secrets.token_hex(4)}")
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
        return check.outcome() if check.done else check.status

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
