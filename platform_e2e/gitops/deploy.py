"""Deploy a layer as a team does: apply `argocd/`, and wait until the whole layer is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from platform_e2e.gitops import argocd, argocd_requests
from platform_e2e.gitops.convergence import in_parallel, roll_out
from platform_e2e.gitops.git import Commit, GitServer
from platform_e2e.gitops.rollout import PHASE, GiveUp, Held, LayerRollout
from platform_e2e.gitops.serving import Serving
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import ApiError, KindNotServed, NotFound, Unavailable
from platform_e2e.kube.expect import Met, Pending, Verdict, all_of, eventually, poll
from platform_e2e.kube.objects import Object, generation, kind_of
from platform_e2e.kube.progress import STILL_SECONDS, Movement, clock
from platform_e2e.kube.wait import WaitError
from platform_e2e.layer import Layer, yamlfile
from platform_e2e.timeline import Timeline

_ORDER = (argocd.APPPROJECT, argocd.APPLICATION, argocd.APPLICATIONSET)
"""Order of kinds: an Application is refused while its project does not exist, so projects come first."""

_DEFAULT_PROJECT = (argocd.APPPROJECT, "default", argocd.NAMESPACE)

_LAST_SECONDS = 10.0
"""Seconds at the end of the wait for a last question about everything that has not converged, before it is abandoned."""


@dataclass(frozen=True)
class Roots:
    """The objects that are applied by hand.

    Attributes:
        names: `kind/name` of each object.
        projects: names of the AppProjects that existed before, with their generations then.
        refused: the API server's message for each `kind/name` that it refuses.
    """

    names: tuple[str, ...]
    projects: Mapping[str, int]
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Deployment:
    """A deployed layer, with its converged and its abandoned Applications.

    Attributes:
        commit: the commit that is served.
        applied: `kind/name` of each object applied by hand.
        seconds: for each converged Application the time until then.
        held: for each other Application the reason.
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
    """Serve the working tree's layer, apply its roots, and wait until all of it has converged, or nothing moves any longer.

    On a cluster that has the layer already, changes since then are pushed, shown in the timeline, and refreshed; without changes
    nothing is pushed.

    Args:
        kube: the cluster.
        layer: the layer to deploy.
        git: the server from which Argo CD reads.
        timeline: gets the progress.
        timeout: seconds after which the wait ends, even while something moves.
        pool_map: ClusterFacts.pool_map.
        give_up: the policy that abandons a broken Application, so that the others are judged.

    Raises:
        WrongUsage: the layer has changed since it was read.
        SourceError: the layer reads a source that cannot be served.
        PushError: the git server refused the push.
        Timeout, Refuted: Argo CD or the layer did not come up.
    """
    began = time.monotonic()
    layer.demand_unchanged()
    serving = Serving.of(layer, pool_map)
    commit = git.publish(layer.directory, serving)
    # Nor may a file have changed while it was read for the commit.
    layer.demand_unchanged()
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
            serving=serving,
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
    """Return the API server's message for each Application that is refused, or whose project or ApplicationSet is."""
    found = {}
    for app in layer.applications:
        asked = (f"application/{app.name}", f"applicationset/{app.generated_by}", f"appproject/{app.project}")
        whys = [refused[name] for name in asked if name in refused]
        if whys:
            found[app.name] = whys[0]
    return found | {f"ApplicationSet {appset.name}": why for appset in layer.applicationsets
                    if (why := refused.get(f"applicationset/{appset.name}"))}  # fmt: skip


def apply_roots(
    kube: Kube,
    layer: Layer,
    git: GitServer,
    *,
    timeout: float,
    given_up: Callable[[], bool] | None = None,
    serving: Serving | None = None,
) -> Roots:
    """Apply the AppProjects, Applications and ApplicationSets of the layer's roots as they are served, by server-side apply.

    What is not judged is not applied, since what it would make here is not known. Argo CD makes what others have of it. Nor are
    Applications that are nothing but a foundation, which is there already.

    Begins as soon as Argo CD's kinds are served; its controllers need not run yet.

    Args:
        kube: the cluster.
        layer: has the files' names.
        git: has the files as they are served.
        timeout: seconds until Argo CD's kinds must be served.
        given_up: tells that a missing kind or namespace will not come. With it the result names the refused objects; without it a
            refused object is an error.
        serving: how the layer is served, where that is known already.

    Raises:
        Timeout: Argo CD's kinds or its namespace did not come.
        ApiError: the API server refused an object, or did not answer.
    """
    files = {project.file for project in layer.projects} | {appset.file for appset in layer.applicationsets}
    files |= {app.file for app in layer.applications if app.generated_by is None}
    served = [(file, git.read(layer.relative(file))) for file in sorted(files & layer.by_hand)]
    if layer.rendered_roots:
        text = git.served(list(layer.rendered_roots), serving or Serving.of(layer))
        served.append(("the rendered roots", text))
    objects = [document.data for file, text in served for document in yamlfile.parse(text, file)]
    apart = {each.identity for each in layer.aside}
    wanted = [obj for kind in _ORDER for obj in _flat(objects) if f"{obj.get('apiVersion')}/{obj.get('kind')}" == kind]
    wanted = [obj for obj in map(_placed, wanted) if obj is not None and _identity(obj) not in apart]
    wanted = [*(dict(each) for each in layer.here.secrets), *wanted]
    roots = _Roots(kube, wanted, given_up)
    what = f"the API server takes {', '.join(_where(obj) for obj in wanted[:3])}{' and others' if wanted[3:] else ''}"
    poll(roots.apply, timeout=timeout, what=what)
    return Roots(tuple(roots.applied), roots.projects, roots.refused)


