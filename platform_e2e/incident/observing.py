"""What the checks say of a cluster by reading alone: the same at the incident and where it is reproduced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from platform_e2e.checks import applications, ignore_differences, loadbalancer, monitoring
from platform_e2e.checks.applications import TESTS
from platform_e2e.checks.differences import missing_from
from platform_e2e.checks.loadbalancer import Outside
from platform_e2e.checks.loadbalancer.check import check as check_service
from platform_e2e.checks.loadbalancer.observe import observe as observe_service
from platform_e2e.checks.monitoring import unmonitored
from platform_e2e.checks.monitoring.check import check as check_monitor
from platform_e2e.checks.monitoring.instances import OPERATED, Operated
from platform_e2e.checks.monitoring.observe import observe as observe_monitor
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.diagnosis.cached import CachedReader
from platform_e2e.diagnosis.causes import promise_of
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.owners import REPLICAS, scaler_of
from platform_e2e.diagnosis.readiness import assess
from platform_e2e.diagnosis.tree import cause_now
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.incident.drift import compared, status_of, wanted
from platform_e2e.incident.missed import Missed
from platform_e2e.kube.expect import Met
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.reader import Reader
from platform_e2e.layer import Layer, Rendered

FRESH = timedelta(minutes=3)
"""How old a target's last scrape may be in a picture of one moment: three times the longest usual interval."""

UNASKED = Outside(asks=False)
"""Nobody asks the addresses from outside."""


@dataclass(frozen=True)
class Ground:
    """What the checks look at.

    Attributes:
        reader: of the cluster; nothing here can write.
        layer: at the commit that is deployed.
        sha: that commit.
        apps: names of the Applications that it is about.
        whole: whether these are all of the cluster, so that what is in none of them is a finding, too.
        outside: who asks the addresses.
        pool_map: ClusterFacts.pool_map where the layer's ranges are served moved.
        missed: is told what may not be read.
    """

    reader: Reader
    layer: Layer
    sha: str
    apps: Sequence[str]
    whole: bool = True
    outside: Outside = UNASKED
    pool_map: Mapping[str, str] = field(default_factory=dict)
    missed: Missed = field(default_factory=Missed)


def findings(ground: Ground) -> list[Finding]:
    """Return what is wrong, one for each object and cause, an object's own check first.

    Args:
        ground: what is looked at.
    """
    view = CachedReader(ground.reader)
    live = live_applications(ground)
    found: dict[tuple[str, str], Finding] = {}
    told: set[str] = set()
    for several in (_services(ground, view), _monitors(ground, view), _applications(ground, view, live)):
        for one in several:
            found.setdefault((one.object, one.cause.id), one)
    told |= {one.object for one in found.values()}
    for one in (*_hidden(ground, live), *_objects(ground, view, told)):
        found.setdefault((one.object, one.cause.id), one)
    makers = {str(one): one.application for one in ground.layer.rendered}
    return [_by_its_maker(one, live.get(makers.get(one.object, "")), view) for one in found.values()]


def _by_its_maker(finding: Finding, app: Object | None, view: CachedReader) -> Finding:
    """Give an object that is not there the cause that holds the Application which should have made it, where one is known."""
    cause = explain(app, view) if app and finding.cause.id == "object-missing" else None
    return replace(finding, cause=cause) if cause else finding


def live_applications(ground: Ground) -> dict[str, Object]:
    """Return the Applications as the cluster has them, by name."""
    found: Sequence[Object] = ground.missed.read("Applications", lambda: ground.reader.list(argocd.APPLICATION), [])
    return {key(app)[1]: app for app in found}


def prometheus(reader: Reader, missed: Missed) -> Prometheus | None:
    """Return the Prometheus of the cluster, asked by GET through the API server; None where it cannot be asked."""
    with missed.of("Prometheus"):
        places = [key(one)[0] for one in reader.list("v1/Service", fields={"metadata.name": OPERATED})]
        if len(places) == 1:
            return Operated(reader, places[0])
        missed.add("Prometheus", f"{len(places)} Services are called {OPERATED}")
    return None


