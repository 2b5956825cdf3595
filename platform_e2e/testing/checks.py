"""The checks of the promises that this package proves, for the tests of `e2e/`; the public API has the rest.

A team's own test rarely needs these names, and they may change with the checks.
"""

from __future__ import annotations

from platform_e2e import faults
from platform_e2e.checks import (
    alerts,
    applications,
    applicationsets,
    audit,
    case_applications,
    dashboards,
    foundations,
    heal_attempts,
    hookruns,
    ignored_fields,
    loadbalancer,
    monitoring,
    mutations,
    negative_fixtures,
    plainsecrets,
    prune,
    rendered_objects,
    request_loop,
    retry,
    revisions,
    rollback,
    rules,
    sandbox_children,
    sandbox_objects,
    secrets,
    selfheal,
    stand_ins,
    traffic,
    unmanaged_changes,
    unsealed_secrets,
    unsynced,
    wave_order,
    waves,
)
from platform_e2e.checks.applications import TESTS
from platform_e2e.checks.external_client import ProbeResult
from platform_e2e.checks.loadbalancer import node
from platform_e2e.checks.monitoring import (
    argocd_info,
    broken_scrapes,
    configuration,
    inventory,
    moving_series,
    release_metrics,
    restart,
    unmonitored,
)
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.checks.mutations import Mutation
from platform_e2e.checks.polling import until_no_findings
from platform_e2e.checks.sandbox import NOT_COMPARED, Sandbox, fits, has_colour, is_sync, synced_with_key
from platform_e2e.checks.secrets import expected
from platform_e2e.checks.secrets import sealing as controller
from platform_e2e.checks.secrets.kubeseal import Kubeseal
from platform_e2e.checks.secrets.sealing import Sealing
from platform_e2e.diagnosis.attribution import behind
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.loadbalancer import ingress, served_class
from platform_e2e.diagnosis.explain.monitors import selected_by
from platform_e2e.diagnosis.objects import name_of
from platform_e2e.finding import Promise
from platform_e2e.gitops import argocd
from platform_e2e.gitops.leftovers import TRACKING
from platform_e2e.kube.expect import all_of, each_of
from platform_e2e.kube.recording import recorded
from platform_e2e.layer import Application, ApplicationSet, Environment, LoadBalancer, MetricsService, Release
from platform_e2e.layer.objects import SYNC_OPTIONS
from platform_e2e.pytest_plugin.layer import layer_of
from platform_e2e.runs.directory import Run
from platform_e2e.toolbox.promtool import Promtool

__all__ = [
    "NOT_COMPARED",
    "SYNC_OPTIONS",
    "TESTS",
    "TRACKING",
    "Application",
    "ApplicationSet",
    "Environment",
    "Kubeseal",
    "LoadBalancer",
    "MetricsService",
    "Mutation",
    "ProbeResult",
    "Prometheus",
    "Promise",
    "Promtool",
    "Release",
    "Run",
    "Sandbox",
    "Sealing",
    "alerts",
    "all_of",
    "applications",
    "applicationsets",
    "argocd",
    "argocd_info",
    "audit",
    "behind",
    "broken_scrapes",
    "case_applications",
    "configuration",
    "controller",
    "dashboards",
    "each_of",
    "expected",
    "explain",
    "faults",
    "fits",
    "foundations",
    "has_colour",
    "heal_attempts",
    "hookruns",
    "ignored_fields",
    "ingress",
    "inventory",
    "is_sync",
    "layer_of",
    "loadbalancer",
    "monitoring",
    "moving_series",
    "mutations",
    "name_of",
    "negative_fixtures",
    "node",
    "plainsecrets",
    "prune",
    "recorded",
    "release_metrics",
    "rendered_objects",
    "request_loop",
    "restart",
    "retry",
    "revisions",
    "rollback",
    "rules",
    "sandbox_children",
    "sandbox_objects",
    "secrets",
    "selected_by",
    "selfheal",
    "served_class",
    "stand_ins",
    "synced_with_key",
    "traffic",
    "unmanaged_changes",
    "unmonitored",
    "unsealed_secrets",
    "unsynced",
    "until_no_findings",
    "wave_order",
    "waves",
]
