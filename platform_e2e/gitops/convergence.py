"""Wait until Applications match a commit (scenario A1), and report precisely what each one still lacks.

    git.commit(changes, "...")
    converge(kube, ["chat-dev"], git.head(), timeout=60)

"Synced" and "Healthy" alone may describe the commit before, an operation that failed, or an Application that renders nothing.
So Argo CD's whole status is compared with the commit, and the workloads' own rollouts are awaited at the end, since Argo CD may
judge the health of a Deployment by its state before the sync.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd, argocd_requests, server
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import Expectation, Failed, Met, Pending, Verdict, all_of, eventually
from platform_e2e.kube.objects import Object
from platform_e2e.kube.progress import clock, unless_still
from platform_e2e.kube.readiness import rolled_out

T = TypeVar("T")
R = TypeVar("R")

Wanted = str | Sequence[str]
"""A commit, or one for each source of an Application; abbreviations are enough."""

WORKLOADS = ("apps/v1/Deployment", "apps/v1/StatefulSet", "apps/v1/DaemonSet")
"""Kinds that roll out."""

_NAMED = 3
"""Objects that a sentence names before it counts the rest."""

_FOREVER = re.compile(r"will wipe out all resources|Failed last sync attempt")
"""Conditions after which Argo CD does nothing more for this commit (autoSync in controller/appcontroller.go)."""


def of_each_source(app: Object, sha: Wanted) -> Wanted:
    """Return which revision each source of an Application must be at: one that reads no commit of the layer is at its own.

    Args:
        app: the Application.
        sha: the commit of the layer, or one for each source.
    """
    spec, found = app.get("spec") or {}, argocd.revisions(app)
    sources = spec.get("sources") or [spec.get("source") or {}]
    others = [bool(each.get("chart")) or str(each.get("repoURL")).startswith(server.BASE) for each in sources]
    if not isinstance(sha, str) or not any(others) or len(found) != len(sources):
        return sha
    return tuple(now if other else sha for now, other in zip(found, others, strict=True))


def at(app: Object, sha: str) -> bool:
    """Tell whether Argo CD has compared an Application with a commit, as far as it reads the layer."""
    return _is(argocd.revisions(app), of_each_source(app, sha))


def operates_on(app: Object, sha: str) -> bool:
    """Tell whether the operation of an Application is of a commit, as far as it reads the layer."""
    return _is(argocd.operation(app).revisions, of_each_source(app, sha))


def converged_on(
    wanted: Wanted, *, since: datetime | None = None, by_operation: bool = False
) -> Expectation[Object | None]:
    """Return the expectation that an Application matches a commit, all of scenario A1.

    It exists and no refresh is outstanding; its spec and its comparison have no error; it was compared with this commit, is
    Synced, and so is each of its objects; its last operation has succeeded; it is Healthy, as judged after that operation ended.

    If the cluster matches the commit already, Argo CD compares and begins no operation. Then Synced on this commit is enough, and
    the last operation may be of an earlier commit, or a failed one of such a commit.

    Args:
        wanted: the commit, abbreviated or not, or one for each source of the Application.
        since: the earliest time of the comparison; Argo CD counts in whole seconds.
        by_operation: require that the last operation was of this very commit.
    """

    def judge(app: Object | None) -> Verdict:
        sha = of_each_source(app or {}, wanted)
        for demand in (_exists, _valid, _idle, _succeeded, _compared, _in_sync, _healthy):
            lacking = demand(app or {}, sha)
            if lacking is not None:
                return lacking
        assert app is not None  # noqa: S101  `_exists` has seen to it; this tells the type checker
        done = argocd.operation(app)
        if by_operation and not _is(done.revisions, sha):
            return Pending(f"its last operation was of commit {shortened(done.revisions)}, not of {shortened(sha)}")
        return _judged_late_enough(app, since) or Met(app)

    return judge


def synced_on(app: Object, sha: Wanted) -> bool:
    """Tell whether Argo CD has compared an Application with a commit and found no difference."""
    return argocd.sync_status(app) == "Synced" and _is(argocd.revisions(app), of_each_source(app, sha))


def converge(
    kube: Kube,
    names: Iterable[str],
    sha: str,
    *,
    timeout: float,
    namespace: str = argocd.NAMESPACE,
    by_operation: bool = False,
    explain: Callable[[Object], Cause | None] | None = None,
) -> dict[str, Object]:
    """Make Argo CD read a commit that was just pushed, and wait until Applications match it.

    Args:
        kube: the cluster.
        names: the names of the Applications that the commit touches; the others need not be waited for.
        sha: the commit.
        timeout: seconds for all of them.
        namespace: the namespace of the Applications.
        by_operation: require an operation of this very commit; for a commit that surely changes something.
        explain: returns why an Application does not converge.

    Returns:
        The Applications by name, in their state of convergence.

    Raises:
        Timeout: an Application did not converge in time.
        Refuted: Argo CD has given up on this commit for an Application.
    """
    wanted = list(names)
    in_parallel(lambda name: argocd_requests.ask_refresh(kube, name, namespace=namespace), wanted)
    expected = converged_on(sha, by_operation=by_operation)

    def wait(name: str) -> Object:
        app: Object = eventually(
            kube.one(argocd.APPLICATION, name, namespace),
            expected,
            timeout=timeout,
            what=f"application/{name} -n {namespace} is what commit {sha[:12]} says",
            explain=lambda app: explain(app) if explain and app else None,
        )
        roll_out(kube, app, timeout=timeout)
        return app

    return dict(zip(wanted, in_parallel(wait, wanted), strict=True))


def roll_out(kube: Kube, app: Object, *, timeout: float, still: Callable[[], float] = lambda: 0.0) -> None:
    """Wait until the workloads of an Application have rolled out, by the API server's status.

    Args:
        kube: the cluster.
        app: the Application, which names its objects.
        timeout: seconds for all of them.
        still: returns the seconds since the last news in the cluster; ends the wait.

    Raises:
        Timeout: a workload did not roll out in time.
        Refuted: a workload cannot roll out, or nothing moves any longer.
    """
    workloads = [resource for resource in argocd.resources(app) if resource.api in WORKLOADS]
    if workloads:
        name = app["metadata"]["name"]
        sources = [kube.one(workload.api, workload.name, workload.namespace) for workload in workloads]
        what = f"{', '.join(map(str, workloads))} of application/{name} {'has' if len(sources) == 1 else 'have'} rolled out"
        rolled_out_all = _all_rolled_out(list(map(str, workloads)))
        judge = unless_still(lambda states: rolled_out_all(states[:-1]), still)
        eventually(all_of(*sources, clock()), judge, timeout=timeout, what=what)


def in_parallel(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Do the same for several items in parallel threads; raises the first error after all have ended."""
    if not items:
        return []
    with ThreadPoolExecutor(max_workers=min(len(items), 16)) as pool:
        return list(pool.map(work, items))


