"""Errors that the engine can explain to the person in front of it."""

from __future__ import annotations


class EngineError(Exception):
    """Something went wrong that the user can understand and often mend.

    ``code`` is stable and kebab-case (programs switch on it), ``message`` one plain sentence that names no patient and
    no folder, ``hint`` what to do next (may be empty).
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(code, message, hint)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ModelError(EngineError):
    """A model folder is missing, damaged or of another kind."""


class ImageError(EngineError):
    """An image cannot be read, written or used."""


class JobError(EngineError):
    """A job folder is damaged, in use, or asks for something unknown."""


class CancelledError(EngineError):
    """The user asked to stop."""

    def __init__(self, message: str = "Stopped on request.") -> None:
        super().__init__("cancelled", message)

    def __reduce__(self) -> tuple[type[CancelledError], tuple[str]]:
        # The default would call the class with the three arguments of EngineError.
        return type(self), (self.message,)
