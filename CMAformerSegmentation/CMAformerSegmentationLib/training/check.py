"""The engine's look at the cases before a training: what each is, what is wrong with it, and what to do.

Cases of the scene are saved into a temporary folder first; the engine runs in a process of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from cmaformer.door.files import write_json
from cmaformer.door.names import CASES

from ..cases.export import CaseExport
from ..jobs.background import BackgroundCall
from ..jobs.engineCall import startEngine
from ..jobs.environment import engineCommand, engineEnvironment, modelsArguments
from ..jobs.job import JobProblem
from ..jobs.privateFolders import makePrivate, sweep
from ..jobs.processes import killGroup
from .problems import preparationProblem
from .request import TrainingRequest

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class CaseFinding:
    """One thing to know. `case` counts the cases of the request from 1; None: it is about all of them."""

    severity: str
    case: int | None
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class CaseCheck:
    """A check that runs. Call `poll()` until `done`.

    :param folder: a temporary folder, made here and removed at the end.
    :param run: replaces the engine in tests: takes the arguments, returns the exit code and what was printed.
    :ivar estimate: the engine's, of what fits into the minutes: "iterations", "few" and more; empty where not known.
    :ivar findings: errors first. :ivar problem: why there is no report; None where there is one.
    """

    def __init__(
        self,
        request: TrainingRequest,
        folder: Path,
        run: Callable[[Sequence[str]], tuple[int, str]] | None = None,
    ) -> None:
        self.done = False
        self.findings: list[CaseFinding] = []
        self.estimate: dict[str, Any] = {}
        self.problem: JobProblem | None = None
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._run = run or self._engine(engineEnvironment())
        self._command = engineCommand(self._arguments(request))
        makePrivate(folder)
        write_json(folder / "recipe.json", request.recipe())
        self._export: CaseExport | None = CaseExport(request.cases, request.structures, folder, request.mapping)
        self._work: BackgroundCall | None = None

    def _arguments(self, request: TrainingRequest) -> list[str]:
        """What the engine is asked to do."""
        arguments = ["check", "--cases", str(self._folder / CASES), "--json"]
        arguments += ["--minutes", str(request.minutes), "--device", request.device]
        arguments += ["--recipe", str(self._folder / "recipe.json")]
        return arguments + (["--base", request.base.id, *modelsArguments()] if request.base is not None else [])

    @property
    def status(self) -> str:
        """What happens now, in words."""
        if self._export is not None:
            return _("Saving the cases: {done} of {total}.").format(done=self._export.count, total=self._export.total)
        return self._working()

    def _working(self) -> str:
        return _("Looking at the cases...")

    def outcome(self) -> str:
        """What came out, in words, once it is done."""
        if self.problem is not None:
            return str(self.problem)
        errors = sum(finding.severity == ERROR for finding in self.findings)
        others = len(self.findings) - errors
        if errors:
            text = _("The check found problems that must be solved first: {errors}; further remarks: {others}.")
        elif others:
            text = _("The check found nothing that stops a training; remarks: {others}.")
        else:
            text = _("No problems found.")
        general = [str(finding) for finding in self.of(None)]
        return " ".join([text.format(errors=errors, others=others), *general, *_fit(self.estimate)])

    def poll(self) -> None:
        """Take the next step. Quick; never raises."""
        if self.done:
            return
        if self._export is not None:
            self._export.poll()
            if self._export.error is not None:
                self._end(preparationProblem(self._export.error))
            elif self._export.done:
                self._export = None
                self._work = BackgroundCall(self._sweepAndRun)
        elif self._work is not None and self._work.done:
            self._read(self._work)

    def _sweepAndRun(self) -> tuple[int, str]:
        sweep(self._folder.parent)  # copies of images that a Slicer left that was killed
        return self._run(self._command)

    def cancel(self) -> None:
        """Nobody wants to know any more."""
        process = self._process
        if process is not None and process.poll() is None:
            killGroup(process.pid)
        self._end(JobProblem("cancelled", _("The check was stopped.")))

    @property
    def ok(self) -> bool:
        """Whether a training may start."""
        return self.problem is None and not any(finding.severity == ERROR for finding in self.findings)

    def of(self, case: int | None) -> list[CaseFinding]:
        """The findings about one case, by its number from 1, or about all of them."""
        return [finding for finding in self.findings if finding.case == case]

    def _read(self, work: BackgroundCall) -> None:
        if work.error is not None:
            reason = getattr(work.error, "strerror", None) or type(work.error).__name__
            message = _("The cases cannot be checked ({reason}).").format(reason=reason)
            return self._end(JobProblem("engine-start", message, _("Check the Python program in the settings.")))
        _code, text = work.result
        answer = _lastObject(text)
        if self._take(answer):
            return self._end(None)
        if answer.get("type") == "error":
            return self._end(JobProblem(*(str(answer.get(key) or "") for key in ("code", "message", "hint"))))
        self._end(JobProblem("engine-stopped", _("The check stopped before it was done."), text[-500:]))

    def _take(self, answer: dict[str, Any]) -> bool:
        """Take over what the engine has found; False where this is no answer to what was asked."""
        if "findings" not in answer:
            return False
        for entry in answer["findings"]:
            texts = (str(entry.get(key) or "") for key in ("message", "hint"))
            self.findings.append(CaseFinding(str(entry.get("severity")), entry.get("case"), *texts))
        self.estimate = answer.get("estimate") or {}
        return True

    def _end(self, problem: JobProblem | None) -> None:
        self.problem, self.done, self._work, self._export = problem, True, None, None
        folder = self._folder
        self._cleaning = BackgroundCall(lambda: shutil.rmtree(folder, ignore_errors=True))

    def _engine(self, environment: dict[str, str]) -> Callable[[Sequence[str]], tuple[int, str]]:
        def run(command: Sequence[str]) -> tuple[int, str]:
            self._process = startEngine(command, environment)
            output = self._process.communicate()[0]
            return self._process.returncode, output.decode("utf-8", "replace")

        return run


def _fit(known: dict[str, Any]) -> list[str]:
    """What fits into the time, in words."""
    if not known:
        return []
    steps = int(known["iterations"])
    words = [_("About {steps} training steps fit into the time on this computer.").format(steps=steps)]
    if known.get("few"):
        words.append(_("That is short: 30 minutes are recommended."))
    return words


def _lastObject(text: str) -> dict[str, Any]:
    """The last line of a text that is a JSON object."""
    for line in reversed(text.splitlines()):
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            return content
    return {}
