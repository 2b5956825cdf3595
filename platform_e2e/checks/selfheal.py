"""Make a change in the cluster, watch Argo CD undo it, and read from its records that it was Argo CD."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from platform_e2e import timeline
from platform_e2e.checks.application_differences import unserved
from platform_e2e.checks.applications import compared_anew
from platform_e2e.checks.git_differences import Difference, bare, changed, changed_since, missing_from, value_at
from platform_e2e.checks.ignore_differences import Rule, rules_for
from platform_e2e.checks.mutations import Mutation, MutationKind
from platform_e2e.checks.polling import until_no_findings
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.syncs import unautomated
from platform_e2e.diagnosis.objects import at, listed
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd, argocd_requests
from platform_e2e.kube.expect import Expectation, Met, Pending, Timeout, Verdict, eventually
from platform_e2e.kube.objects import Object, uid

if TYPE_CHECKING:
    from platform_e2e.kube.client import Kube

HEAL_SECONDS = 30.0
"""How long a heal may take. By hand it took 1.1 s; a busy machine and a second heal of one commit take longer."""

COMPARED_SECONDS = 3.0
"""For Argo CD's cache to have a change of an object that belongs to no Application, and for the sync that follows."""

RECORD_SECONDS = 15.0
"""How long Argo CD may take to write down that the operation has ended, after the object is as it was."""

BY_HAND = "platform-e2e-drift"
"""Field manager of the changes, so that managedFields tells them from everybody else's."""


@dataclass(frozen=True)
class Disturbance:
    """A change that was made.

    Attributes:
        mutation: which.
        before: the object before it.
        application: the Application before it.
        at: monotonic time of the API server's answer to it.
        others: rules about the fields that are another controller's, so that they may change meanwhile.
    """

    mutation: Mutation
    before: Object
    application: Object
    at: float
    others: Sequence[Rule] = ()


@dataclass(frozen=True)
class Healed:
    """What came of it.

    Attributes:
        seconds: from the API server's answer to the change until the object was as in Git again; None where it was not.
        findings: what is wrong with how it was healed, or that it was not.
    """

    seconds: float | None
    findings: list[Finding]

    @property
    def figures(self) -> dict[str, float]:
        """Return what the verdict's table shows."""
        return {} if self.seconds is None else {"heal_seconds": self.seconds}


def inject(mutation: Mutation, kube: Kube) -> Disturbance:
    """Make a change, as a user with kubectl would.

    Raises:
        ApiError: the API server refused, also where the field is not what Git says before the change.
    """
    target = mutation.target
    before = kube.get(target.api, target.name, target.namespace) or {}
    application = _healer(mutation, kube) or {}
    others = rules_for(target, application, kube)
    if mutation.kind is MutationKind.FIELD_EDITED:
        kube.patch(target.api, target.name, mutation.patch, target.namespace, type="json", manager=BY_HAND)
    else:
        kube.delete(target.api, target.name, target.namespace, uid=uid(before))
    disturbance = Disturbance(mutation, before, application, time.monotonic(), others)
    timeline.current().event(
        "disturbance-start",
        str(target),
        change=str(mutation.kind),
        field=mutation.pointer,
        application=mutation.application,
    )
    return disturbance


def _healer(mutation: Mutation, kube: Kube) -> Object | None:
    return kube.get(argocd.APPLICATION, mutation.application, argocd.NAMESPACE) if mutation.application else None


def undo(disturbance: Disturbance, kube: Kube) -> None:
    """Put the object back as it was before the change, unless it was put back already."""
    target = disturbance.mutation.target
    live = kube.get(target.api, target.name, target.namespace)
    by_hand = live is None
    if live is None:
        kube.create(bare(disturbance.before))
    elif changed(disturbance.before, live) and disturbance.mutation.kind is MutationKind.FIELD_EDITED:
        by_hand = True
        back = [{"op": "replace", "path": disturbance.mutation.pointer, "value": disturbance.mutation.git_value}]
        kube.patch(target.api, target.name, back, target.namespace, type="json", manager=BY_HAND)
    timeline.current().event("disturbance-end", str(target), undone_by_harness=by_hand)


def restored(disturbance: Disturbance) -> Expectation[Object | None]:
    """Return the expectation that the object is as in Git again, and in every other field as it was before."""

    def judge(live: Object | None) -> Verdict:
        if live is None:
            return Pending("the object does not exist")
        if at(live, "metadata", "deletionTimestamp"):
            return Pending("the object is being deleted")
        if disturbance.mutation.kind is MutationKind.OBJECT_DELETED and uid(live) == uid(disturbance.before):
            return Pending("the object that was to be deleted is still there")
        different = left(disturbance, live)
        return Pending("; ".join(str(difference) for difference in different[:3])) if different else Met(live)

    return judge


