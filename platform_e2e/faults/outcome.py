"""What came of each fault, and the table of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from platform_e2e import terminal
from platform_e2e.finding import Cause

STEPS = ("pending", "firing", "missed", "received", "cleared")
"""What can happen, in this order; the seconds of `cleared`, and of `received` after `missed`, begin with the repair, those of the others with
the fault."""


@dataclass
class Outcome:
    """What came of one fault.

    Attributes:
        alert: its name.
        fault: its name.
        began: seconds from the begin of the course until it was made; None where it was not.
        seconds: of each step that happened.
        receiver: that got the alert.
        labels: that were received.
        annotations: that were received, rendered.
        cause: why a step did not happen; None where all did.
    """

    alert: str
    fault: str
    began: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    receiver: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    cause: Cause | None = None

    @property
    def figures(self) -> dict[str, Any]:
        """Return what the verdict and the report show."""
        told: dict[str, Any] = {f"{step}_seconds": self.seconds[step] for step in STEPS if step in self.seconds}
        return told | ({"receiver": self.receiver} if self.receiver else {})

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "alert": self.alert,
            "fault": self.fault,
            "injected": self.began,
            **{step: self.seconds.get(step) for step in STEPS},
            "receiver": self.receiver,
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "cause": self.cause.sentence if self.cause else "",
        }


def table(outcomes: Sequence[Outcome], *, width: int = 152, colour: bool = False) -> str:
    """Return the table of all faults, in the order in which they were made.

    Args:
        outcomes: of the faults.
        width: columns of the terminal.
        colour: whether it shows colours.
    """
    rows = [
        (
            each.alert,
            each.fault,
            "-" if each.began is None else f"{each.began:.0f} s",
            *(f"{each.seconds[step]:.1f} s" if step in each.seconds else "-" for step in STEPS),
            each.receiver or "-",
        )
        for each in sorted(outcomes, key=lambda each: float("inf") if each.began is None else each.began)
    ]
    columns = ("alert", "fault", "injected", *STEPS, "receiver")
    return terminal.table(columns, rows, width=width, colour=colour, title="alerts", lines=False)
