"""Watch Argo CD heal applied drift: for each object the seconds until it is as in Git again, or what still differs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from platform_e2e.checks.application_differences import unserved
from platform_e2e.checks.drifted_objects import Drift
from platform_e2e.checks.git_differences import missing_from
from platform_e2e.diagnosis.objects import listed
from platform_e2e.kube.expect import Met, Pending, Timeout, Verdict, poll
from platform_e2e.kube.reader import Reader
from platform_e2e.layer import Rendered

HEAL_SECONDS = 60.0
"""How long Argo CD is watched: it heals in about a second, and after a failed attempt again after some seconds more."""


@dataclass(frozen=True)
class HealResult:
    """The outcome of healing one object.

    Attributes:
        object: as findings name it.
        seconds: until it was as in Git; None where it still differs.
        why: what still differs.
    """

    object: str
    seconds: float | None
    why: str = ""

    def __str__(self) -> str:
        """Return it in one line."""
        if self.seconds is not None:
            return f"{self.object}: as in Git after {self.seconds:.1f} s"
        return f"{self.object}: stays: {self.why}"


def watch(reader: Reader, drift: Sequence[Drift], wanted: Sequence[Rendered], *, timeout: float) -> list[HealResult]:
    """Return the outcome for each object that was changed, in the same order.

    Args:
        reader: of the cluster.
        drift: the changed objects.
        wanted: the objects of Git.
        timeout: seconds to watch.
    """
    git = {(rendered.api, rendered.namespace or "", rendered.name): rendered for rendered in wanted}
    began = time.monotonic()
    healed: dict[str, HealResult] = {}
    left: dict[str, str] = {}

    def look() -> Verdict:
        for changed in drift:
            name = str(changed)
            if name not in healed:
                left[name] = why = _differs(reader, changed, git.get(changed.identity))
                if not why:
                    healed[name] = HealResult(name, time.monotonic() - began)
        still = [name for name in left if name not in healed]
        return Pending(f"{len(still)} stay: {listed(still[:3])}") if still else Met()

    _until(look, timeout)
    names = map(str, drift)
    return [healed.get(name) or HealResult(name, None, left.get(name, "")) for name in names]


def _differs(reader: Reader, drift: Drift, git: Rendered | None) -> str:
    """Return how an object differs from Git; an empty string where it does not."""
    live = reader.get(drift.kind, drift.name, drift.namespace or None)
    if git is None:
        return "it is in no file of Git and still exists" if live is not None else ""
    if live is None:
        return "it does not exist"
    return listed([str(each) for each in unserved(missing_from(git.object, live))[:3]], "")


def _until(look: Callable[[], Verdict], timeout: float) -> None:
    try:
        poll(look, timeout=timeout, what="the changed objects are as in Git again")
    except Timeout:
        return
