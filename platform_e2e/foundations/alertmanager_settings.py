"""What Alertmanager is told in place of the layer's own: each receiver posts to a webhook of the harness, and groups are sent at once.

So a test pages no one, and what would have been sent is seen. Routes, matchers, inhibitions and the names of receivers stay as they
are; a receiver without any integration stays without.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platform_e2e.foundations import manifests
from platform_e2e.foundations.alert_receiver import url_of
from platform_e2e.layer import foundation_values
from platform_e2e.layer.argo_objects import mapping, mappings

CHART = "kube-prometheus-stack"

SHORT: Mapping[str, str] = {"group_wait": "1s", "group_interval": "5s"}
"""In place of 30 s and 5 min, or what a layer says: how long Alertmanager collects before it sends a group, first and later
(alertmanager 0.28, docs/configuration.md, route)."""

INTEGRATIONS = "_configs"
"""End of the name of each list of integrations: webhook_configs, slack_configs, pagerduty_configs (config/config.go, Receiver)."""


def instead(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that replace those of a layer: receivers and timings, and nothing where Alertmanager is off.

    Args:
        values: of the layer for the chart; where they have no receivers, those of the chart stay, which have no integrations.
    """
    given = mapping(values.get("alertmanager"))
    if given.get("enabled") is False:
        return {}
    config = mapping(given.get("config"))
    told: dict[str, Any] = {"route": {**SHORT}}
    routes = mapping(config.get("route")).get("routes")
    if isinstance(routes, list):
        told["route"]["routes"] = [_hastened(each) for each in routes]
    if isinstance(config.get("receivers"), list):
        told["receivers"] = [_ours(each) for each in config["receivers"]]
    return {"alertmanager": {"config": told}}


def _hastened(route: Any) -> Any:
    """Return a route in which neither it nor those below it wait longer; what they do not say they have from the root."""
    if not isinstance(route, Mapping):
        return route
    found: dict[str, Any] = {key: SHORT.get(key, value) for key, value in route.items()}
    if isinstance(route.get("routes"), list):
        found["routes"] = [_hastened(each) for each in route["routes"]]
    return found


def _ours(receiver: Any) -> Any:
    """Return a receiver whose integrations, of whatever kind, are one webhook of the harness."""
    if not isinstance(receiver, Mapping):
        return receiver
    kept = {key: value for key, value in receiver.items() if not str(key).endswith(INTEGRATIONS)}
    if any(mappings(value) for key, value in receiver.items() if str(key).endswith(INTEGRATIONS)):
        # By default only some kinds tell of an alert that is over.
        kept["webhook_configs"] = [{"url": url_of(str(receiver.get("name"))), "send_resolved": True}]
    return kept


def stored(values: Path) -> Path | None:
    """Return a file with the values that replace those in a file, which has its name from its content; None where none do."""
    told = instead(manifests.read(values))
    return foundation_values.stored("alertmanager", told) if told else None
