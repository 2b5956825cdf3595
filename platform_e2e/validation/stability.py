"""Whether Applications stay as they should be for some time, told by every change that the API server reports."""

from __future__ import annotations

from collections.abc import Sequence

from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.kube.expect import Met, Pending, Verdict, consistently
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.reader import Reader
from platform_e2e.kube.wait import Refuted
from platform_e2e.layer.objects import described

STEADY = ("Synced", "Healthy")


def unstable(reader: Reader, seconds: float) -> list[Finding]:
    """Return the finding that an Application was Synced and Healthy, and did not stay so.

    Args:
        reader: of the cluster.
        seconds: for which it must stay so.

    Raises:
        Unobserved: the Applications could not be watched to the end.
    """
    first: set[tuple[str, str]] = set()
    left: list[tuple[tuple[str, str], str]] = []

    def judge(apps: Sequence[Object]) -> Verdict:
        now = {key(app): (argocd.sync_status(app), argocd.health(app)) for app in apps}
        if not first:
            first.update(place for place, state in now.items() if state == STEADY)
        for place in sorted(first):
            if now.get(place) != STEADY:
                left.append((place, " and ".join(now[place]) if place in now else "gone"))
                return Pending(f"{place[1]} is {left[-1][1]}")
        return Met(apps)

    try:
        consistently(
            reader.many(argocd.APPLICATION),
            judge,
            for_=seconds,
            what="each Application that is Synced and Healthy stays so",
        )
    except Refuted:
        return [_finding(*left[-1], seconds)]
    return []


def _finding(place: tuple[str, str], state: str, seconds: float) -> Finding:
    name = described("Application", place[1], place[0])
    cause = Cause(
        "application-unstable",
        f"{name} was Synced and Healthy, and became {state} within {seconds:g} s",
        "look at its operationState and events: two controllers may write one field, or a workload restarts",
    )
    expected = f"Synced and Healthy for {seconds:g} s"
    return Finding(name, Promise.APPLICATIONS, expected, f"it is {state}", cause)
