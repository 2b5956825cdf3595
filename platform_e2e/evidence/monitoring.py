"""What Prometheus and Alertmanager say of themselves: targets, rules, alerts, what they run with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from platform_e2e.evidence.asking import Asking

SERVICES = {"prometheus-operated": 9090, "alertmanager-operated": 9093}
"""The Services that the Prometheus operator makes for each Prometheus and Alertmanager, and their ports (pkg/prometheus)."""

QUESTIONS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "prometheus-operated": (
        ("targets", "/api/v1/targets", "targets, active and dropped"),
        ("rules", "/api/v1/rules", "rules with their state"),
        ("alerts", "/api/v1/alerts", "alerts, pending and firing"),
        ("runtimeinfo", "/api/v1/status/runtimeinfo", "runtime information"),
        ("buildinfo", "/api/v1/status/buildinfo", "version"),
        ("alertmanagers", "/api/v1/alertmanagers", "Alertmanagers that it knows"),
        ("config", "/api/v1/status/config", "the configuration that it has loaded"),
    ),
    "alertmanager-operated": (
        ("alerts", "/api/v2/alerts", "alerts"),
        ("silences", "/api/v2/silences", "silences"),
        ("status", "/api/v2/status", "status and configuration"),
    ),
}
"""Of each: name of the file, path of the API (Prometheus 3, Alertmanager v2), what it is."""


def services(asking: Asking) -> list[tuple[str, str]]:
    """Return namespace and name of each such Service."""
    found = ((s["metadata"]["namespace"], s["metadata"]["name"]) for s in asking.list("v1/Service"))
    return sorted(service for service in found if service[1] in SERVICES)


def answers(asking: Asking, namespace: str, service: str) -> Iterator[tuple[str, str, Any]]:
    """Yield for each question name, what it is, and a function that asks it."""
    for name, path, what in QUESTIONS[service]:
        yield name, what, lambda path=path: asking.service(namespace, service, SERVICES[service], path)


def targets_text(answer: Any) -> str:
    """Return the active targets as a table, those that are not up first."""
    data = answer.get("data") or {} if isinstance(answer, dict) else {}
    rows = sorted(
        data.get("activeTargets") or (),
        key=lambda target: (target.get("health") == "up", str(target.get("scrapePool"))),
    )
    bad = sum(target.get("health") != "up" for target in rows)
    dropped = data.get("droppedTargetCounts") or "not told"
    lines = [f"{len(rows)} active targets, {bad} not up; dropped: {dropped}"]
    for target in rows:
        error = f": {target['lastError']}" if target.get("lastError") else ""
        where = f"{target.get('scrapePool', '')}  {target.get('scrapeUrl', '')}  last {target.get('lastScrape', '')}"
        lines.append(f"{target.get('health', ''):8} {where}{error}")
    return "\n".join(lines) + "\n"