def _applications(ground: Ground, view: CachedReader, live: Mapping[str, Object]) -> Iterator[Finding]:
    mine = [one for one in ground.layer.applications if one.name in ground.apps]
    for one in mine:
        # Each by itself: rights may end at a namespace.
        with ground.missed.of("checks of Applications"):
            yield from applications.policy(one)
            app = live.get(one.name)
            yield from applications.convergence(one, app, ground.sha, view)
            yield from applications.as_in_git(one, app, view) if app else ()
    if ground.whole:
        with ground.missed.of("checks of Applications"):
            yield from applications.registered(mine, list(live.values()))
            for environment in ground.layer.environments:
                yield from applications.environment(environment)


def _services(ground: Ground, view: CachedReader) -> Iterator[Finding]:
    layer = ground.layer
    for one in layer.load_balancers():
        if one.service.application in ground.apps and not one.exempt:
            with ground.missed.of("checks of LoadBalancer Services"):
                wants = loadbalancer.Wanted.served(one, layer, ground.pool_map)
                yield from check_service(wants, observe_service(wants, view, ground.outside))
    for service in layer.of_kind("v1/Service"):
        if service.application in ground.apps:
            yield from loadbalancer.typed(service)
    if ground.whole:
        with ground.missed.of("checks of LoadBalancer Services"):
            known = {(str(one.service.namespace), one.service.name) for one in layer.load_balancers()}
            yield from loadbalancer.unplanned(view, known, TESTS)


def _monitors(ground: Ground, view: CachedReader) -> Iterator[Finding]:
    layer = ground.layer
    asked = prometheus(ground.reader, ground.missed)
    for one in layer.monitors():
        if asked is not None and one.application in ground.apps and not one.exempt(Promise.MONITORING):
            with ground.missed.of("checks of monitors"):
                wants = monitoring.Wanted.of(one, layer)
                yield from check_monitor(wants, observe_monitor(wants, view, asked, asked.now() - FRESH))
    for port in layer.metrics_services():
        if port.service.application in ground.apps:
            # One that another promise blocks is none of the others' affair.
            with ground.missed.of("checks of metrics ports"):
                yield from unmonitored.covered(port, layer, view)
    if ground.whole:
        with ground.missed.of("checks of the foundations' metrics"):
            yield from unmonitored.unwatched(view, layer.releases)
        with ground.missed.of("checks of other monitors"):
            known = {unmonitored.identity(one.object) for one in layer.monitors()}
            yield from unmonitored.unselected(view, known, TESTS)


def _hidden(ground: Ground, live: Mapping[str, Object]) -> Iterator[Finding]:
    """Yield drift that Argo CD was told to look away from."""
    settings = None
    with ground.missed.of("configmap/argocd-cm"):
        settings = ignore_differences.settings(ground.reader)
    for one in wanted(ground.layer, ground.apps):
        app = live.get(one.application)
        status = status_of(one, dict(ignore_differences.statuses(app or {})))
        if app is None or status != "Synced":
            continue
        with ground.missed.of(f"{one.kind} objects"):
            obj = ground.reader.get(one.api, one.name, one.namespace)
            if obj is None or not missing_from(one.object, obj):
                continue
            drift = compared(one, obj, status)
            if drift is not None:
                # Where an autoscaler owns the number of pods, Git's is from before it.
                owned = scaler_of(obj, ground.reader) is not None
                different = [each for each in drift.differences if not (owned and each.path == REPLICAS)]
                yield from ignore_differences.check(
                    one, obj, different, status, ignore_differences.rules(app, settings)
                )


def _objects(ground: Ground, view: CachedReader, told: set[str]) -> Iterator[Finding]:
    """Yield the objects of the layer that are held, where no check of their own has told it already."""
    for one in wanted(ground.layer, ground.apps):
        if str(one) in told or one.api == argocd.APPLICATION:
            continue
        with ground.missed.of(f"{one.kind} objects"):
            obj = view.get(one.api, one.name, one.namespace)
            if obj is None:
                yield _missing(one)
                continue
            cause = cause_now(obj, view)
            if cause is not None:
                state = assess(obj, view)
                observed = "it is held all the same" if isinstance(state.verdict, Met) else state.verdict.why
                finding = Finding(str(one), Promise.APPLICATIONS, state.expected, observed, cause)
                yield replace(finding, promise=promise_of(cause, Promise.APPLICATIONS))


def _missing(one: Rendered) -> Finding:
    cause = Cause(
        "object-missing",
        f"{one} is in {one.file} and not in the cluster",
        f"look at application/{one.application}, which should have made it",
    )
    return Finding(str(one), Promise.APPLICATIONS, "it exists", "it does not exist", cause)