class _Roots:
    """Apply objects, retrying refused ones later, so that one of them does not prevent the others.

    Args:
        kube: the cluster.
        wanted: the objects, in the order to apply them.
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
        """Apply the remaining objects; one without its kind or its namespace remains until that is given up."""
        over = self._given_up is not None and self._given_up()
        lacking: list[tuple[Object, str]] = []
        for obj in self._left:
            try:
                # Argo CD makes its project when it starts. An ApplicationSet that is there before says that it lacks it, and looks
                # again only after minutes.
                if not over and _of_default_project(obj) and not self._kube.get(*_DEFAULT_PROJECT):
                    lacking.append((obj, "Argo CD has not made its project default yet"))
                    continue
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


def _of_default_project(obj: Object) -> bool:
    """Tell whether an ApplicationSet makes Applications of the project that Argo CD itself makes, or may."""
    template: Any = obj.get("spec") if kind_of(obj) == argocd.APPLICATIONSET else None
    for key in ("template", "spec", "project"):
        template = template.get(key) if isinstance(template, dict) else None
    return kind_of(obj) == argocd.APPLICATIONSET and (not template or template == "default" or "{{" in str(template))


def _placed(obj: Object) -> Object | None:
    """Return an object with its namespace; None where its name or namespace is not a text: that of a judged object is."""
    metadata = obj.get("metadata")
    name, namespace = (metadata.get(key) if isinstance(metadata, dict) else None for key in ("name", "namespace"))
    if not isinstance(metadata, dict) or not isinstance(name, str) or not isinstance(namespace, str | None):
        return None
    return {**obj, "metadata": {**metadata, "namespace": namespace or argocd.NAMESPACE}}


def _identity(obj: Object) -> tuple[str, str, str]:
    return str(obj["kind"]).lower(), obj["metadata"]["namespace"], obj["metadata"]["name"]


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
    """Wait until every Application of the layer, generated ones included, matches a commit and its workloads have rolled out.

    Applications that cannot be compared are refreshed, and an operation of an earlier commit that waits for its next attempt is
    stopped; Argo CD's own work for this commit is left alone.

    Args:
        kube: the cluster.
        layer: names the Applications and those that each ApplicationSet generates.
        sha: the commit that is served.
        timeline: gets the progress: how many have converged, and why each other one is pending.
        timeout: seconds after which the wait ends, even while something moves.
        give_up: the policy that abandons an Application; when nothing moves any longer, all that have not converged are abandoned.
            Without it the wait is for all of them.
        projects: names of AppProjects with their generations before anything was changed; by default those of now.

    Returns:
        For each converged Application the seconds until then, and for each other one the reason.

    Raises:
        Timeout: without `give_up`, not all converged in time; the text has what each one lacks.
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
    """Wait for a layer, then for the workloads of the converged Applications."""
    kube, layer = wait.kube, wait.layer
    wait.ends = time.monotonic() + timeout
    namespaces = {application.namespace for application in layer.applications} | {
        appset.namespace for appset in layer.applicationsets
    }
    namespace = namespaces.pop() if len(namespaces) == 1 else None
    apps = eventually(
        all_of(
            kube.many(argocd.APPLICATION, namespace),
            kube.many(argocd.APPLICATIONSET, namespace),
            kube.many(argocd.APPPROJECT, argocd.NAMESPACE),
            clock(),
        ),
        wait.judge,
        # The giving up waits a moment longer than its last question.
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
    of = {application.name for application in layer.applications}
    return wait.seconds, {name: held for name, held in wait.abandoned.items() if name in of}


def refresh_all(kube: Kube, layer: Layer, *, hard: bool = False) -> None:
    """Ask every ApplicationSet and Application of the layer to read Git now; skips those that do not exist yet.

    Args:
        kube: the cluster.
        layer: the layer.
        hard: render all manifests again, even of the same commit.
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


def _flat(objects: Any) -> list[Object]:
    """Return plain objects, including those inside a List."""
    found: list[Object] = []
    for obj in objects if isinstance(objects, list) else ():
        if isinstance(obj, dict):
            found += _flat(obj.get("items")) if obj.get("kind") == "List" else [obj]
    return found
