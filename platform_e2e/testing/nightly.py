"""What the tests of `e2e/` judge by, beside the public face: the checks of the promises that this package proves, and their words.

A team's own test rarely needs it; what is here may change with the checks.
"""

from __future__ import annotations

from platform_e2e.checks import (
    applications,
    applicationsets,
    controls,
    drift,
    foundations,
    grounds,
    heal,
    hidden,
    hookruns,
    loadbalancer,
    monitoring,
    node,
    plainsecrets,
    revisions,
    unmade,
    unmonitored,
    waves,
)
from platform_e2e.checks.applications import TESTS
from platform_e2e.checks.blame import behind
from platform_e2e.checks.controls import Sandbox
from platform_e2e.checks.drift import Drift
from platform_e2e.checks.prometheus import Prometheus
from platform_e2e.checks.settle import settled
from platform_e2e.explain import explain
from platform_e2e.explain.loadbalancer import ingress, served_class
from platform_e2e.explain.monitors import selected_by
from platform_e2e.explain.objects import name_of
from platform_e2e.finding import Promise
from platform_e2e.gitops import argocd
from platform_e2e.kube.expect import all_of
from platform_e2e.layer import Application, ApplicationSet, Environment, LoadBalancer, MetricsService, Release
from platform_e2e.pytest_plugin.layer import layer_of
from platform_e2e.report.run import Run

__all__ = [
    "TESTS",
    "Application",
    "ApplicationSet",
    "Drift",
    "Environment",
    "LoadBalancer",
    "MetricsService",
    "Prometheus",
    "Promise",
    "Release",
    "Run",
    "Sandbox",
    "all_of",
    "applications",
    "applicationsets",
    "argocd",
    "behind",
    "controls",
    "drift",
    "explain",
    "foundations",
    "grounds",
    "heal",
    "hidden",
    "hookruns",
    "ingress",
    "layer_of",
    "loadbalancer",
    "monitoring",
    "name_of",
    "node",
    "plainsecrets",
    "revisions",
    "selected_by",
    "served_class",
    "settled",
    "unmade",
    "unmonitored",
    "waves",
]
