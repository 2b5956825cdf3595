"""Do what a team does once the foundations are there: apply `argocd/`, and see the whole layer come up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML

from platform_e2e.gitops import argocd, argocd_requests
from platform_e2e.gitops.convergence import in_parallel, roll_out
from platform_e2e.gitops.git import Commit, GitServer
from platform_e2e.gitops.rollout import PHASE, GiveUp, Held, LayerRollout
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import ApiError, KindNotServed, NotFound, Unavailable
from platform_e2e.kube.expect import Met, Pending, Polled, Verdict, all_of, eventually, poll
from platform_e2e.kube.objects import Object, generation, kind_of
from platform_e2e.kube.progress import STILL_SECONDS, TICK, Movement
from platform_e2e.kube.waiting import WaitError
from platform_e2e.layer import Layer
from platform_e2e.timeline import Timeline

_ORDER = (argocd.APPPROJECT, argocd.APPLICATION, argocd.APPLICATIONSET)
"""An Application is refused while its project does not exist, so projects come first."""

_LAST_SECONDS = 10.0
"""Within them everything that has not converged by the end of the wait was asked about once more, and is left behind."""


@dataclass(frozen=True)
class Roots:
    """What was applied by hand.

    Attributes:
        names: `kind/name` of each.
        projects: names of the AppProjects that were there before, and their generations then.
        refused: for each `kind/name` that the API server does not take its sentence.
    """

    names: tuple[str, ...]
    projects: Mapping[str, int]
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Deployment:
    """A layer that has come up, as far as it can.

    Attributes:
        commit: what is served.
        applied: `kind/name` of what was applied by hand.
        seconds: for each Application that has converged after how many seconds it had.
        held: for each other one what holds it.
    """

    commit: Commit
    applied: tuple[str, ...]
    seconds: Mapping[str, float]
    held: Mapping[str, Held] = field(default_factory=dict)


def deploy(
    kube: Kube,
    layer: Layer,
    git: GitServer,
    *,
    timeline: Timeline,
    timeout: float,
    pool_map: Mapping[str, str] | None = None,
    give_up: GiveUp | None = None,
) -> Deployment:
    """Serve the working tree's layer, apply its roots, and wait until all of it has converged, or nothing moves any more.

    On a cluster that has the layer already, what changed since is pushed, named in the timeline, and refreshed; where
    nothing changed, nothing is pushed.

    Args:
        kube: the cluster.
        layer: to deploy.
        git: that Argo CD reads from.
        timeline: gets the progress.
        timeout: seconds after which the wait ends, also while something still moves.
        pool_map: ClusterFacts.pool_map.
        give_up: the policy by which one broken Application does not keep the others from being judged.

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
    with Movement(kube, (argocd.APPLICATION, argocd.APPLICATIONSET)) as moving:
        roots = apply_roots(
            kube,
            layer,
            git,
            timeout=timeout,
            given_up=lambda: (give_up is None or give_up.foundations_ready()) and moving.still() >= STILL_SECONDS,
        )
        if kept and commit.pushed:
            refresh_all(kube, layer)
        left = max(1.0, timeout - (time.monotonic() - began))
        wait = LayerRollout(kube, layer, commit.sha, timeline, give_up, moving.still)
        wait.projects, wait.refused = dict(roots.projects), _of_applications(layer, roots.refused)
        seconds, held = _wait(wait, left)
    return Deployment(commit, roots.names, seconds, held)


def _of_applications(layer: Layer, refused: Mapping[str, str]) -> dict[str, str]:
    """Return for each Application that is not taken, or whose project or ApplicationSet is not, the API server's sentence."""
    found = {}
    for app in layer.applications:
        asked = (f"application/{app.name}", f"applicationset/{app.generated_by}", f"appproject/{app.project}")
        whys = [refused[name] for name in asked if name in refused]
        if whys:
            found[app.name] = whys[0]
    return found | {f"ApplicationSet {appset.name}": why for appset in layer.applicationsets
                    if (why := refused.get(f"applicationset/{appset.name}"))}  # fmt: skip


def apply_roots(
    kube: Kube, layer: Layer, git: GitServer, *, timeout: float, given_up: Callable[[], bool] | None = None
) -> Roots:
    """Apply the AppProjects, Applications and ApplicationSets under `argocd/` as they are served, by server-side apply.

    Begins as soon as Argo CD's kinds are served; its controllers need not run yet.

    Args:
        kube: the cluster.
        layer: says in which files they are.
        git: has the files as they are served.
        timeout: seconds until Argo CD's kinds must be served.
        given_up: tells that a kind or a namespace which is not there will not come. With it an object that is not taken is named
            in the result; without it, it is an error.

    Raises:
        Timeout: Argo CD's kinds or its namespace did not come.
        ApiError: the API server refused an object, or did not answer.
    """
    files = {project.file for project in layer.projects} | {appset.file for appset in layer.applicationsets}
    files |= {app.file for app in layer.applications if app.generated_by is None}
    objects = [obj for file in sorted(files) for obj in YAML(typ="safe", pure=True).load_all(git.read(file)) if obj]
    wanted = [obj for kind in _ORDER for obj in _flat(objects) if f"{obj.get('apiVersion')}/{obj.get('kind')}" == kind]
    for obj in wanted:
        obj["metadata"].setdefault("namespace", argocd.NAMESPACE)
    roots = _Roots(kube, wanted, given_up)
    what = f"the API server takes {', '.join(_where(obj) for obj in wanted[:3])}{' and others' if wanted[3:] else ''}"
    poll(roots.apply, timeout=timeout, what=what)
    return Roots(tuple(roots.applied), roots.projects, roots.refused)