def drifted(disturbance: Disturbance) -> Expectation[Object | None]:
    """Return the expectation that the change is still there."""
    mutation = disturbance.mutation

    def judge(live: Object | None) -> Verdict:
        found = value_at(live, mutation.pointer)
        return (
            Met(live)
            if found == mutation.value
            else Pending(f"{mutation.pointer} is {found!r}, not {mutation.value!r}")
        )

    return judge


def left(disturbance: Disturbance, live: Object) -> list[Difference]:
    """Return in which fields an object is not as in Git, or not as it was before the change.

    What was changed counts in any case; other fields only where Argo CD looks after them.
    """
    from_git = unserved(missing_from(disturbance.mutation.target.object, live))
    known = {difference.path for difference in from_git}
    since = changed_since(disturbance.before, live)
    found = from_git + [difference for difference in since if difference.path not in known]
    pointer = disturbance.mutation.pointer
    return [
        difference
        for difference in found
        if (pointer and difference.path == pointer)
        or not any(rule.covers(difference.path, live) for rule in disturbance.others)
    ]


def recorded(disturbance: Disturbance) -> Expectation[Object | None]:
    """Return the expectation that the Application tells of an automated operation that healed just this object.

    Where the last operation before was of another commit than the one compared with, Argo CD 3.2.11 undoes drift by a full
    automated sync and counts no heal (controller/appcontroller.go, autoSync).
    """
    before = argocd.operation(disturbance.application)
    counts = before.revisions == argocd.revisions(disturbance.application)
    target = disturbance.mutation.target

    def judge(app: Object | None) -> Verdict:
        now = argocd.operation(app or {})
        problems = {
            "no operation has begun since the change": (now.started, now.self_heal_attempts)
            == (before.started, before.self_heal_attempts),
            f"the operation runs: {now.message}": now.running,
            f"the operation was begun by {now.initiated_by or 'somebody'}": not now.automated,
            f"the operation {now.phase}: {now.message}": now.phase != "Succeeded",
            "the operation counts as no heal": counts and now.self_heal_attempts < 1,
            f"the operation was about {listed(now.resources, 'everything')}": counts
            and f"{target.kind}/{target.name}" not in now.resources,
        }
        why = next((words for words, applies in problems.items() if applies), None)
        return Met(now) if why is None else Pending(why)

    return judge


def held(mutation: Mutation, kube: Kube) -> list[Finding]:
    """Return what keeps the Application from healing anything, as far as a cause is known: nothing is to be disturbed then.

    Args:
        mutation: the change that is to be made.
        kube: the cluster.
    """
    application = _healer(mutation, kube)
    if application is None:
        return []
    running, sync, health = (
        argocd.operation(application).running, argocd.sync_status(application), argocd.health(application)
    )  # fmt: skip
    if not running and (sync, health) == ("Synced", "Healthy"):
        return []
    cause = explain(application, kube)
    expected, observed = "its Application can heal it", f"that is {sync or 'not compared'} and {health or 'not judged'}"
    return [] if cause is None else [Finding(str(mutation.target), Promise.SELFHEAL, expected, observed, cause)]


def heal(mutation: Mutation, kube: Kube, *, during: Callable[[Disturbance], None] = lambda _: None) -> Healed:
    """Make a change, wait until it is undone, and return how long it took and what was wrong with it.

    What Argo CD does not undo, the harness does, so that one finding does not become many.

    Args:
        mutation: the change.
        kube: the cluster.
        during: called once the change is made, before waiting.
    """
    unable = until_no_findings(
        lambda: held(mutation, kube), timeout=HEAL_SECONDS, what=f"{_named(mutation)} can heal {mutation.target}"
    )
    if unable:
        return Healed(None, unable)
    disturbance = inject(mutation, kube)
    target = mutation.target
    try:
        during(disturbance)
        try:
            _wait_restored(disturbance, kube)
        except Timeout:
            return Healed(None, [_unhealed(disturbance, kube)])
        seconds = time.monotonic() - disturbance.at
        timeline.current().event("disturbance-healed", str(target), seconds=seconds)
        if not mutation.application:
            return Healed(seconds, [])
        application = kube.one(argocd.APPLICATION, mutation.application, argocd.NAMESPACE)
        what = f"application/{mutation.application} records the heal of {target}"
        try:
            eventually(application, recorded(disturbance), timeout=RECORD_SECONDS, what=what)
        except Timeout as error:
            return Healed(seconds, [_unrecorded(disturbance, error, kube)])
        return Healed(seconds, [])
    finally:
        undo(disturbance, kube)


