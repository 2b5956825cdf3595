"""Output of a command: progress on standard error, the outcome on standard output as text or JSON. No secrets."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TextIO

from platform_e2e import redact
from platform_e2e.diagnosis.tree import Diagnosis
from platform_e2e.errors import HarnessError
from platform_e2e.finding import Cause
from platform_e2e.kube.wait import AS_EXPECTED, Refuted, Timeout, Unobserved, WaitError, WaitHistory
from platform_e2e.terminal import visible

VERDICTS: dict[type[HarnessError], str] = {Timeout: "timeout", Refuted: "refuted", Unobserved: "unobserved"}
"""How a program tells the outcomes of a wait apart; beside these there are met, interrupted and error."""

LONGEST = 240
"""Characters of a state in one line of what goes on; the outcome has the whole of it."""


class Output:
    """Speak for one command.

    Args:
        as_json: whether the outcome is one JSON object.
        quiet: whether only a bad outcome is told.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.history = WaitHistory()

    def say(self, words: str) -> None:
        """Tell something besides, unless it is quiet."""
        if not self.quiet:
            _print(words, sys.stderr)

    def step(self, words: str) -> None:
        """Tell a state that differs from the one before, with the seconds since the command began."""
        if not self.history.steps or self.history.steps[-1].words != words:
            self.history.note(words)
            self.say(f"+{self.history.waited:.2f} s  {short(words)}")

    def steps(self, several: Sequence[str]) -> None:
        """Tell several states that came at once."""
        for words in several:
            self.step(words)

    def prepared(self, words: str) -> None:
        """Tell what the wait has to wait for before it can begin."""
        if words != AS_EXPECTED:
            self.step(words)

    def met(self, what: str, commits: str) -> None:
        """Tell that it is as expected, and which commits that is about, if any."""
        if self.as_json:
            self._json({"verdict": "met", "expected": what, "commits": commits})
        elif not self.quiet:
            about = f"commit {commits}, " if commits else ""
            _print(f"{what} ({about}after {self.history.waited:.2f} s)", sys.stdout)

    def failed(self, error: HarnessError) -> None:
        """Tell why it was in vain."""
        if not self.as_json:
            _print(str(error), sys.stderr)
        elif isinstance(error, WaitError):
            report = error.report
            self._json(
                {
                    "verdict": VERDICTS.get(type(error), "error"),
                    "outcome": report.outcome,
                    "expected": report.what,
                    "object": report.source,
                    "observed": report.last,
                    "cause": as_json(report.cause),
                    "trouble": report.trouble or report.cause_trouble,
                    "state": list(report.state),
                    "events": list(report.events),
                }
            )
        else:
            self._json({"verdict": "error", "problem": error.problem, "remedy": error.remedy})

    def interrupted(self, what: str, source: str, state: list[str]) -> None:
        """Tell what was seen until a person ended it; the cluster is not asked again."""
        outcome = f"interrupted after {time.monotonic() - self.history.began:.2f} s"
        last = self.history.steps[-1].words if self.history.steps else "nothing was read"
        if self.as_json:
            whole = {"verdict": "interrupted", "outcome": outcome, "expected": what}
            self._json({**whole, "object": source, "observed": last, "state": state})
            return
        lines = [f"{what}: {outcome}", *([f"  object:   {source}"] if source else []), f"  observed: {last}"]
        for title, part in (("state", state), ("history", self.history.render())):
            lines += [f"  {title}:", *(f"    {line}" for line in part)] if part else []
        _print("\n".join(lines), sys.stderr)

    def explained(self, about: str, found: Sequence[Diagnosis], cluster: Mapping[str, str]) -> None:
        """Tell what holds the objects that were asked about.

        Args:
            about: what was asked about, in words.
            found: the diagnosis of each object.
            cluster: that was asked: its name, context and server; the JSON has it.
        """
        held = [diagnosis for diagnosis in found if not diagnosis.sound]
        if self.as_json:
            whole = {
                "cluster": cluster,
                "about": about,
                "sound": not held,
                "objects": [_diagnosis(diagnosis) for diagnosis in found],
            }
            print(json.dumps(redact.plain(whole), indent=1), flush=True)
            return
        texts = ["\n".join(_lines(diagnosis)) for diagnosis in held]
        texts += [
            f"{diagnosis.object} {diagnosis.expected}; nothing holds it" for diagnosis in found if diagnosis.sound
        ]
        _print("\n\n".join(texts) or f"nothing is held {about}", sys.stdout)

    def _json(self, answer: dict[str, Any]) -> None:
        steps = [{"seconds": round(step.seconds, 3), "state": step.words} for step in self.history.steps]
        whole = {**answer, "seconds": round(self.history.waited, 3), "history": steps}
        print(json.dumps(redact.plain(whole), indent=1), flush=True)


def _print(words: str, where: TextIO) -> None:
    """Print words of ours and of strangers: no secrets, nothing that steers the terminal."""
    print(visible(redact.text(words)), file=where, flush=True)


def _lines(diagnosis: Diagnosis) -> list[str]:
    """Return a diagnosis as a person reads it: object, expected, observed, cause, remedy first."""
    observed = short(diagnosis.observed) if diagnosis.cause else diagnosis.observed  # the cause quotes what is worth it
    lines = [diagnosis.object, f"  expected: {diagnosis.expected}", f"  observed: {observed}"]
    if diagnosis.cause is not None:
        lines += [
            f"  cause:    {diagnosis.cause.sentence} [{diagnosis.cause.id}]",
            f"  remedy:   {diagnosis.cause.remedy}",
        ]
    if diagnosis.trouble:
        lines.append(f"  cause:    could not be worked out: {diagnosis.trouble}")
    for title, part in (("held by", diagnosis.chain), ("holds", diagnosis.holds), ("events", diagnosis.events)):
        lines += [f"  {title}:", *(f"    {line}" for line in part)] if part else []
    return lines


def _diagnosis(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return a diagnosis as plain data."""
    return {**asdict(diagnosis), "sound": diagnosis.sound, "cause": as_json(diagnosis.cause)}


def short(words: str) -> str:
    """Return words as one line has room for them."""
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 3]}..."


def as_json(cause: Cause | None) -> dict[str, str] | None:
    """Return a cause as plain data."""
    return None if cause is None else {"id": cause.id, "sentence": cause.sentence, "remedy": cause.remedy}