class _Roots:
    """Applies objects, those later that are not taken yet: one of them shall not keep the others from being applied.

    Args:
        kube: the cluster.
        wanted: the objects, in the order in which they are to be applied.
        given_up: as for `apply_roots`.
    """

    def __init__(self, kube: Kube, wanted: Sequence[Object], given_up: Callable[[], bool] | None) -> None:
        self._kube = kube
        self._left = list(wanted)
        self._given_up = given_up
        self.applied: list[str] = []
        self.projects: dict[str, int] = {}
        self.refused: dict[str, str] = {}

    def apply(self) -> Verdict:
        """Apply what is left; what lacks its kind or its namespace stays left until that is given up."""
        over = self._given_up is not None and self._given_up()
        lacking: list[tuple[Object, str]] = []
        for obj in self._left:
            try:
                self._apply(obj)
            except (KindNotServed, NotFound) as error:
                lacking.append((obj, error.problem))
            except Unavailable:
                raise
            except ApiError as error:
                if self._given_up is None:
                    raise
                self.refused[_root(obj)] = error.problem
        if over:
            self.refused |= {_root(obj): problem for obj, problem in lacking}
            lacking = []
        self._left = [obj for obj, _ in lacking]
        return Pending(f"{_where(lacking[0][0])}: {lacking[0][1]}") if lacking else Met()

    def _apply(self, obj: Object) -> None:
        before = self._kube.get(kind_of(obj), obj["metadata"]["name"], obj["metadata"]["namespace"])
        self._kube.apply(obj)
        self.applied.append(_root(obj))
        if kind_of(obj) == argocd.APPPROJECT and before:
            self.projects[obj["metadata"]["name"]] = generation(before)


def _root(obj: Object) -> str:
    return f"{obj['kind'].lower()}/{obj['metadata']['name']}"


def _where(obj: Object) -> str:
    return f"{_root(obj)} -n {obj['metadata']['namespace']}"


def wait_converged(
    kube: Kube,
    layer: Layer,
    sha: str,
    *,
    timeline: Timeline,
    timeout: float,
    give_up: GiveUp | None = None,
    projects: Mapping[str, int] = MappingProxyType({}),
) -> tuple[dict[str, float], dict[str, Held]]:
    """Wait until every Application of the layer, generated ones included, is what a commit says, workloads rolled out.

    Applications are refreshed as long as they cannot be compared, and an operation of an earlier commit that waits for its
    next attempt is stopped; what Argo CD does for this commit, it does by itself.

    Args:
        kube: the cluster.
        layer: names the Applications and what each ApplicationSet generates.
        sha: the commit that is served.
        timeline: gets the progress: how many of how many, and why each other one is pending.
        timeout: seconds after which the wait ends, also while something still moves.
        give_up: the policy by which an Application is left behind, as is every one that has not converged when nothing moves any
            more; without it every one is waited for.
        projects: names of AppProjects and their generations before anything was changed; those of now, where none are named.

    Returns:
        For each Application that has converged the seconds after which it had, and for each other one what holds it.

    Raises:
        Timeout: without `give_up`, not all did in time; the text says what each one lacks.
        Refuted: without `give_up`, Argo CD has given up on this commit for one of them, or it cannot be rendered.
    """
    with Movement(kube, (argocd.APPLICATION, argocd.APPLICATIONSET)) as moving:
        wait = LayerRollout(
            kube,
            layer,
            sha,
            timeline,
            give_up,
            moving.still,
            projects=dict(projects),
        )
        return _wait(wait, timeout)


def _wait(wait: LayerRollout, timeout: float) -> tuple[dict[str, float], dict[str, Held]]:
    """Wait for a layer, then for the workloads of what has converged."""
    kube, layer = wait.kube, wait.layer
    wait.ends = time.monotonic() + timeout
    namespaces = {one.namespace for one in layer.applications} | {appset.namespace for appset in layer.applicationsets}
    namespace = namespaces.pop() if len(namespaces) == 1 else None
    apps = eventually(
        all_of(
            kube.many(argocd.APPLICATION, namespace),
            kube.many(argocd.APPLICATIONSET, namespace),
            kube.many(argocd.APPPROJECT, argocd.NAMESPACE),
            Polled(Met, "the clock", first=TICK, most=TICK),
        ),
        wait.judge,
        # What gives up waits a moment longer than it asks its last question.
        timeout=timeout + (_LAST_SECONDS if wait.give_up else 0.0),
        what=f"the {len(layer.applications)} Applications of the layer are what commit {wait.sha[:12]} says",
    )

    def rolled_out(app: Object) -> None:
        try:
            roll_out(kube, app, timeout=max(wait.ends - time.monotonic(), 1.0), still=wait.still)
        except WaitError as error:
            if wait.give_up is None:
                raise
            name = app["metadata"]["name"]
            wait.seconds.pop(name, None)
            wait.abandoned[name] = Held(error.report.last)

    in_parallel(rolled_out, apps)
    of = {one.name for one in layer.applications}
    return wait.seconds, {name: held for name, held in wait.abandoned.items() if name in of}


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
        (argocd_requests.ask_applicationset_refresh, appset.name, appset.namespace) for appset in layer.applicationsets
    ]
    wanted += [(partial(argocd_requests.ask_refresh, hard=hard), app.name, app.namespace) for app in layer.applications]
    in_parallel(ask, wanted)


def _flat(objects: Sequence[Any]) -> list[Object]:
    """Return plain objects, those inside of a List too."""
    found: list[Object] = []
    for obj in objects:
        found += _flat(obj.get("items") or ()) if obj.get("kind") == "List" else [obj]
    return found