def _unhealed(disturbance: Disturbance, kube: Kube) -> Finding:
    """Return the finding that a change was not undone, or not exactly."""
    mutation = disturbance.mutation
    live = kube.get(mutation.target.api, mutation.target.name, mutation.target.namespace)
    different = left(disturbance, live) if live else []
    observed = listed([str(difference) for difference in different], "it is as it was" if live else "it does not exist")
    application = _healer(mutation, kube)
    fields = {difference.path for difference in different}
    covering = [rule for rule in disturbance.others if mutation.pointer and rule.covers(mutation.pointer, live or {})]
    if application and not argocd.automated(application):
        automated = at(application, "spec", "syncPolicy", "automated")
        cause = unautomated(_named(mutation), automated, "spec.syncPolicy.automated")
    elif covering:
        cause = Cause(
            "drift-ignored",
            f"{_named(mutation)} does not undo the change of {mutation.target} at {mutation.pointer}: {covering[0].origin} "
            f"({covering[0].words}) lets it differ",
            "remove the rule, or take the field out of Git where something else is to write it",
        )
    elif application and not at(application, "spec", "syncPolicy", "automated", "selfHeal"):
        cause = Cause(
            "application-not-selfhealing",
            f"{_named(mutation)} keeps drift: its spec.syncPolicy.automated does not say selfHeal: true",
            "add it to the Application's file",
        )
    elif live and mutation.pointer and mutation.pointer not in fields:
        cause = Cause(
            "drift-healed-differently",
            f"{mutation.target} was healed, but not to what Git says and it was before: {observed}",
            "look who else writes these fields (metadata.managedFields)",
        )
    else:
        # What cannot be compared says Synced until a comparison is requested.
        refreshed = compared_anew(mutation.application, argocd.NAMESPACE, kube) if application else None
        cause = (explain(refreshed, kube) if refreshed else None) or Cause(
            "drift-not-healed",
            f"{_named(mutation)} did not undo the change of {mutation.target} within {HEAL_SECONDS:g} s",
            "look at the Application's operationState and conditions: after a failed sync of a commit Argo CD heals nothing",
        )
    return Finding(
        str(mutation.target),
        Promise.SELFHEAL,
        f"as in Git within {HEAL_SECONDS:g} s",
        observed,
        cause,
        {"differences": [asdict(difference) for difference in different]},
    )


def _wait_restored(disturbance: Disturbance, kube: Kube) -> None:
    """Wait until a change is healed. Of what Argo CD does not hear of, it is asked to compare until it has seen the change.

    What is proven of such an object is that it is healed, not how often Argo CD compares by itself.

    Raises:
        Timeout: it is not.
    """
    mutation = disturbance.mutation
    target = mutation.target
    source = kube.one(target.api, target.name, target.namespace)
    what = f"{target} is as in Git again after {mutation.kind}"
    if target.kind != argocd.UNTRACKED or not mutation.application:
        eventually(source, restored(disturbance), timeout=HEAL_SECONDS, what=what)
        return

    def ask() -> None:
        argocd_requests.ask_refresh(kube, mutation.application)

    ask()
    argocd_requests.eventually_asked(
        source, restored(disturbance), ask, every=COMPARED_SECONDS, timeout=HEAL_SECONDS, what=what
    )


def _named(mutation: Mutation) -> str:
    return f"application/{mutation.application}" if mutation.application else "the ApplicationSet"


def _unrecorded(disturbance: Disturbance, error: Timeout, kube: Kube) -> Finding:
    """Return the finding that something else than Argo CD's self-heal undid a change, or what keeps the heal from its end."""
    mutation = disturbance.mutation
    application = _healer(mutation, kube)
    # A root's heal goes on until the Applications of its waves are healthy: what holds one of them is the cause.
    held_up = application is not None and argocd.operation(application).running
    cause = (explain(application, kube) if application and held_up else None) or Cause(
        "drift-healed-by-another",
        f"{mutation.target} is as in Git again, and application/{mutation.application} records no heal of it: {error.report.last}",
        "look in metadata.managedFields who wrote the field",
    )
    return Finding(
        str(mutation.target),
        Promise.SELFHEAL,
        "an automated operation of Argo CD that names it",
        error.report.last,
        cause,
    )