_LEFT_OUT = re.compile(
    r"Resource (?:admissionregistration\.k8s\.io/(?:Mutating|Validating)WebhookConfiguration|apiregistration\.k8s\.io/APIService) "
)
"""What stand-ins would serve: where no file can lose it, Argo CD is told to leave the whole kind out, and the verdict names each."""


def _exists(app: Object, sha: Wanted) -> Verdict | None:  # noqa: ARG001  every demand has the same signature
    if not app:
        return Pending("it does not exist")
    if app["metadata"].get("deletionTimestamp"):
        held = ", ".join(app["metadata"].get("finalizers") or ())
        return Pending("it is being deleted" + (f", held by {held}" if held else ""))
    if argocd.refresh_asked(app):
        return Pending("Argo CD has not done the refresh that was asked for")
    if not argocd.sync_status(app):
        return Pending("Argo CD has not compared it with Git yet")
    return None


def _valid(app: Object, sha: Wanted) -> Verdict | None:
    for kind, message in argocd.conditions(app):
        if kind == argocd.EXCLUDED and _LEFT_OUT.match(message):
            continue
        why = f"condition {kind}: {' '.join(message.split())}"
        named = [revision for revision in _each(sha) if revision in message]
        given_up = len(named) == len(_each(sha)) > 0 and _FOREVER.search(message)
        return Failed(why) if given_up else Pending(why)
    return None


