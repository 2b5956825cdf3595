"""Why an object does not do what it should: one small function for each cause, registered by the kind of object."""

from __future__ import annotations

from platform_e2e.explain import (
    announcing,
    applications,
    ingresses,
    loadbalancer,
    monitoring,
    own_words,
    pods,
    services,
    watching,
    workloads,
)
from platform_e2e.explain.causes import Shows, home, patience, shows, unexplained
from platform_e2e.explain.own_words import unexplained_of
from platform_e2e.explain.registry import View, explain, explains
from platform_e2e.explain.worth import worth_waiting

__all__ = [
    "Shows",
    "View",
    "announcing",
    "applications",
    "explain",
    "explains",
    "home",
    "ingresses",
    "loadbalancer",
    "monitoring",
    "own_words",
    "patience",
    "pods",
    "services",
    "shows",
    "unexplained",
    "unexplained_of",
    "watching",
    "workloads",
    "worth_waiting",
]
