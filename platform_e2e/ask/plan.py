"""Several demands as one wait: one source, one verdict, one sentence, and the cause of the first that is not met."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from platform_e2e.ask.absent import why_absent
from platform_e2e.ask.demands import Demand
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.deletion import held_deletion
from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd
from platform_e2e.kube.answers import understood
from platform_e2e.kube.expect import Failed, Met, Pending, Source, Verdict, all_of, gone
from platform_e2e.kube.history import AS_EXPECTED
from platform_e2e.kube.objects import Object
from platform_e2e.kube.reader import ReadApi


class Plan:
    """What one wait is for.

    Args:
        demands: that must all hold, at least one.
        view: of the cluster, for causes.

    Attributes:
        source: of the states.
        state: that was judged last; None before the first.
    """

    def __init__(self, demands: Sequence[Demand], view: ReadApi) -> None:
        """Put the sources together."""
        self.demands = tuple(demands)
        self.source: Source[Any] = demands[0].source if len(demands) == 1 else all_of(*(one.source for one in demands))
        self.state: Any = None
        self._view = view
        self._words = ""
        self._now: dict[str, str] = {}
        self._told: dict[str, str] = {}

    @property
    def what(self) -> str:
        """Return the sentence of what is expected, what is demanded of one target together."""
        phrases: dict[str, list[str]] = {}
        for one in self.demands:
            target = str(one.target) if one.target.name else f"each of {one.target}"
            phrases.setdefault(target, []).append(one.phrase)
        together: dict[str, list[str]] = {}
        for target, said in phrases.items():
            together.setdefault(" and ".join(said), []).append(target)
        return "; ".join(
            f"{'each of ' if len(targets) > 1 else ''}{', '.join(targets)} {phrase}"
            for phrase, targets in together.items()
        )

    def judge(self, state: Any) -> Verdict:
        """Judge a state of the source; where there are several targets, each reason names its own."""
        self.state = state
        with understood(self.source.describe()):
            verdicts = [(str(one.target), one.judge(part)) for one, part in self._parts(state)]
        several = len({name for name, _ in verdicts}) > 1
        self._now = dict.fromkeys((name for name, _ in verdicts), AS_EXPECTED) if several else {}
        verdict: Verdict = Met()
        for kind in (Pending, Failed):
            lacking = [(name, one.why) for name, one in verdicts if isinstance(one, kind)]
            if lacking:
                verdict = kind("; ".join(f"{name}: {why}" if several else why for name, why in lacking))
                self._now |= dict(lacking) if several else {}
        self._words = verdict.why if isinstance(verdict, Pending | Failed) else AS_EXPECTED
        return verdict

    def news(self, words: str) -> list[str]:
        """Return in words what has changed: of several targets only those that have.

        Args:
            words: of the whole state, or what the wait has to say of the reading itself.
        """
        if words != self._words or not self._now:
            return [words]
        changed = [f"{name}: {said}" for name, said in self._now.items() if self._told.get(name) != said]
        self._told = dict(self._now)
        return changed

    def explain(self, state: Any) -> Cause | None:
        """Return why the first demand that is not met is not."""
        with understood(self.source.describe()):
            for one, part in self._parts(state):
                if isinstance(one.judge(part), Met):
                    continue
                obj = one.suspect(part)
                if one.judge is gone:
                    return held_deletion(obj, self._view) if obj else None
                return cause_of(one, obj, self._view)
            return None

    def commits(self) -> str:
        """Return in words the commits that the Applications of the last state are at; empty without Applications."""
        revisions = [one[:12] for app in self.applications() for one in argocd.revisions(app)]
        return ", ".join(dict.fromkeys(revisions))

    def applications(self) -> list[Object]:
        """Return the Applications of the last state that were to be what a commit says."""
        found = [part if isinstance(part, list) else [part] for one, part in self._parts(self.state) if one.revision]
        return [app for several in found for app in several if app is not None]

    def _parts(self, state: Any) -> list[tuple[Demand, Any]]:
        """Return each demand with its part of a state."""
        return list(zip(self.demands, (state,) if len(self.demands) == 1 else state, strict=True))


def cause_of(demand: Demand, obj: Object | None, view: ReadApi) -> Cause | None:
    """Return why an object is not as it is demanded, or why it is not there."""
    if obj is not None:
        return held_deletion(obj, view) or explain(obj, view)
    target = demand.target
    return why_absent(target.api, target.name, target.namespace, view) if target.name else None
