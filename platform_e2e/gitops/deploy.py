"""Do what a team does once the foundations are there: apply `argocd/`, and see the whole layer come up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML

from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd
from platform_e2e.gitops.arrival import PHASE, Arrival
from platform_e2e.gitops.convergence import in_parallel, roll_out
from platform_e2e.gitops.git import Commit, GitServer
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import KindNotServed, NotFound
from platform_e2e.kube.expect import Met, Pending, Polled, Verdict, all_of, eventually, poll
from platform_e2e.kube.objects import Object, generation, kind_of
from platform_e2e.layer import Layer
from platform_e2e.timeline import Timeline

_ORDER = (argocd.APPPROJECT, argocd.APPLICATION, argocd.APPLICATIONSET)
"""An Application is refused while its project does not exist, so projects come first."""

_TICK = 0.5
"""Seconds after which Applications are looked at even when nothing changed, so that a refresh can be asked for again."""


@dataclass(frozen=True)
class Roots:
    """What was applied by hand.

    Attributes:
        names: `kind/name` of each.
        projects: names of the AppProjects that were there before, and their generations then.
    """

    names: tuple[str, ...]
    projects: Mapping[str, int]


@dataclass(frozen=True)
class Deployment:
    """A layer that has come up.

    Attributes:
        commit: what is served.
        applied: `kind/name` of what was applied by hand.
        seconds: for each Application that has converged after how many seconds it had.
    """

    commit: Commit
    applied: tuple[str, ...]
    seconds: Mapping[str, float]


def deploy(
    kube: Kube,
    layer: Layer,
    git: GitServer,
    *,
    timeline: Timeline,
    timeout: float,
    pool_map: Mapping[str, str] | None = None,
    explain: Callable[[Object], Cause | None] | None = None,
    hopeless: Callable[[Object], tuple[str, float | None] | None] | None = None,
    founded: Callable[[], bool] = lambda: True,
) -> Deployment:
    """Serve the working tree's layer, apply its roots, and wait until all of it has converged.

    On a cluster that has the layer already, what changed since is pushed, named in the timeline, and refreshed; where
    nothing changed, nothing is pushed.

    Args:
        kube: the cluster.
        layer: to deploy.
        git: that Argo CD reads from.
        timeline: gets the progress.
        timeout: seconds until everything must have converged.
        pool_map: ClusterFacts.pool_map.
        explain: works out why an Application does not converge.
        hopeless: tells causes that stay, so that one broken Application does not keep the others from being judged.
        founded: tells whether the foundations are there; before that no Application is given up.

    Raises:
        SourceError: the layer reads what cannot be served.
        PushError: the git server did not take it.
        Timeout, Refuted: Argo CD or the layer did not come up.
    """
    began = time.monotonic()
    commit = git.publish(layer.directory, pool_map=pool_map)
    kept = commit.before is not None
    if kept and commit.pushed:
        timeline.event("fact", "layer changed", files=list(commit.changed), commit=commit.sha)
        timeline.progress(PHASE, f"{len(commit.changed)} files changed since: {', '.join(commit.changed[:5])}")
    roots = apply_roots(kube, layer, git, timeout=timeout)
    if kept and commit.pushed:
        refresh_all(kube, layer)
    left = max(1.0, timeout - (time.monotonic() - began))
    seconds = wait_converged(
        kube,
        layer,
        commit.sha,
        timeline=timeline,
        timeout=left,
        explain=explain,
        hopeless=hopeless,
        founded=founded,
        projects=roots.projects,
    )
    return Deployment(commit, roots.names, seconds)


def apply_roots(kube: Kube, layer: Layer, git: GitServer, *, timeout: float) -> Roots:
    """Apply the AppProjects, Applications and ApplicationSets under `argocd/` as they are served, by server-side apply.

    Begins as soon as Argo CD's kinds are served; its controllers need not run yet.

    Args:
        kube: the cluster.
        layer: says in which files they are.
        git: has the files as they are served.
        timeout: seconds until Argo CD's kinds must be served.

    Raises:
        Timeout: Argo CD's kinds or its namespace did not come.
        ApiError: the API server refused an object.
    """
    files = {one.file for one in layer.projects} | {one.file for one in layer.applicationsets}
    files |= {one.file for one in layer.applications if one.generated_by is None}
    objects = [obj for file in sorted(files) for obj in YAML(typ="safe", pure=True).load_all(git.read(file)) if obj]
    applied: list[str] = []
    projects: dict[str, int] = {}
    for kind in _ORDER:
        wanted = [obj for obj in _flat(objects) if f"{obj.get('apiVersion')}/{obj.get('kind')}" == kind]
        for obj in wanted:
            obj["metadata"].setdefault("namespace", argocd.NAMESPACE)
            name = f"{obj['kind'].lower()}/{obj['metadata']['name']}"
            before = poll(
                _apply(kube, obj),
                timeout=timeout,
                what=f"the API server takes {name} -n {obj['metadata']['namespace']}",
            )
            applied.append(name)
            if kind == argocd.APPPROJECT and before:
                projects[obj["metadata"]["name"]] = generation(before)
    return Roots(tuple(applied), projects)


def wait_converged(
    kube: Kube,
    layer: Layer,
    sha: str,
    *,
    timeline: Timeline,
    timeout: float,
    explain: Callable[[Object], Cause | None] | None = None,
    hopeless: Callable[[Object], tuple[str, float | None] | None] | None = None,
    founded: Callable[[], bool] = lambda: True,
    came_up: bool = False,
    projects: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, float]:
    """Wait until every Application of the layer, generated ones included, is what a commit says, workloads rolled out.

    Applications are refreshed as long as they cannot be compared, and an operation of an earlier commit that waits for its
    next attempt is stopped; what Argo CD does for this commit, it does by itself.

    Args:
        kube: the cluster.
        layer: names the Applications and what each ApplicationSet generates.
        sha: the commit that is served.
        timeline: gets the progress: how many of how many, and why each other one is pending.
        timeout: seconds.
        explain: works out why an Application does not converge.
        hopeless: returns the cause that holds an Application and for how many seconds it is worth waiting while that cause
            stays, None where nobody can tell; or None without a cause. Such an Application is then left behind, shortly before
            the end of the wait in any case; without it every one is waited for.
        founded: tells whether the foundations are there; before that no Application is given up.
        came_up: whether the layer had come up before; else one Application at least must converge.
        projects: names of AppProjects and their generations before anything was changed; those of now, where none are named.

    Returns:
        For each Application that has converged the seconds after which it had.

    Raises:
        Timeout: not all did in time; the text says what each one lacks.
        Refuted: Argo CD has given up on this commit for one of them, or it cannot be rendered.
    """
    wait = Arrival(kube, layer, sha, timeline, hopeless, time.monotonic() + timeout, came_up, founded, dict(projects))
    namespaces = {one.namespace for one in layer.applications} | {one.namespace for one in layer.applicationsets}
    namespace = namespaces.pop() if len(namespaces) == 1 else None
    apps = eventually(
        all_of(
            kube.many(argocd.APPLICATION, namespace),
            kube.many(argocd.APPLICATIONSET, namespace),
            kube.many(argocd.APPPROJECT, argocd.NAMESPACE),
            Polled(Met, "the clock", first=_TICK, most=_TICK),
        ),
        wait.judge,
        timeout=timeout,
        what=f"the {len(layer.applications)} Applications of the layer are what commit {sha[:12]} says",
        explain=lambda state: wait.explain(state, explain),
    )
    in_parallel(lambda app: roll_out(kube, app, timeout=timeout), apps)
    return wait.seconds


def refresh_all(kube: Kube, layer: Layer, *, hard: bool = False) -> None:
    """Ask every ApplicationSet and Application of the layer to look at Git now; those that do not exist yet are left out.

    Args:
        kube: the cluster.
        layer: whose they are.
        hard: render all manifests again, even where the commit is the same.
    """

    def ask(kind_and_name: tuple[Callable[..., None], str, str]) -> None:
        function, name, namespace = kind_and_name
        try:
            function(kube, name, namespace=namespace)
        except (NotFound, KindNotServed):
            return

    wanted: list[tuple[Callable[..., None], str, str]] = [
        (argocd.ask_applicationset_refresh, one.name, one.namespace) for one in layer.applicationsets
    ]
    wanted += [(partial(argocd.ask_refresh, hard=hard), one.name, one.namespace) for one in layer.applications]
    in_parallel(ask, wanted)


def _apply(kube: Kube, obj: Object) -> Callable[[], Verdict]:
    """Return the work that applies an object and ends with what it was before, if it was there."""

    def work() -> Verdict:
        try:
            before = kube.get(kind_of(obj), obj["metadata"]["name"], obj["metadata"]["namespace"])
            kube.apply(obj)
        except (KindNotServed, NotFound) as error:
            return Pending(error.problem)
        return Met(before)

    return work


def _flat(objects: Sequence[Any]) -> list[Object]:
    """Return plain objects, those inside of a List too."""
    found: list[Object] = []
    for obj in objects:
        found += _flat(obj.get("items") or ()) if obj.get("kind") == "List" else [obj]
    return found