def _idle(app: Object, sha: Wanted) -> Verdict | None:  # noqa: ARG001  every demand has the same signature
    found = argocd.operation(app)
    commit = shortened(found.revisions)
    if found.backing_off:
        attempts = f"attempt {found.retries} of {found.retry_limit + 1}"
        return Pending(f"{attempts} to sync commit {commit} failed: {found.message}")
    if found.running:
        return Pending(f"the sync of commit {commit} is {found.phase}{f': {found.message}' if found.message else ''}")
    if app.get("operation"):
        return Pending("an operation was asked for and has not begun")
    return None


def _succeeded(app: Object, sha: Wanted) -> Verdict | None:
    found = argocd.operation(app)
    commit = shortened(found.revisions)
    if found.phase in ("Failed", "Error"):
        if _is(found.revisions, sha):
            return Failed(f"the sync of commit {commit} is {found.phase} and is not tried again: {found.message}")
        if synced_on(app, sha):
            # The failed operation had changed nothing that this commit does not revert: Argo CD has nothing left to do.
            return None
        return Pending(
            f"the sync of commit {commit} is {found.phase}, and none of {shortened(sha)} has begun: {found.message}"
        )
    return None


def _compared(app: Object, sha: Wanted) -> Verdict | None:
    found = argocd.revisions(app)
    if _is(found, sha):
        return None
    return Pending(f"it was compared with commit {shortened(found)}, not with {shortened(sha)} yet")


def _in_sync(app: Object, sha: Wanted) -> Verdict | None:  # noqa: ARG001  every demand has the same signature
    objects = argocd.resources(app)
    wrong = [f"{obj} is {obj.status}{' and must be pruned' if obj.requires_pruning else ''}"
             for obj in objects if obj.status not in ("Synced", "")]  # fmt: skip
    # Objects without a status are hooks, and objects to which another controller copied the tracking annotation.
    wrong += [f"{obj} is missing" for obj in objects if obj.health == "Missing" and obj.status in ("Synced", "")]
    if argocd.sync_status(app) != "Synced":
        idle = "" if argocd.automated(app) else "; it is not automated, so nothing syncs it"
        return Pending(f"it is {argocd.sync_status(app)}: {_some(wrong) or 'no object is named'}{idle}")
    if wrong:
        return Pending(f"it is Synced, but {_some(wrong)}")
    return None if objects else Pending("it is Synced, but has no objects: its path renders nothing")


def _healthy(app: Object, sha: Wanted) -> Verdict | None:  # noqa: ARG001  every demand has the same signature
    found = argocd.health(app)
    if found == "Healthy":
        return None
    ill = [f"{resource} is {resource.health}{f' ({resource.message})' if resource.message else ''}"
           for resource in argocd.resources(app) if resource.health not in ("Healthy", "")]  # fmt: skip
    return Pending(f"its health is {found or 'not known'}{': ' + _some(ill) if ill else ''}")


def _judged_late_enough(app: Object, since: datetime | None) -> Verdict | None:
    judged, ended = argocd.reconciled_at(app), argocd.operation(app).finished
    if judged is None or (ended is not None and judged < ended):
        return Pending("its health was judged before its last operation ended")
    if since is not None and judged < since.replace(microsecond=0):
        return Pending(f"it was compared at {judged:%H:%M:%S}, before {since:%H:%M:%S}")
    return None


def _all_rolled_out(names: Sequence[str]) -> Expectation[tuple[Object | None, ...]]:
    def judge(states: tuple[Object | None, ...]) -> Verdict:
        for name, state in zip(names, states, strict=True):
            verdict = rolled_out(state)
            if not isinstance(verdict, Met):
                return type(verdict)(f"{name}: {verdict.why}")
        return Met()

    return judge


def _each(revisions: Wanted) -> Sequence[str]:
    return (revisions,) if isinstance(revisions, str) else revisions


def _is(revisions: Sequence[str], wanted: Wanted) -> bool:
    """Tell whether every source is at the one commit, or each at its own."""
    each = [wanted] * len(revisions) if isinstance(wanted, str) else wanted
    if not revisions or len(each) != len(revisions):
        return False
    return all(bool(sha) and revision.startswith(sha) for revision, sha in zip(revisions, each, strict=True))


def shortened(revisions: Wanted) -> str:
    """Return revisions as a sentence has them: each once, a commit with twelve digits.

    Args:
        revisions: of the sources of an Application.
    """
    return ", ".join(dict.fromkeys(revision[:12] for revision in _each(revisions) if revision)) or "unknown"


def _some(words: Sequence[str]) -> str:
    rest = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
