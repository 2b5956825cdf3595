"""Attempts of a sync that is tried again: whether another one could still end otherwise than those before it.

Argo CD pauses longer before each attempt, over a minute at last. What makes one succeed is something that came meanwhile: a webhook
that answers, a kind that is served. Where nothing has come since the attempt before, and it fails in the same words, the next one
will, too, and need not be waited for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object
from platform_e2e.kube.progress import QUIET_SECONDS, VARYING

ALIKE = 3
"""How many attempts must have failed in the same words: the second may have met what was about to come at the first."""

REFUSED = re.compile(r"\bis invalid: |failed to create typed patch object|strict decoding error")
"""What the API server says of an object whatever else the cluster has (apimachinery, NewInvalid; structured-merge-diff)."""

TAKEN = re.compile(r"already allocated|already exists")
"""What it says in the same way, and what another object may free."""

NUMBERED = re.compile(r"Retrying attempt #\d+ at .*")
"""Argo CD's own words about the next attempt, behind those about this one (controller/appcontroller.go)."""

BAD = frozenset({"SyncFailed", "Failed", "Error"})
"""What an operation says of an object that was not applied, or of a hook that has failed."""

ECHO_SECONDS = 5.0
"""How long after an attempt what it tells itself may still come for something new: it is read by another thread."""


@dataclass
class _Failed:
    """The attempts of one operation that have failed in the same words.

    Attributes:
        said: the words.
        first: number of the first of them.
        last: number of the last one.
        ended: monotonic time at which that was seen to have failed.
        before: for how many seconds nothing new had come when it began.
        since: for how many nothing new has come now.
    """

    said: str
    first: int
    last: int
    ended: float
    before: float = 0.0
    since: float = 0.0


class Attempts:
    """Knows of each Application how its attempts went; it is shown every state, in their order."""

    def __init__(self) -> None:
        self._failed: dict[str, _Failed] = {}

    def vain(self, app: Object, now: float, still: float) -> bool:
        """Tell whether an Application waits for an attempt that will fail like those before it.

        Args:
            app: the live Application.
            now: monotonic time.
            still: for how many seconds nothing in the cluster has told anything new.
        """
        name, operation = app["metadata"]["name"], argocd.operation(app)
        if not operation.running:
            self._failed.pop(name, None)
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
        # What had come before the last attempt was there for long enough to be seen by all, and nothing has come after it.
        return failed.before >= QUIET_SECONDS and now - still <= failed.ended + ECHO_SECONDS


def _said(app: Object) -> str:
    """Return in words how the last attempt of an Application has failed, without what is another one each time."""
    failed = [f"{name} {state} {said}" for name, state, said in argocd.sync_results(app) if state in BAD]
    return VARYING.sub("#", " ".join([*failed, NUMBERED.sub("", argocd.operation(app).message)]))
