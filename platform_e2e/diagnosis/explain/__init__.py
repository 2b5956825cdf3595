"""Causes by kind of object: one small function for each cause, registered by the kind of object."""

from __future__ import annotations

from platform_e2e.diagnosis.explain import (
    alertmanagers,
    applications,
    controller_messages,
    discovery_rights,
    ingresses,
    loadbalancer,
    metallb_l2,
    monitoring,
    pods,
    sealed_secrets,
    services,
    syncs,
    watched_namespaces,
    workloads,
)
from platform_e2e.diagnosis.explain.controller_messages import unexplained_of
from platform_e2e.diagnosis.registry import explain

__all__ = [
    "alertmanagers",
    "applications",
    "controller_messages",
    "discovery_rights",
    "explain",
    "ingresses",
    "loadbalancer",
    "metallb_l2",
    "monitoring",
    "pods",
    "sealed_secrets",
    "services",
    "syncs",
    "unexplained_of",
    "watched_namespaces",
    "workloads",
]
