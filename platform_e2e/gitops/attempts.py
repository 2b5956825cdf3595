"""Predict whether another attempt of a failing sync could end differently.

Argo CD's pause before each attempt grows to over a minute. An attempt succeeds because something new has appeared meanwhile: a webhook
that answers, a kind that is served. If nothing has appeared since the previous attempt, and it fails with the same message, the
next one will fail too, and need not be awaited.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object
from platform_e2e.kube.progress import QUIET_SECONDS, VARYING

ALIKE = 3
"""Failed attempts with the same message before giving up: the second may have seen what the first just missed."""

REFUSED = re.compile(r"\bis invalid: |failed to create typed patch object|strict decoding error")
"""Messages of the API server about an object that depend on the object alone (apimachinery, NewInvalid; structured-merge-diff)."""

TAKEN = re.compile(r"already allocated|already exists")
"""Similar messages about a name or address that another object may release."""

SYNCS = 10
"""Syncs of one commit that begin although none before has failed, before giving up: what Git says stays not what the cluster has, such as
a field that the API server drops, or one over which another controller fights."""

NUMBERED = re.compile(r"Retrying attempt #\d+ at .*")
"""Argo CD's text about the next attempt, after the one about this attempt (controller/appcontroller.go)."""

BAD = frozenset({"SyncFailed", "Failed", "Error"})
"""Results in an operation of an object that was not applied, or of a hook that failed."""

ECHO_SECONDS = 5.0
"""Seconds after an attempt in which its own effects may still count as news: another thread reads them."""


@dataclass
class _Failed:
    """Failed attempts of one operation with the same message.

    Attributes:
        said: the message.
        first: number of the first attempt.
        last: number of the last attempt.
        ended: monotonic time at which the last one was seen to have failed.
        before: seconds since the last news when it began.
        since: seconds since the last news now.
    """

    said: str
    first: int
    last: int
    ended: float
    before: float = 0.0
    since: float = 0.0


class Attempts:
    """The failed attempts of each Application; receives every state of it, in order."""

    def __init__(self) -> None:
        self._failed: dict[str, _Failed] = {}
        self._begun: dict[str, tuple[tuple[str, ...], set[datetime]]] = {}

    def vain(self, app: Object, now: float, still: float) -> bool:
        """Tell whether an Application waits for an attempt that will fail like the previous ones, or is synced again and again.

        Args:
            app: the live Application.
            now: monotonic time.
            still: seconds since the last news in the cluster.
        """
        name, operation = app["metadata"]["name"], argocd.operation(app)
        if not operation.running:
            self._failed.pop(name, None)
        if self._endless(app):
            return True
        if not operation.backing_off:
            return False
        said, failed = _said(app), self._failed.get(name)
        if failed is None or failed.said != said or operation.retries < failed.last:
            failed = self._failed[name] = _Failed(said, operation.retries, operation.retries, now)
        elif operation.retries > failed.last:
            failed.last, failed.ended, failed.before = operation.retries, now, failed.since
        failed.since = still
        if failed.last - failed.first + 1 < ALIKE:
            return False
        if REFUSED.search(said) and not TAKEN.search(said):
            return still >= QUIET_SECONDS
        # Everything new before the last attempt had been there long enough for all to see it, and nothing new has come since.
        return failed.before >= QUIET_SECONDS and now - still <= failed.ended + ECHO_SECONDS

    def _endless(self, app: Object) -> bool:
        """Tell whether Argo CD syncs a commit for ever, each time with success."""
        name, operation = app["metadata"]["name"], argocd.operation(app)
        begun = operation.started
        if begun is None:
            # Between two syncs.
            return False
        if argocd.sync_status(app) != "OutOfSync" or operation.retries:
            self._begun.pop(name, None)
            return False
        revisions, times = self._begun.get(name, (operation.revisions, set()))
        times = {begun, *(times if revisions == operation.revisions else ())}
        self._begun[name] = operation.revisions, times
        return len(times) >= SYNCS


def _said(app: Object) -> str:
    """Return the messages of an Application's last failed attempt, without the parts that change each time."""
    failed = [f"{name} {state} {said}" for name, state, said in argocd.sync_results(app) if state in BAD]
    return VARYING.sub("#", " ".join([*failed, NUMBERED.sub("", argocd.operation(app).message)]))
