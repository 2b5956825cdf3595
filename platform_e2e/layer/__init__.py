"""Read `platform/` into typed objects: the inventory of what must be true. Knows files and kustomize, and no cluster."""

from __future__ import annotations

from platform_e2e.addresses import AddressRange
from platform_e2e.layer.applications import Application, Automation, Source
from platform_e2e.layer.applicationsets import ApplicationSet, Environment
from platform_e2e.layer.aside import private_keys, set_aside
from platform_e2e.layer.errors import LayerError, LayerErrors
from platform_e2e.layer.inventory import LoadBalancer, MetricsService, Pool, asking, is_metrics, series
from platform_e2e.layer.layer import Layer
from platform_e2e.layer.load import load
from platform_e2e.layer.not_judged import Accepted, NotJudged
from platform_e2e.layer.objects import Exemption, Rendered
from platform_e2e.layer.own_annotations import EXEMPT, PROBE
from platform_e2e.layer.probe import Probe, probe_of
from platform_e2e.layer.releases import Release
from platform_e2e.layer.renderer import Chart, Material, Renderer, Repository
from platform_e2e.layer.selectors import matches
from platform_e2e.layer.unread import Unread

__all__ = [
    "EXEMPT",
    "PROBE",
    "Accepted",
    "AddressRange",
    "Application",
    "ApplicationSet",
    "Automation",
    "Chart",
    "Environment",
    "Exemption",
    "Layer",
    "LayerError",
    "LayerErrors",
    "LoadBalancer",
    "Material",
    "MetricsService",
    "NotJudged",
    "Pool",
    "Probe",
    "Release",
    "Rendered",
    "Renderer",
    "Repository",
    "Source",
    "Unread",
    "asking",
    "is_metrics",
    "load",
    "matches",
    "private_keys",
    "probe_of",
    "series",
    "set_aside",
]
