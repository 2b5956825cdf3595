"""Prometheus runs with the newest configuration: what it cannot load it leaves, and goes on with the one before.

Operator and kubelet hand a change on within two minutes; after that the configuration is older than what the cluster says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.diagnosis.explain.monitors import PROMETHEUS_KIND, every
from platform_e2e.diagnosis.objects import changed_at, condition, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi

HANDED_ON = timedelta(seconds=180)
"""How long operator, kubelet and reloader may take to hand a change on (kubelet --sync-frequency 1 m and its cache's ttl of 1 m; the
reloader looks each 3 m where it sees no change itself)."""


def check(view: ReadApi, prometheus: Prometheus, *, secrets: bool = True) -> list[Finding]:
    """Return what is wrong with the configuration of each Prometheus of the cluster.

    Args:
        view: of the cluster.
        prometheus: of the release.
        secrets: whether Secrets are read: the operator writes the configuration into one, which tells when it was changed.
    """
    return [
        finding
        for each in every(PROMETHEUS_KIND, view)
        for finding in _of(each, view if secrets else None, prometheus.of([each]))
    ]


def _of(stack: Object, view: ReadApi | None, prometheus: Prometheus) -> Iterator[Finding]:
    name = name_of(stack)
    reconciled = condition(stack, "Reconciled")
    if reconciled.get("status") == "False":
        said = " ".join(str(reconciled.get("message") or reconciled.get("reason")).split())
        cause = Cause(
            "prometheus-not-reconciled",
            f"the Prometheus operator cannot make the configuration of {name}, which goes on with the one before: {said}",
            "correct what it names; no monitor and no rule that was changed since has an effect",
        )
        yield Finding(name, Promise.MONITORING, "it is Reconciled", "it is not", cause)
        return
    loadings = prometheus.loadings()
    bad = [loading for loading in loadings if not loading.good]
    if bad:
        cause = Cause(
            "prometheus-config-not-loaded",
            f"{name} cannot load its newest configuration and goes on with that of {bad[0].at:%H:%M:%S}: no monitor and no rule "
            "that was changed since has an effect, and once it is restarted it does not start",
            "look at the log of its config-reloader for what it refuses: often a target of a ScrapeConfig that is a URL",
        )
        yield Finding(name, Promise.MONITORING, "its configuration is loaded", "it is not", cause)
        return
    made = _made_at(stack, view) if view is not None else None
    oldest = min((loading.at for loading in loadings), default=None)
    if made is not None and oldest is not None and oldest < made.replace(microsecond=0):
        if prometheus.now() - made <= HANDED_ON:
            return
        cause = Cause(
            "prometheus-config-old",
            f"{name} runs with the configuration of {oldest:%H:%M:%S}, and the operator has made one at {made:%H:%M:%S}",
            "look at the log of the config-reloader of its pod",
        )
        yield Finding(name, Promise.MONITORING, "it runs with the newest configuration", "with an older one", cause)


def _made_at(stack: Object, view: ReadApi) -> datetime | None:
    """Return when the operator has changed the configuration last; None where it may not be read."""
    namespace, name = key(stack)
    try:
        secret = view.get("v1/Secret", f"prometheus-{name}", namespace)
    except ApiError:
        return None
    return changed_at(secret) if secret is not None else None
