"""Run every check by reading alone: the same on a live cluster and where an incident is reproduced."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from platform_e2e.checks import alerts, applications, ignore_differences, loadbalancer, monitoring, rules
from platform_e2e.checks.application_differences import as_in_git
from platform_e2e.checks.applications import TESTS
from platform_e2e.checks.drifted_objects import compared, status_of, wanted
from platform_e2e.checks.git_differences import missing_from
from platform_e2e.checks.loadbalancer import Outside
from platform_e2e.checks.loadbalancer.check import check as check_service
from platform_e2e.checks.loadbalancer.observe import observe as observe_service
from platform_e2e.checks.monitoring import argocd_info, configuration, inventory, release_metrics, unmonitored
from platform_e2e.checks.monitoring.check import check as check_monitor
from platform_e2e.checks.monitoring.observe import observe as observe_monitor
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.checks.monitoring.prometheus_replicas import OPERATED, Operated
from platform_e2e.checks.skipped_parts import SkippedParts
from platform_e2e.diagnosis.cached import CachedReader
from platform_e2e.diagnosis.causes import OBJECT_MISSING, promise_of
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.owners import REPLICAS, scaler_of
from platform_e2e.diagnosis.readiness import assess
from platform_e2e.diagnosis.tree import cause_now
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.kube.expect import Met
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.reader import Reader
from platform_e2e.layer import Layer, Rendered

FRESH = timedelta(minutes=3)
"""How old a target's last scrape may be in a picture of one moment: three times the longest usual interval."""

OF_PROMETHEUS = (Promise.MONITORING, Promise.ALERTS)
"""Promises that are not known where Prometheus cannot be asked."""

UNASKED = Outside(asks=False)
"""No client asks the addresses from outside."""


@dataclass(frozen=True)
class CheckContext:
    """The cluster and the layer that all checks look at.

    Attributes:
        reader: of the cluster; nothing here can write.
        layer: at the commit that is deployed.
        sha: that commit; empty where each Application must be at the revisions that Argo CD has compared it with.
        apps: names of the Applications that it is about.
        whole: whether these are all of the cluster, so that what is in none of them is a finding, too.
        outside: who asks the addresses.
        pool_map: ClusterFacts.pool_map where the layer's ranges are served moved.
        skipped: is told what may not be read.
    """

    reader: Reader
    layer: Layer
    sha: str
    apps: Sequence[str]
    whole: bool = True
    outside: Outside = UNASKED
    pool_map: Mapping[str, str] = field(default_factory=dict)
    skipped: SkippedParts = field(default_factory=SkippedParts)


def run_all(context: CheckContext) -> list[Finding]:
    """Return what is wrong, one for each object and cause, an object's own check first.

    Args:
        context: what is looked at.
    """
    for unjudged in context.layer.not_judged:
        context.skipped.add(unjudged.object, f"not judged ({unjudged.reason}): {unjudged.problem}")
    view = CachedReader(context.reader)
    live = live_applications(context)
    found: dict[tuple[str, str], Finding] = {}
    told: set[str] = set()
    asked = prometheus(context.reader, context.skipped)
    for several in (
        _services(context, view),
        _monitors(context, view, asked),
        _alerts(context, asked),
        _applications(context, view, live),
    ):
        for finding in several:
            found.setdefault((finding.object, finding.cause.id), finding)
    told |= {finding.object for finding in found.values()}
    for finding in (*_hidden(context, live), *_objects(context, view, told)):
        found.setdefault((finding.object, finding.cause.id), finding)
    makers = {str(rendered): rendered.application for rendered in context.layer.rendered}
    return [_by_its_maker(finding, live.get(makers.get(finding.object, "")), view) for finding in found.values()]


def _by_its_maker(finding: Finding, app: Object | None, view: CachedReader) -> Finding:
    """Give an object that is not there the cause that holds the Application which should have made it, where one is known."""
    cause = explain(app, view) if app and finding.cause.id == OBJECT_MISSING else None
    return replace(finding, cause=cause) if cause else finding


