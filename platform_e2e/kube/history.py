"""How a state moved over a wait, and the text of a wait that was in vain."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from platform_e2e.finding import Cause
from platform_e2e.kube.verdict import Failed, Pending, Verdict

FIRST_KEPT = 4
LAST_KEPT = 12
"""How many steps of a history a text shows from its start and its end: what fits the first screen."""

MOST = 1000
"""How many steps are remembered: a state that changes each second for a quarter of an hour."""

WORDS = 4000
"""Characters of a step: what an Application says of its comparison can fill a screen."""

AS_EXPECTED = "as expected"
"""What a history says of a state that an expectation was waiting for."""


@dataclass
class Step:
    """One state of a wait: when it was first seen, in seconds since the start, and how often in a row."""

    seconds: float
    words: str
    times: int = 1


@dataclass
class History:
    """The states that one wait saw, equal neighbours as one step.

    Attributes:
        progress: is given the words of each new step when it comes.
        began: monotonic time of the start.
        steps: in their order; of very many those of the start and of the end.
        dropped: how many are not among them.
    """

    progress: Callable[[str], None] | None = None
    began: float = field(default_factory=time.monotonic)
    steps: list[Step] = field(default_factory=list)
    dropped: int = 0

    def add(self, verdict: Verdict) -> str:
        """Note a verdict and return its words."""
        words = verdict.why if isinstance(verdict, Pending | Failed) else AS_EXPECTED
        self.note(words)
        return words

    def note(self, words: str) -> None:
        """Note what was seen just now."""
        words = words if len(words) <= WORDS else f"{words[: WORDS - 3]}..."
        if self.steps and self.steps[-1].words == words:
            self.steps[-1].times += 1
        else:
            self.steps.append(Step(time.monotonic() - self.began, words))
            if len(self.steps) > MOST:
                del self.steps[MOST // 2]
                self.dropped += 1
            if self.progress is not None:
                self.progress(words)

    @property
    def waited(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.began

    def render(self) -> list[str]:
        """Return one line for each step; of a long history the start and the end."""
        lines = [
            f"+{step.seconds:.2f} s  {step.words}" + (f"  (seen {step.times} times)" if step.times > 1 else "")
            for step in self.steps
        ]
        left_out = len(lines) + self.dropped - FIRST_KEPT - LAST_KEPT
        if left_out > 1:
            lines[FIRST_KEPT:-LAST_KEPT] = [f"... {left_out} more steps ..."]
        return lines


@dataclass(frozen=True)
class Report:
    """What a person is told about a wait that was in vain.

    Attributes:
        what: what was expected, as the caller put it.
        outcome: how it went: `not within 60 s`, `failed after 3.2 s`.
        source: how a person names what was read.
        last: why the last state was not the expected one.
        state: lines that show the last state.
        history: lines of how it moved.
        events: lines of the newest events.
        trouble: what kept the harness from reading, or empty.
        cause: why, as far as it could be worked out.
        cause_trouble: why the cause could not be worked out, or empty.
    """

    what: str
    outcome: str
    source: str
    last: str
    state: Sequence[str] = ()
    history: Sequence[str] = ()
    events: Sequence[str] = ()
    trouble: str = ""
    cause: Cause | None = None
    cause_trouble: str = ""

    def render(self) -> str:
        """Return the text: object, expected, observed and cause first, then how it came."""
        lines = [f"{self.what}: {self.outcome}", f"  object:   {self.source}", f"  observed: {self.last}"]
        if self.cause:
            lines.append(f"  cause:    {self.cause.sentence} [{self.cause.id}]")
        if self.cause_trouble:
            lines.append(f"  cause:    could not be worked out: {self.cause_trouble}")
        if self.trouble:
            lines.append(f"  reading:  {self.trouble}")
        for title, part in (("state", self.state), ("history", self.history), ("events", self.events)):
            if part:
                lines += [f"  {title}:", *(f"    {line}" for line in part)]
        return "\n".join(lines)
