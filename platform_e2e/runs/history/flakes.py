"""Tests that change their verdict though neither the layer nor the harness has changed: shown, never run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from platform_e2e.runs.history.record import RecordedRun
from platform_e2e.runs.verdict import Outcome

RUNS_LOOKED_AT = 10
"""How many of the newest runs with the same layer and harness show whether a test changes its verdict."""

VERDICTS = frozenset({Outcome.PASSED, Outcome.FAILED, Outcome.ERROR})
"""What a test says itself; a blocked or skipped one says nothing."""


@dataclass(frozen=True)
class Flake:
    """One test that passed and failed on the same content.

    Attributes:
        test: its id.
        verdicts: oldest first, the one of this run last if it has one.
        runs: which run each is of.
        text: the same as a sentence.
        new: whether this run's verdict is another one than that of the run before.
    """

    test: str
    verdicts: tuple[str, ...]
    runs: tuple[str, ...]
    text: str
    new: bool

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data, without what only this run's process needs."""
        return {name: value for name, value in asdict(self).items() if name != "new"}


def flakes(earlier: Sequence[RecordedRun], now: RecordedRun) -> list[Flake]:
    """Return the tests of which runs with the same options, layer and harness say different things, this run's first.

    Args:
        earlier: runs of any kind, oldest first.
        now: this run; where it could not judge, only what was known before is returned.
    """
    if not (now.layer.get("digest") and now.harness.get("digest")):
        return []
    same = [run for run in earlier if run.judged and _alike(run, now)][-RUNS_LOOKED_AT:]
    runs = [*same, *([now] if now.judged else [])]
    found = []
    for test in dict.fromkeys(name for run in runs for name in run.tests):
        seen = [(run.id, run.tests[test].outcome) for run in runs if test in run.tests]
        verdicts = [(run, outcome) for run, outcome in seen if outcome in VERDICTS]
        passed = [outcome == Outcome.PASSED for _, outcome in verdicts]
        if len(set(passed)) > 1:
            new = verdicts[-1][0] == now.id and passed[-1] != passed[-2]
            found.append(_flake(test, verdicts, new=new))
    return sorted(found, key=lambda flake: (not flake.new, flake.test))


def _alike(run: RecordedRun, other: RecordedRun) -> bool:
    same = run.layer.get("digest") == other.layer["digest"] and run.harness.get("digest") == other.harness["digest"]
    return same and run.kind == other.kind


def _flake(test: str, verdicts: Sequence[tuple[str, str]], *, new: bool) -> Flake:
    runs, said = zip(*verdicts, strict=True)
    passed = sum(outcome == Outcome.PASSED for outcome in said)
    head = f"{said[-1]} now, {said[-2]} in {runs[-2]}" if new else f"{passed} of {len(said)} runs passed"
    return Flake(test, said, runs, f"{head}, with the same layer and the same harness", new)