def live_applications(context: CheckContext) -> dict[str, Object]:
    """Return the Applications as the cluster has them, by name."""
    found: Sequence[Object] = context.skipped.read("Applications", lambda: context.reader.list(argocd.APPLICATION), [])
    return {key(app)[1]: app for app in found}


def prometheus(reader: Reader, skipped: SkippedParts) -> Prometheus | None:
    """Return the Prometheus of the cluster, asked by GET through the API server; None where it cannot be asked."""
    with skipped.skipping("Prometheus", *OF_PROMETHEUS):
        places = [key(service)[0] for service in reader.list("v1/Service", fields={"metadata.name": OPERATED})]
        if len(places) == 1:
            return Operated(reader, places[0])
        skipped.add("Prometheus", f"{len(places)} Services are called {OPERATED}", *OF_PROMETHEUS)
    return None


def _applications(context: CheckContext, view: CachedReader, live: Mapping[str, Object]) -> Iterator[Finding]:
    mine = [application for application in context.layer.applications if application.name in context.apps]
    for application in mine:
        # Each by itself: rights may end at a namespace.
        with context.skipped.skipping("checks of Applications", Promise.APPLICATIONS, Promise.ENVIRONMENTS):
            yield from applications.policy(application)
            app = live.get(application.name)
            at_commit = context.sha or argocd.revisions(app or {})
            yield from applications.convergence(application, app, at_commit, view)
            yield from as_in_git(application, app, view) if app else ()
    if context.whole:
        with context.skipped.skipping("checks of Applications", Promise.APPLICATIONS, Promise.ENVIRONMENTS):
            yield from applications.registered(mine, list(live.values()), context.layer.aside)
            for environment in context.layer.environments:
                yield from applications.environment(environment)


def _services(context: CheckContext, view: CachedReader) -> Iterator[Finding]:
    layer = context.layer
    for balancer in layer.load_balancers():
        if balancer.service.application in context.apps and not balancer.exempt:
            with context.skipped.skipping("checks of LoadBalancer Services", Promise.LOADBALANCER):
                wants = loadbalancer.WantedService.served(balancer, layer, context.pool_map)
                yield from check_service(wants, observe_service(wants, view, context.outside))
    for service in layer.of_kind("v1/Service"):
        if service.application in context.apps:
            yield from loadbalancer.typed(service)
    if context.whole:
        with context.skipped.skipping("checks of LoadBalancer Services", Promise.LOADBALANCER):
            known = {
                (str(balancer.service.namespace), balancer.service.name)
                for balancer in layer.load_balancers(every=True)
            }
            yield from loadbalancer.unplanned(view, known, TESTS, layer.aside)


def _monitors(context: CheckContext, view: CachedReader, asked: Prometheus | None) -> Iterator[Finding]:
    layer = context.layer
    for monitor in layer.monitors():
        if asked is not None and monitor.application in context.apps and not monitor.exempt(Promise.MONITORING):
            with context.skipped.skipping("checks of monitors", Promise.MONITORING):
                wants = monitoring.WantedMonitor.of(monitor, layer)
                yield from check_monitor(wants, observe_monitor(wants, view, asked, asked.now() - FRESH))
    for port in layer.metrics_services():
        if port.service.application in context.apps:
            # One that another promise blocks must not keep the others from being checked.
            with context.skipped.skipping("checks of metrics ports", Promise.MONITORING):
                yield from unmonitored.covered(port, layer, view)
    if context.whole:
        known = {unmonitored.identity(monitor.object) for monitor in layer.monitors()}
        with context.skipped.skipping("checks of the foundations' metrics", Promise.MONITORING):
            yield from unmonitored.unwatched(view, [each for each in layer.releases if not each.brought])
        with context.skipped.skipping("checks of other monitors", Promise.MONITORING):
            yield from unmonitored.unselected(view, known, TESTS, layer.aside, layer=layer)
        with context.skipped.skipping("checks of other rules", Promise.RULES):
            ruled = {unmonitored.identity(rule.object) for rule in layer.of_kind("PrometheusRule")}
            yield from unmonitored.unselected(view, ruled, TESTS, layer.aside, rules=True, layer=layer)
        with context.skipped.skipping("checks of admission webhooks", Promise.RULES):
            yield from rules.admission.policies(layer, view)
        if asked is not None:
            yield from _scraped(context, view, asked, known)


