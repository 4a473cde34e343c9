"""What a training has told so far: the loss, and the Dice on the held-out cases."""

from __future__ import annotations

from typing import Any


class TrainingHistory:
    """Filled from the events of a training.

    :ivar losses: (iteration, loss) of the engine's reports, in the order of the iterations.
    :ivar looks: what the looks at the held-out cases found: dictionaries with "iteration", "phase", "dice" (of the
      teacher, by value of the structure), "dice_mean", and "student" with the same of the student.
    :ivar before: Dice of the base model on the held-out cases, by value of the structure; None without a base.
    :ivar phase: "supervised", "semi-supervised", or empty before the first report.
    """

    def __init__(self) -> None:
        self.losses: list[tuple[int, float]] = []
        self.looks: list[dict[str, Any]] = []
        self.before: dict[str, float] | None = None
        self.phase = ""

    def take(self, event: dict[str, Any]) -> None:
        """Take in an event; those that are no metrics do not matter.

        After a kill the iterations since the last checkpoint come once more, and replace what was known of them.
        """
        values = event.get("values")
        if event.get("type") != "metric" or not isinstance(values, dict):
            return
        self.phase = str(event.get("phase") or self.phase)
        iteration = int(event.get("iteration") or 0)
        if isinstance(values.get("before"), dict):
            self.before = dict(values["before"].get("dice", {}))
        elif "dice" in values:
            self.looks = [look for look in self.looks if look["iteration"] < iteration]
            self.looks.append({"iteration": iteration, "phase": self.phase, **values})
        elif isinstance(values.get("loss"), (int, float)):
            if self.losses and self.losses[-1][0] >= iteration:
                self.losses = [pair for pair in self.losses if pair[0] < iteration]
            self.losses.append((iteration, float(values["loss"])))
