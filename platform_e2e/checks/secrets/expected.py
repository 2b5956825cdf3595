"""What a test waits for, of a SealedSecret, its Secret and its Application; a value is never told."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from platform_e2e.diagnosis.objects import at, condition
from platform_e2e.gitops import argocd
from platform_e2e.kube.expect import Expectation, Failed, Met, Pending, Verdict
from platform_e2e.kube.objects import Object


def unsealed(generation: int = 1) -> Expectation[Object | None]:
    """Return the expectation that the controller has unsealed a SealedSecret in this generation or a later one."""

    def judge(live: Object | None) -> Verdict:
        synced = condition(live or {}, "Synced")
        if (at(live, "status", "observedGeneration") or 0) < generation or not synced:
            return Pending("the controller has not looked at it")
        return Met(live) if synced.get("status") == "True" else Failed(str(synced.get("message")))

    return judge


def refused(words: str) -> Expectation[Object | None]:
    """Return the expectation that the controller does not unseal a SealedSecret, and says so in these words."""

    def judge(live: Object | None) -> Verdict:
        synced = condition(live or {}, "Synced")
        if not synced:
            return Pending("the controller has not looked at it")
        said = str(synced.get("message"))
        return Met(live) if synced.get("status") == "False" and words in said else Failed(f"it says `{said}`")

    return judge


def told(name: str, reason: str) -> Expectation[Sequence[Object]]:
    """Return the expectation about events that one tells this of a SealedSecret; the controller sends them after it has acted."""

    def judge(events: Sequence[Object]) -> Verdict:
        mine = [event for event in events if at(event, "involvedObject", "name") == name]
        reasons = sorted({str(event.get("reason")) for event in mine})
        return Met() if reason in reasons else Pending(f"its events tell {', '.join(reasons) or 'nothing'}")

    return judge


def absent(live: Object | None) -> Verdict:
    """Judge whether an object does not exist."""
    return Met() if live is None else Failed("it is there")


def is_gone(live: Object | None) -> Verdict:
    """Judge whether an object exists no longer."""
    return Met() if live is None else Pending("it is still there")


def another_than(first: Object) -> Expectation[Object | None]:
    """Return the expectation that an object of this name is there, and is not that one."""

    def judge(live: Object | None) -> Verdict:
        if live is None:
            return Pending("there is none")
        return (
            Pending("it is the first one") if at(live, "metadata", "uid") == at(first, "metadata", "uid") else Met(live)
        )

    return judge


def is_health(status: str) -> Expectation[Object | None]:
    """Return the expectation that Argo CD says this of an Application's health."""

    def judge(app: Object | None) -> Verdict:
        found = argocd.health(app or {})
        return Met(app) if found == status else Pending(f"it is {found or 'not judged'}")

    return judge


def has_values(**values: str) -> Expectation[Object | None]:
    """Return the expectation that a Secret has exactly these values; they are never told."""

    def judge(live: Object | None) -> Verdict:
        if live is None:
            return Pending("there is no Secret")
        found = {name: base64.b64decode(value).decode() for name, value in (live.get("data") or {}).items()}
        wrong = sorted(name for name in found.keys() | values.keys() if found.get(name) != values.get(name))
        return Pending(f"other values than expected has {', '.join(wrong)}") if wrong else Met(live)

    return judge


def owned_by(sealed: Object, **values: str) -> Expectation[Object | None]:
    """Return the expectation that a Secret has these values and belongs to a SealedSecret."""
    right = has_values(**values)

    def judge(live: Object | None) -> Verdict:
        owners = at(live, "metadata", "ownerReferences") or ()
        if not any(owner.get("uid") == sealed["metadata"]["uid"] for owner in owners):
            return Pending("it does not belong to it")
        return right(live)

    return judge