def _scraped(
    context: CheckContext, view: CachedReader, asked: Prometheus, known: Collection[unmonitored.Identity]
) -> Iterator[Finding]:
    """Yield what is wrong with the whole of what is scraped."""
    layer = context.layer
    with context.skipped.skipping("checks of targets", Promise.MONITORING):
        yield from inventory.all_of(view, asked, known, secrets=False)
    with context.skipped.skipping("checks of Prometheus' configuration", Promise.MONITORING):
        yield from configuration.check(view, asked, secrets=False)
    with context.skipped.skipping("checks of the foundations' metrics", Promise.MONITORING):
        yield from release_metrics.unscraped(layer, view, asked)
        if release_metrics.are_read("argo-cd", layer):
            yield from argocd_info.check(argocd_info.observe(view, asked))


def _alerts(context: CheckContext, asked: Prometheus | None) -> Iterator[Finding]:
    """Yield the alerts that no receiver gets, and the inhibitions by labels that no alert has."""
    mine = [alert for alert in alerts.of_layer(context.layer) if alert.application in context.apps]
    if asked is None or not mine:
        return
    with context.skipped.skipping("checks of alerts", Promise.ALERTS):
        for alert in mine:
            yield from alerts.routing.check(alert, alerts.routing.observe(alert, asked, context.reader), context.layer)
        if context.whole:
            yield from alerts.routing.inhibitions(context.layer, asked, context.reader)


def _hidden(context: CheckContext, live: Mapping[str, Object]) -> Iterator[Finding]:
    """Yield drift that Argo CD was told to look away from."""
    settings = None
    with context.skipped.skipping("configmap/argocd-cm", Promise.SELFHEAL):
        settings = ignore_differences.settings(context.reader)
    for rendered in wanted(context.layer, context.apps):
        app = live.get(rendered.application)
        status = status_of(rendered, dict(ignore_differences.statuses(app or {})))
        if app is None or status != "Synced":
            continue
        with context.skipped.skipping(f"{rendered.kind} objects"):
            obj = context.reader.get(rendered.api, rendered.name, rendered.namespace)
            if obj is None or not missing_from(rendered.object, obj):
                continue
            drift = compared(rendered, obj, status)
            if drift is not None:
                # Where an autoscaler owns the number of pods, Git's is from before it.
                owned = scaler_of(obj, context.reader) is not None
                different = [each for each in drift.differences if not (owned and each.path == REPLICAS)]
                yield from ignore_differences.check(
                    rendered, obj, different, status, ignore_differences.rules(app, settings)
                )


def _objects(context: CheckContext, view: CachedReader, told: set[str]) -> Iterator[Finding]:
    """Yield the objects of the layer that are held, where no check of their own has told it already."""
    for rendered in wanted(context.layer, context.apps):
        if str(rendered) in told or rendered.api == argocd.APPLICATION:
            continue
        with context.skipped.skipping(f"{rendered.kind} objects"):
            obj = view.get(rendered.api, rendered.name, rendered.namespace)
            if obj is None:
                yield _missing(rendered)
                continue
            cause = cause_now(obj, view)
            if cause is not None:
                state = assess(obj, view)
                observed = "it is held all the same" if isinstance(state.verdict, Met) else state.verdict.why
                finding = Finding(str(rendered), Promise.APPLICATIONS, state.expected, observed, cause)
                yield replace(finding, promise=promise_of(cause, Promise.APPLICATIONS))


def _missing(rendered: Rendered) -> Finding:
    cause = Cause(
        OBJECT_MISSING,
        f"{rendered} is in {rendered.location} and not in the cluster",
        f"look at application/{rendered.application}, which should have made it",
    )
    return Finding(str(rendered), Promise.APPLICATIONS, "it exists", "it does not exist", cause)
