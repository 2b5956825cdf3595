"""Causes of wrong scrapes: an error of a scrape, targets too many or too few, a missing series."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from platform_e2e.diagnosis.explain.loadbalancer import without_pool
from platform_e2e.diagnosis.explain.metallb_pools import POOL_KIND
from platform_e2e.diagnosis.explain.monitors import entries, is_of_pods, rules_of
from platform_e2e.diagnosis.objects import at, listed, name_of
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from platform_e2e.kube.reader import ReadApi

DROPPING = frozenset({"drop", "keep", "dropequal", "keepequal", "hashmod"})
"""Actions of a relabeling after which a target may not be scraped (Prometheus 3, model/relabel)."""

OF_POOLS = "metallb_allocator_addresses_"
"""How the series begin that MetalLB's controller delivers for each IPAddressPool (internal/allocator/stats.go)."""

REMEDIES = (
    (
        r"server gave HTTP response to HTTPS client",
        "write scheme: http into the endpoint, for the target answers in plain text",
    ),
    (
        r"x509: |certificate signed by|certificate is valid for",
        "give the endpoint's tlsConfig the ca and the serverName of the target's certificate",
    ),
    (
        r"remote error: tls: (?:certificate required|bad certificate|unknown certificate)",
        "give the endpoint's tlsConfig a cert and a keySecret that the target trusts, for it asks clients for a certificate",
    ),
    (
        r"HTTP status 40[13]",
        "let the endpoint log in (authorization, basicAuth, oauth2), and see that what it logs in as may read metrics",
    ),
    (r"HTTP status 404", "correct path of the endpoint; see what the application serves at it"),
    (
        r"HTTP status 400",
        "write scheme: https into the endpoint where the target serves TLS; else correct its path and params",
    ),
    (
        r"connection refused",
        "correct the port of the endpoint, or see that the application listens on it at the pod's address",
    ),
    (
        r"context deadline exceeded|i/o timeout|no route to host",
        "look for a NetworkPolicy that keeps Prometheus out; else raise scrapeTimeout of the endpoint",
    ),
)
"""What to do about an error of a scrape, by what Prometheus quotes (Go's net/http, crypto/tls and net; Prometheus 3, scrape)."""


def scrape_error(monitor: Object, errors: Mapping[str, str], makers: Sequence[str] = ()) -> Cause:
    """Return the cause of targets that are found and cannot be scraped.

    Args:
        monitor: whose targets they are.
        errors: Prometheus' lastError for each target's address.
        makers: by name what makes the pods that they are, where the targets that are up are pods of something else.
    """
    first, error = next(iter(errors.items()))
    others = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    fitting = (remedy for pattern, remedy in REMEDIES if re.search(pattern, error))
    found = (
        f"Prometheus finds {first}{others} through {name_of(monitor)} and cannot scrape it: {error or 'no error given'}"
    )
    if makers:
        chosen = "the PodMonitor" if is_of_pods(monitor) else "the Service"
        return Cause(
            "scrape-error",
            f"{found}; it is of {listed(makers)}, and those of other workloads are scraped",
            f"let spec.selector of {chosen} leave out the pods of {listed(makers)}, or let them deliver metrics there",
        )
    return Cause(
        "scrape-error", found, next(fitting, f"correct path, scheme or port of the {monitor['kind']}'s endpoint")
    )


def not_loaded(monitor: Object, pool: str, takers: Sequence[Object]) -> Cause:
    """Return the cause of a scrape pool that is not in the configuration that Prometheus runs with.

    Args:
        monitor: that it is of.
        pool: its name.
        takers: the Prometheus objects that select the monitor; what the operator says in their conditions is quoted.
    """
    said = [
        f"; {name_of(taker)} is not {condition.get('type')}: {' '.join(str(condition['message']).split())}"
        for taker in takers
        for condition in at(taker, "status", "conditions") or ()
        if condition.get("status") == "False" and condition.get("message")
    ]
    return Cause(
        "monitor-not-loaded",
        f"Prometheus has not loaded {pool}, although it selects the {monitor['kind']}{''.join(said)}",
        "look at the log of the Prometheus operator for why it rejects it, and at the config reloader's",
    )


def miscounted(monitor: Object, pool: str, pods: Sequence[str], wanted: int, who: str) -> Cause:
    """Return the cause of a number of targets that is not that of the pods.

    Args:
        monitor: whose targets they are.
        pool: the scrape pool, whose last part is the number of the endpoint.
        pods: those that the targets are, by their names or addresses.
        wanted: how many there must be.
        who: in words, who says so.
    """
    index = int(pool.rpartition("/")[2])
    entry = entries(monitor)[index]
    drops = [
        f"{rule['action']} by {listed(rule.get('sourceLabels') or [], 'no label')}"
        for rule in entry.get("relabelings") or ()
        if rule.get("action") in DROPPING
    ]
    has = f"Prometheus scrapes {len(pods)} targets through {name_of(monitor)} and should scrape {wanted} ({who})"
    field = f"spec.{rules_of(monitor).entries}[{index}].relabelings"
    if drops and len(pods) < wanted:
        return Cause("monitor-targets-dropped", f"{has}; its {field} drop targets: {listed(drops)}", f"correct {field}")
    chosen = "the PodMonitor" if is_of_pods(monitor) else "the Service"
    return Cause(
        "monitor-target-count",
        f"{has}: {listed(sorted(pods))}",
        f"look for pods that {chosen} selects besides those of the workload"
        if len(pods) > wanted
        else "look for pods of the workload that do not run, or do not carry the labels of its template",
    )


def undelivered(series: str, view: ReadApi) -> Cause | None:
    """Return why no target can deliver a series, or None where that is the application's own affair.

    Args:
        series: its name.
        view: of the cluster.
    """
    if series.startswith(OF_POOLS) and not view.list(POOL_KIND):
        return without_pool(f"MetalLB has no series {series}")
    return None
