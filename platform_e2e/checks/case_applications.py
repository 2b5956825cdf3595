"""The Applications that a case is judged by or changes, so that no other test changes them meanwhile."""

from __future__ import annotations

from platform_e2e.checks.dashboards import WantedDashboard
from platform_e2e.checks.mutations import Mutation
from platform_e2e.checks.rules import WantedRule
from platform_e2e.checks.secrets import WantedSecret
from platform_e2e.diagnosis.explain.monitors import chooses, is_of_pods, labels_for, looks_at
from platform_e2e.diagnosis.objects import WORKLOAD_KINDS
from platform_e2e.layer import Application, Layer, LoadBalancer, MetricsService, Rendered

METALLB = "metallb.io/"
"""Group of what gives a Service its address, and lets it be announced."""


def changed_by(case: object) -> frozenset[str]:
    """Return the Applications that a case changes: the one that heals, and the one that is edited or deleted itself."""
    if not isinstance(case, Mutation):
        return frozenset()
    target = case.target.name if case.target.kind == "Application" else ""
    return frozenset({case.application, target} - {""})


def child_applications(name: str, layer: Layer) -> frozenset[str]:
    """Return the Applications that an Application keeps as its objects, or has an ApplicationSet make."""
    mine = [rendered for rendered in layer.rendered if rendered.application == name]
    sets = {application.name for application in mine if application.kind == "ApplicationSet"}
    made = {app.name for app in layer.applications if app.generated_by in sets}
    return frozenset(made | {application.name for application in mine if application.kind == "Application"})


def judged_by(case: object, layer: Layer) -> frozenset[str]:
    """Return the Applications whose objects a case is judged by.

    Args:
        case: of a test: an Application, a Service with an address, a monitor, a port, a rule, a dashboard, a SealedSecret, a change; None for a test of the whole layer.
        layer: that it comes from.
    """
    if case is None or isinstance(case, WantedRule | WantedDashboard):
        # A rule or a dashboard reads the series of anything.
        return frozenset(app.name for app in layer.applications)
    return (
        changed_by(case)
        | frozenset(rendered.application for rendered in objects_of(case, layer) if rendered.application)
        | _itself(case)
    )


def _itself(case: object) -> frozenset[str]:
    return frozenset({case.name}) if isinstance(case, Application) else frozenset()


def objects_of(case: object, layer: Layer) -> list[Rendered]:
    """Return the objects that a case is judged by."""
    match case:
        case LoadBalancer():
            return [case.service, *metallb(layer)]
        case MetricsService():
            monitors = [monitor for monitor in layer.monitors() if case.service in _scraped(monitor, layer)]
            return [case.service, *(monitors or layer.monitors())]
        case Mutation():
            # Healed is what has converged before: a Service of the Application needs its address for that.
            needs = any(balancer.service.application == case.application for balancer in layer.load_balancers())
            return metallb(layer) if needs else []
        case WantedSecret():
            return [case.rendered]
        case Rendered():
            return [case, *_scraped(case, layer)]
        case _:
            return []


def metallb(layer: Layer) -> list[Rendered]:
    """Return what gives the Services of a layer their addresses, and lets them be announced."""
    return [rendered for rendered in layer.rendered if rendered.api.startswith(METALLB)]


def _scraped(monitor: Rendered, layer: Layer) -> list[Rendered]:
    """Return the Services, or the workloads of pods, that a monitor of the layer chooses."""
    kinds = WORKLOAD_KINDS if is_of_pods(monitor.object) else ("v1/Service",)
    return [
        rendered
        for kind in kinds
        for rendered in layer.of_kind(kind)
        if looks_at(monitor.object, rendered.namespace or "")
        and chooses(monitor.object, labels_for(monitor.object, rendered.object))
    ]
